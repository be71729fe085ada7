"""
The differences to psf/httpbin 0.10.4, one row each.

Rules: data only.  docs/coming-from-httpbin.md is made from `DIFFERENCES`, and
`test_differences` sends requests to both servers: a difference that no row claims fails,
and so does a claim that is not true.
"""

from __future__ import annotations

import re
from typing import Final

from attrs import evolve, frozen

from netd.test.differences.samples import digest, request


@frozen
class Claim:
    """Requests whose responses differ, and in what."""

    requests: str
    """A pattern that is searched in the head of the request."""
    parts: str
    """A pattern of the names of the parts that differ; see `servers.Response.parts`."""
    example: bytes
    """A request that differs so."""
    statuses: tuple[int, int] | None = None
    """The statuses of httpbin and netd, when the claim is of some only."""
    exact: bool | None = None
    """True: with --httpbin-exact only; False: without only; None: with and without."""

    def explains(self, raw: bytes, part: str, statuses: tuple[int, int]) -> bool:
        """Whether the claim says that the responses to `raw` differ in `part`."""
        head = raw.partition(b"\r\n\r\n")[0].decode("latin-1")
        return (
            self.statuses in (None, statuses)
            and re.fullmatch(self.parts, part) is not None
            and re.search(self.requests, head, re.MULTILINE | re.IGNORECASE) is not None
        )


@frozen
class Difference:
    """One row of the table."""

    where: str
    httpbin: str
    netd: str
    claims: tuple[Claim, ...]


def _status(requests: str, line: str, httpbin: int, netd: int) -> Claim:
    return Claim(requests, "status", request(line), (httpbin, netd))


def _get(requests: str, parts: str, target: str, *fields: str) -> Claim:
    return Claim(requests, parts, request(f"GET {target}", *fields))


def _safer(claim: Claim) -> Claim:
    return evolve(claim, exact=False)


def _when(requests: str, target: str, httpbin: int, netd: int, *fields: str) -> Claim:
    return Claim(requests, "status", request(f"GET {target}", *fields), (httpbin, netd))


_FORM: Final = "Content-Type: application/x-www-form-urlencoded"
_LARGE_FORM: Final = request("POST /post", _FORM, body=b"a=" + b"x" * 300_000)
_FILE: Final = b'--X\r\nContent-Disposition: form-data; name="f"; filename="%b"\r\n\r\n1\r\n'

_BACKSLASH: Final = (
    b'--X\r\nContent-Disposition: form-data; name="C:\\dir"\r\n\r\n1\r\n--X--\r\n'
)


def _multipart(body: bytes) -> bytes:
    return request("POST /post", "Content-Type: multipart/form-data; boundary=X", body=body)


_NUMBER: Final = r"^\S+ /(bytes|stream|stream-bytes|range|links|cache|redirect|image)\S*/"
_ARGUMENT: Final = r"[?&](seed|duration|chunk_size|numbytes|code|delay|status_code)="
_RANGE_IF: Final = r"/range/[\s\S]*^If-(None-)?Match"
_NEVER: Final = (
    r"/response-headers\S*[?&](Date|Server|Content-Length|%C3%A9|a=%E2|Content-Type)"
)
_PAGE: Final = r"Content-Type|body|json\.(status_code|error|detail)"
_ANY: Final = r"/(anything|status|delay|redirect-to)\b"

DIFFERENCES: Final = (
    Difference(
        "every response",
        "",
        "`X-Content-Type-Options: nosniff`; a response that may hold client bytes also "
        "`Content-Security-Policy: default-src 'none'; sandbox`",
        (
            _get("", "X-Content-Type-Options", "/html"),
            _get("", "Content-Security-Policy", "/get"),
        ),
    ),
    Difference(
        "a value beyond a limit (`/bytes/999999`, `/links/0/0`, `/drip?numbytes=99999999`)",
        "the limit in its place",
        "the same, and `X-Netd-Clamped` names it",
        (_get("/", "X-Netd-Clamped", "/links/300/0"),),
    ),
    Difference(
        "scripts of other origins",
        "the origin is allowed by name, and with the user's cookies",
        "`Access-Control-Allow-Origin: *`, without the user's cookies; as httpbin, and with "
        "`Vary: Origin`, with `--httpbin-exact`",
        (
            _safer(_get("", "Access-Control-Allow-Credentials", "/get")),
            evolve(_get("", "Vary", "/get"), exact=True),
            _safer(
                _get(
                    "^Origin:",
                    "Access-Control-Allow-Origin",
                    "/get",
                    "Origin: http://a.example",
                )
            ),
        ),
    ),
    Difference(
        "a parameter that is malformed or out of range (`/delay/x`, `/redirect/0`, "
        "`/drip?duration=x`, `/bytes/1?seed=x`)",
        "500, 404 where a number is expected in the path, or another value",
        '400 and `{"status_code", "error", "detail"}`',
        (
            _status(_NUMBER, "GET /bytes/x", 404, 400),
            _status(
                "/(relative-|absolute-)?redirect/|" + _ARGUMENT, "GET /redirect/0", 500, 400
            ),
            _status("/delay/", "GET /delay/x", 500, 400),
            _status("[?&](seed|delay)=-|/drip", "GET /drip?delay=-1&duration=0", 200, 400),
            _status("/links/0 |status_code=", "GET /links/0", 302, 400),
            _status("/drip", "GET /drip?code=99", 99, 400),
            Claim("/(status|drip)", _PAGE, request("GET /drip?numbytes=0"), (400, 400)),
        ),
    ),
    Difference(
        "an unknown path, a wrong method",
        "404 and 405 with a page",
        'the same with `{"status_code", "error", "detail"}`; of several errors perhaps another',
        (
            Claim("", _PAGE, request("GET /nowhere"), (404, 404)),
            Claim("", _PAGE, request("POST /get"), (405, 405)),
            _status("^POST ", "POST /bytes/x", 404, 405),
            _status("^POST //", "POST //get", 405, 404),
            _status("^POST /base64", "POST /base64/%FF", 405, 400),
            _status("^OPTIONS ", "OPTIONS /bytes/x", 404, 200),
            Claim("^(BREW|TRACE) ", "status", request("BREW /image/gif")),
        ),
    ),
    Difference(
        "`/`, `/static/favicon.ico`",
        "the documentation",
        "the delay-echo, or a page with `--httpbin-exact`; 404",
        (
            _get("^\\S+ / ", ".*", "/"),
            _get("/static/", "status", "/static/favicon.ico"),
        ),
    ),
    Difference(
        "`%2F`, `//` and bytes that are not UTF-8 in a path",
        "`%2F` is a slash; `//` is a 308 to one slash; other bytes become U+FFFD",
        "`%2F` is text in its segment; `//` stays, and is no start of a path; 400",
        (
            _status("%2F|^\\S+ /anything/ ", "GET /etag/a%2Fb", 404, 200),
            _status("^\\S+ /\\S*//", "GET /anything//a", 308, 200),
            _status("^\\S+ //", "GET //get", 200, 404),
            _status("^\\S+ [^ ?]*%FF", "GET /anything/%FF", 200, 400),
        ),
    ),
    Difference(
        "`url`",
        "partly percent-decoded (`/get?a=%2F` is shown as `/get?a=/`)",
        "as it was sent",
        (
            _get("%", r"json\.url", "/get?a=%2F"),
            _get("/stream/\\S*%", "body", "/stream/2?a=%2F"),
        ),
    ),
    Difference(
        "durations (`/delay`, `/drip`, `/range`)",
        "Python's `float()`",
        "seconds or `250ms`, `1m30s`; no sign, exponent, `nan` or `inf`",
        (
            _status("/delay/1s", "GET /delay/1s", 500, 200),
            _status("/delay/(1e0|-1)", "GET /delay/1e0", 200, 400),
        ),
    ),
    Difference(
        "`/delay/11`",
        "10 s",
        "11 s; `--max-delay` is the limit",
        (_get("/delay/11", "seconds", "/delay/11"),),
    ),
    Difference(
        "`X-Forwarded-Proto`, `-Protocol`",
        "any text; `-Protocol` counts for `url` only",
        "`http` and `https`, in any case; both count for `url`, redirects and cookies",
        (
            _get("^X-Forwarded-Proto", r"json\.url", "/get", "X-Forwarded-Proto: ftp"),
            _get(
                "^X-Forwarded-Proto",
                "Location|body",
                "/absolute-redirect/1",
                "X-Forwarded-Protocol: https",
            ),
            _get(
                "^X-Forwarded-Proto",
                "Set-Cookie",
                "/cookies/set?a=1",
                "X-Forwarded-Protocol: https",
            ),
        ),
    ),
    Difference(
        "headers with an underscore",
        "dropped by gunicorn",
        "shown",
        (_get("^X_", r"json\.headers|body", "/headers", "X_A: 1"),),
    ),
    Difference(
        "a cookie in UTF-8",
        "shown as latin-1",
        "shown as UTF-8",
        (_get("^Cookie:.*[^!-~]", r"json\.cookies", "/cookies", "Cookie: a=\u00e9"),),
    ),
    Difference(
        'a cookie with a space or a quote inside (`a={"b":1}`)',
        "left out",
        "shown as it was sent",
        (
            _get(
                r'^Cookie:.*(\S[ \t][^= ]|")', r"json\.cookies", "/cookies", 'Cookie: a={"b":1}'
            ),
        ),
    ),
    Difference(
        "repeated Cookie fields",
        "joined by a comma, so that one cookie takes up the next",
        "read one by one",
        (
            _get(
                r"^Cookie:[\s\S]*^Cookie:",
                r"json\.cookies",
                "/cookies",
                "Cookie: a=1",
                "Cookie: b=2",
            ),
        ),
    ),
    Difference(
        "`/status`",
        "any integer that Python reads; one weight alone is a 400",
        "200 to 999, as an interim status ends no request; one weight alone is allowed",
        (
            _status("/status/99 ", "GET /status/99", 99, 400),
            _status("/status/100", "GET /status/100", 100, 400),
            _status("/status/1000", "GET /status/1000", 1000, 400),
            _status("/status/-1", "GET /status/-1", -1, 400),
            _status("/status/[+2]", "GET /status/+200", 200, 400),
            _status("/status/200:0.5", "GET /status/200:0.5", 400, 200),
        ),
    ),
    Difference(
        "`/status/402`",
        "a rude body",
        "`Pay me!`",
        (_get("/status/402", "body", "/status/402"),),
    ),
    Difference(
        "statuses with headers of their own (301, 401, 402, 407, 418)",
        "no Content-Type",
        "with it",
        (_get("/(status|basic-auth)/", "Content-Type", "/status/401"),),
    ),
    Difference(
        "other methods on `/anything`, `/status`, `/delay`, `/redirect-to`",
        "405; OPTIONS is an empty 200 with Allow",
        "any method, OPTIONS too unless it is a browser's preflight",
        (
            _status("^BREW " + _ANY, "BREW /anything", 405, 200),
            Claim("^OPTIONS " + _ANY, ".*", request("OPTIONS /anything")),
        ),
    ),
    Difference(
        "`/redirect-to`",
        "anywhere, also without `url`; brackets are percent-encoded; form fields were "
        "documented and ignored",
        "this host, or `--redirect-allow HOST`, or anywhere with `--httpbin-exact`; 400 "
        "otherwise; brackets stay",
        (
            _safer(_status("/redirect-to", "GET /redirect-to?url=//b.example", 302, 400)),
            _status("/redirect-to ", "GET /redirect-to", 302, 400),
            _get("/redirect-to", "Location", "/redirect-to?url=/[1]"),
        ),
    ),
    Difference(
        "`/cookies/set`, `/cookies/delete`",
        "a short page in the body; any name",
        "no body; a name is a token, 400 otherwise",
        (
            _get("/cookies/(set|delete)", "body", "/cookies/set?a=1"),
            _status("/cookies/set", "GET /cookies/set?a%20b=1", 302, 400),
        ),
    ),
    Difference(
        "`/response-headers`",
        "any header; Content-Type twice; Location percent-encoded, the last one only",
        "`X-` fields and those that change nothing beyond the response; others, such as "
        "Set-Cookie and Link, with `--unsafe-responses yes` or `--httpbin-exact`; never Date, "
        "Server, a hop-by-hop or framing field, or what HTTP does not allow; Location as "
        "`/redirect-to`; 400 otherwise; Content-Type replaced, by passive types only unless "
        "`--unsafe-responses yes`",
        (
            _status(_NEVER, "GET /response-headers?Date=x", 200, 400),
            _safer(_status("/response-headers", "GET /response-headers?a=1", 200, 400)),
            _status("/response-headers", "GET /response-headers?a=%0D%0Ab", 500, 400),
            _get(
                "Content-Type=", "Content-Type|body", "/response-headers?Content-Type=text/csv"
            ),
            _get(
                "Location=",
                r"Location|json\.(Location|Content-Length)",
                "/response-headers?Location=x%20y",
            ),
        ),
    ),
    Difference(
        "the ETag of `/etag/x`, `/cache` and `/range`",
        "`ETag: x`, of any characters",
        '`ETag: "x"` (RFC 9110), 400 for what it cannot hold; bare and quoted tags are both '
        "accepted in If-Match, If-None-Match and If-Range; `ETag: x` with `--httpbin-exact`",
        (
            _safer(_get("/(etag|cache|range)", "Etag", "/etag/x")),
            _status("/etag/", "GET /etag/a%20b", 200, 400),
        ),
    ),
    Difference(
        "preconditions of `/etag`",
        "tags are cut at commas inside quotes; a weak tag satisfies If-Match; If-Match is "
        "ignored beside If-None-Match",
        "RFC 9110 13",
        (
            _when("/etag/", "/etag/abc", 304, 200, 'If-None-Match: "x,abc"'),
            _when("/etag/", "/etag/abc", 200, 412, 'If-Match: W/"abc"'),
            _when("/etag/", "/etag/abc", 304, 412, 'If-Match: "z"', 'If-None-Match: "abc"'),
        ),
    ),
    Difference(
        "Range of `/range`",
        "a last position beyond the end or before the first is a 416, the whole as a range a "
        "200; If-Range and other preconditions are ignored; spaces are allowed",
        "RFC 9110 13 and 14: 206, 200, 206; a range of bytes that HEAD asks for is ignored; "
        "positions as in httpbin with `--httpbin-exact`",
        (
            _safer(_when("/range/", "/range/26", 416, 206, "Range: bytes=0-9999")),
            _safer(_when("/range/", "/range/26", 416, 200, "Range: bytes=10-5")),
            _when("/range/", "/range/26", 200, 206, "Range: bytes=0-25"),
            _when("/range/", "/range/26", 206, 200, "Range: bytes=1-2", 'If-Range: "x"'),
            _get(_RANGE_IF, "status", "/range/26", 'If-None-Match: "range26"'),
        ),
    ),
    Difference(
        "`/image`",
        "looks for types anywhere in Accept",
        "negotiates: `*/*` is a PNG, and weights count",
        (
            _when("/image ", "/image", 406, 200, "Accept: */*"),
            _when("/image ", "/image", 200, 406, "Accept: image/png;q=0"),
            _get(
                "/image ", "Content-Type", "/image", "Accept: image/webp;q=0, image/png;q=0.5"
            ),
        ),
    ),
    Difference(
        "images, pages, texts",
        "httpbin's",
        "netd's own, of the same types",
        (_get("/(image|html|xml|forms/post|encoding/utf8)", "body", "/html"),),
    ),
    Difference(
        "`/base64/x`",
        "`text/html`; a hint with status 200 for what is not UTF-8 in padded base64",
        "`text/plain`, any bytes, padded or not; 400",
        (
            _get("/base64/", "Content-Type|body", "/base64/YQ"),
            _status("/base64/", "GET /base64/x", 200, 400),
        ),
    ),
    Difference(
        "basic authentication",
        "user and password in UTF-8",
        "in UTF-8 or latin-1",
        (_when("/basic-auth/", "/basic-auth/%C3%BC/p", 401, 200, "Authorization: Basic /Dpw"),),
    ),
    Difference(
        "`/bearer`",
        "`Bearer` in this case and followed by one space",
        "in any case, followed by any number of spaces; 401 without a token",
        (
            _when("/bearer", "/bearer", 401, 200, "Authorization: bearer abc"),
            _get("/bearer", r"json\.token", "/bearer", "Authorization: Bearer  abc"),
        ),
    ),
    Difference(
        "digest authentication",
        "any user; the user in UTF-8; 500 with a query in the target",
        "only the user in the path, in UTF-8 or latin-1, and any target",
        (
            Claim(
                "/digest-auth/",
                "status",
                digest("GET /digest-auth/auth/v/p", b"u"),
                (200, 401),
            ),
            Claim(
                "/digest-auth/",
                "status",
                digest("GET /digest-auth/auth/%C3%BC/p", b"\xfc"),
                (401, 200),
            ),
            Claim(
                "/digest-auth/",
                "status",
                digest("GET /digest-auth/auth/u/p?a=1"),
                (500, 200),
            ),
        ),
    ),
    Difference(
        "repeated files in a form",
        "the first",
        "a list",
        (
            Claim(
                "multipart",
                r"json\.files",
                _multipart(_FILE % b"a" + _FILE % b"b" + b"--X--\r\n"),
            ),
        ),
    ),
    Difference(
        "a multipart form without its last delimiter, with a part that has no name, or with a "
        "head that is not UTF-8",
        "200 and nothing, `null` for a name, or 500",
        "400, which says why",
        (Claim("multipart", "status", _multipart(_FILE % b"a"), (200, 400)),),
    ),
    Difference(
        "a multipart form with a Content-Encoding",
        "read as a form",
        "shown as `data`: the type describes what is inside the coding",
        (
            Claim(
                r"(?i)(?=[\s\S]*^Content-Encoding:)(?=[\s\S]*multipart)",
                r"json\.(data|files|form)",
                request(
                    "POST /post",
                    "Content-Encoding: gzip",
                    "Content-Type: multipart/form-data; boundary=X",
                    body=_FILE % b"a" + b"--X--\r\n",
                ),
            ),
        ),
    ),
    Difference(
        "a backslash before a letter in a name, such as `C:\\dir`",
        "removed",
        "kept; one before a space, quote or backslash is removed",
        (Claim("multipart", r"json\.form", _multipart(_BACKSLASH)),),
    ),
    Difference(
        "an urlencoded form with bytes that are not UTF-8",
        "nothing",
        "the bytes, percent-encoded",
        (Claim("urlencoded", r"json\.form", request("POST /post", _FORM, body=b"a=\xff")),),
    ),
    Difference(
        "a number such as `1e999` in `json`",
        "`Infinity`, which is not JSON",
        "`null` in place of the number",
        (Claim("^POST", r"json\.json", request("POST /post", body=b"[1e999]")),),
    ),
    Difference(
        "`json` of a body that holds `NaN` or `Infinity`",
        "as Python writes it, which is not JSON",
        "`null`",
        (Claim("^POST", r"json\.json", request("POST /post", body=b"[NaN]")),),
    ),
    Difference(
        "`json` deeper than 16 levels or over 32 KiB",
        "indented",
        "on one line",
        (Claim("^POST", "body", request("POST /post", body=b"[" * 40 + b"1" + b"]" * 40)),),
    ),
    Difference(
        "bodies shown in JSON",
        "any size, forms 500 kB",
        "1 MiB, JSON 256 KiB, the fields of forms 128 KiB, 60 000 arrays and objects, "
        "1000 fields, 128 KiB in the heads of parts: 413; `/`, `/echo`, `/raw` and "
        "`/upload` take as much as `--max-body` allows",
        (Claim("^POST", "status", _LARGE_FORM, (200, 413)),),
    ),
)


def markdown() -> str:
    """The table as docs/coming-from-httpbin.md shows it."""
    rows = [f"| {row.where} | {row.httpbin} | {row.netd} |\n" for row in DIFFERENCES]
    return "| where | httpbin | netd |\n|---|---|---|\n" + "".join(rows)
