"""
Requests, the same in every run: several hundred for all of httpbin's URLs.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from hashlib import md5, sha256, sha512
from random import Random
from typing import Final

from netd.test.differences.servers import HOST

SEED: Final = 14
COUNT: Final = 900


def request(line: str, *fields: str | bytes, body: bytes | None = None) -> bytes:
    """One HTTP/1.1 request."""
    lines = [f"{line} HTTP/1.1".encode(), b"Host: " + HOST.encode()]
    lines += [each.encode() if isinstance(each, str) else each for each in fields]
    if body is not None:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body or b""])


_WORDS: Final = r"""
a 1 x%20y x+y %C3%A9 %F0%9F%90%8D %FF %2F %25 a;b a:b %3B % %zz %c3%a9 %00 \ <> ` | ^ %7E
%2B %0D%0A a=b %26 %3D (a) * ~ a,b %22q%22 %5C @ ! $ ' [1]
"""
_TEXTS: Final = ("", *_WORDS.split())
_SEGMENTS: Final = tuple(
    text for text in _TEXTS if text and text not in ("%2F", "%0D%0A", "%00")
)
_NAMES: Final = ("a", "b", "a", "x-y", "%C3%A9", "a%20b", "show_env", "A")
_EQUALS: Final = ("=", "=", "=", "", "==", "&=")
_FIELDS: Final[tuple[str | bytes, ...]] = (
    *r"""
User-Agent: curl/8.5.0
user-agent: x
Accept: */*
ACCEPT: text/html
X-A: 1
x-a: 2
X-Empty:
X-Spaces:   a  b
X-Quoted: "a, b"
Cookie: a=1; b=2
Cookie: c=3
Cookie: q="x y"
Cookie: q="x;y"; r="a\"b\073"
X_U: 1
Cookie: =a; b
Accept-Encoding: gzip, deflate, br
DNT: 1
X-Forwarded-For: 9.9.9.9
X-Forwarded-Proto: https
X-Forwarded-Port: 1
Via: x
X-Forwarded-Protocol: https
X-Forwarded-Ssl: on
X-Real-Ip: 1.2.3.4
Pragma: no-cache
Authorization: Digest
Authorization: Negotiate abc
Content-Encoding: gzip
X-Request-Id: abc
Origin: http://a.example
Referer: http://b.example/c?d
Content-Language: de
X-1a-2b: 3
TE: trailers
If-None-Match: x
Range: bytes=0-1
Authorization: Basic Og==
Expect-CT: x
""".strip().splitlines(),
    "X-Trailing: a  ",
    b"X-Latin: \xe9",
    b"X-Utf8: \xc3\xa9",
)
_PROXIED: Final = (
    "X-Forwarded-Proto: https",
    "X-Forwarded-Proto: http",
    "X-Forwarded-Proto: HTTPS",
    "X-Forwarded-Proto: ftp",
    "X-Forwarded-Proto: https, http",
    "X-Forwarded-Protocol: https",
    "X-Forwarded-Ssl: on",
    "X-Forwarded-For: 9.9.9.9, 8.8.8.8",
    "X-Forwarded-Host: b.example",
)
_COOKIES: Final = r"""
"
a="
a="x
a=x"y"
__utma=1
a b=c d
a={"b":1}
é=é
a=1;a=2;;
$Version=1; a=1
a="\303\251"
a=1,b=2
a="1";b
a = 1
a="\x"
=1
a==
a="b;c"
a=%3B
a="1" 2
a=";
a="\"
a="\400"
a=1; A=2
;
a;b;c
a="";b=" "
""".strip().splitlines()
_BODIES: Final[tuple[tuple[str | None, bytes], ...]] = (
    (None, b""),
    (None, b"text"),
    (None, b"\xff\x00"),
    ("text/plain", "tèxt\r\n".encode()),
    ("application/json", b'{"b": [1, 2.5, null, true], "a": {"c": "\\u00e9"}}'),
    ("application/json", b"[]"),
    ("application/json; charset=utf-8", b' "text" '),
    ("application/json", b'{"a": 1'),
    ("application/json", b"0"),
    ("text/xml", b"<a/>"),
    ("application/octet-stream", bytes(range(256))),
    ("application/x-www-form-urlencoded", b"a=1&a=2&b=&c"),
    ("application/x-www-form-urlencoded", b"%C3%A9=x+y%20z&=1&;=2"),
    ("application/x-www-form-urlencoded; charset=utf-8", b"a=%FF"),
    ("Application/X-WWW-Form-Urlencoded", b"a=1"),
    ("application/x-www-form-urlencoded", b""),
    (
        "multipart/form-data; boundary=XX",
        (
            b'--XX\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
            b'--XX\r\nContent-Disposition: form-data; name="a"\r\n\r\n2\r\n'
            b'--XX\r\nContent-Disposition: form-data; name="f"; filename="f.txt"\r\n'
            b"Content-Type: text/plain\r\n\r\ntext\r\n--XX--\r\n"
        ),
    ),
    (
        'multipart/form-data; boundary="YY"',
        (
            b'--YY\r\nContent-Disposition: form-data; name="g"; filename="g.png"\r\n'
            b"Content-Type: image/png\r\n\r\n\x89PNG\r\n--YY--\r\n"
        ),
    ),
)
_CREDENTIALS: Final = ("u:p", "u:q", "u", "", "u:p:q", "ü:p", ":")
_RANGES: Final = r"""
bytes=0-0
bytes=1-3
bytes=5-
bytes=-2
bytes=10-19
bytes=40-50
bytes=-0
bytes=0-9999
bytes=10-5
bytes=0-
bytes=0-1,5-6
Bytes=1-2
bytes = 1 - 2
bytes=-500
lines=1-2
bytes
bytes=x-y
bytes=9-9
""".strip().splitlines()
_TAGS: Final = (
    '"x,abc"',
    "",
    '"ABC"',
    '"abc"',
    "abc",
    'W/"abc"',
    '"x"',
    '"x", "abc"',
    "*",
    '"x", W/"abc"',
)
_ACCEPTS: Final = (
    *("image/webp", "image/svg+xml", "image/jpeg", "image/png", "image/*", "IMAGE/PNG"),
    *(
        "image/png, image/jpeg;q=0.5",
        "text/html",
        "image/webp, image/png",
        "image/gif, image/*",
    ),
    *(
        "*/*",
        "image/webp;q=0, image/png;q=0.5",
        "image/*;q=0",
        "image/webp;q=0.1, image/png",
        "",
    ),
    "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
)
_ALGORITHMS: Final = {"MD5": md5, "SHA-256": sha256, "SHA-512": sha512}


def _query(random: Random) -> str:
    pairs = [
        random.choice(_NAMES) + random.choice(_EQUALS) + random.choice(_TEXTS)
        for _ in range(random.randint(0, 3))
    ]
    return "?" + "&".join(pairs) if pairs else ""


def _fields(random: Random) -> list[str | bytes]:
    proxied = random.sample(_PROXIED, random.random() < 0.1)
    return [*random.sample(_FIELDS, random.randint(0, 5)), *proxied]


def _inspected(random: Random) -> bytes:
    path = random.choice(("get", "headers", "ip", "user-agent", "stream/2", "gzip", "deflate"))
    path = random.choice((path, "get", "cookies", "uuid", "cache", "cache/60", "delay/0"))
    method = random.choice(("GET", "GET", "GET", "HEAD"))
    fields = [each for each in _fields(random) if "If-None" not in str(each)]
    if path == "user-agent":
        fields.append("User-Agent: last")
    return request(f"{method} /{path}{_query(random)}", *fields)


def _sent(random: Random) -> bytes:
    method = random.choice(("POST", "PUT", "PATCH", "DELETE"))
    path = random.choice((method.lower(), "anything", f"anything/{random.choice(_SEGMENTS)}/b"))
    kind, body = random.choice(_BODIES)
    fields = _fields(random)
    if kind is not None:
        fields.append(f"Content-Type: {kind}")
    return request(f"{method} /{path}{_query(random)}", *fields, body=body)


def _json_sent(random: Random) -> bytes:
    def value(depth: int) -> object:
        kind = random.randint(0, 7 if depth else 4)
        if kind < 5:
            return (None, True, random.randint(-9, 10**6), random.random(), 'é\n"')[kind]
        if kind == 5:
            return [value(depth - 1) for _ in range(random.randint(0, 3))]
        return {f"k{n}": value(depth - 1) for n in range(random.randint(0, 3))}

    body = json.dumps(value(4), ensure_ascii=random.random() < 0.5).encode()
    return request("POST /post", "Content-Type: application/json", body=body)


def _status(random: Random) -> bytes:
    method = random.choice(("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"))
    code = random.choice(
        (*range(200, 227), *range(300, 309), *range(400, 430), *range(500, 512))
    )
    if code == 402:
        code = 200
    codes = random.choice((f"{code}", f"{code}", f"{code}:1,{code}:2", "x", "200,x"))
    body = b"" if method in ("POST", "PUT", "PATCH") else None
    return request(f"{method} /status/{codes}", *_fields(random), body=body)


def _redirected(random: Random) -> bytes:
    kind = random.choice(("relative-redirect", "absolute-redirect", "redirect"))
    path = random.choice(
        (
            f"{kind}/{random.randint(1, 12)}",
            f"redirect/{random.randint(1, 3)}?absolute=true",
            f"redirect-to?url=/get%3Fa%3Db&status_code={random.randint(298, 310)}",
            f"redirect-to?URL=/{random.choice(_SEGMENTS)}",
            f"links/{random.randint(1, 20)}",
            f"links/{random.randint(1, 20)}/{random.randint(0, 20)}",
        )
    )
    return request(f"GET /{path}", *random.sample(_PROXIED, random.randint(0, 1)))


def _cookies(random: Random) -> bytes:
    name = random.choice(("a", "b", "x-y", "_gauges_unique", "A"))
    value = random.choice([text for text in _SEGMENTS if text != "%5C"])
    return random.choice(
        (
            request(f"GET /cookies/set/{name}/{value}", *random.sample(_PROXIED, 1)),
            request(f"GET /cookies/set?{name}={value}&c=1&c=2"),
            request(f"GET /cookies/delete?{name}=1&b"),
            request("GET /cookies", f"Cookie: {name}={value}; b=2 ;c=; d", "Cookie: e=5"),
            request("GET /cookies", f"Cookie: {random.choice(_COOKIES)}"),
            request("GET /cookies", f"Cookie: {random.choice(_COOKIES)}"),
            request("GET /cookies?show_env=1", "Cookie: __utma=1; a=1; a=2"),
        )
    )


def _authorized(random: Random) -> bytes:
    credentials = b64encode(random.choice(_CREDENTIALS).encode()).decode()
    scheme = random.choice(("Basic", "basic", "BASIC"))
    path = random.choice(("basic-auth/u/p", "hidden-basic-auth/u/p", "basic-auth/%C3%BC/p"))
    return random.choice(
        (
            request(f"GET /{path}"),
            request(f"GET /{path}", f"Authorization: {scheme} {credentials}"),
            request(f"GET /{path}", f"Authorization: {scheme} {credentials}"),
            request("GET /bearer", f"Authorization: Bearer {credentials}=x"),
            request("GET /bearer", f"Authorization: Basic {credentials}"),
            request("GET /bearer"),
            request(
                "GET /bearer", f"Authorization: {random.choice(('bearer', 'Bearer '))} abc"
            ),
        )
    )


def digest(
    line: str, user: bytes = b"u", password: bytes = b"p", *fields: str, **changed: str
) -> bytes:
    """A request with digest credentials, made from RFC 7616 3.4."""
    parts = {"algorithm": "MD5", "qop": "auth", "nc": "00000001", "cnonce": "c", "nonce": "n"}
    parts |= {"realm": "r", **changed}
    new = _ALGORITHMS.get(parts["algorithm"], md5)

    def h(data: bytes) -> bytes:
        return new(data).hexdigest().encode()

    target = line.split(" ")[1]
    a2 = f"GET:{target}".encode() + (b":" + h(b"") if parts["qop"] == "auth-int" else b"")
    middle = ":".join(parts[name] for name in ("nonce", "nc", "cnonce", "qop")).encode()
    a1 = b":".join((user, parts["realm"].encode(), password))
    response = h(b":".join((h(a1), middle, h(a2)))).decode()
    texts = [f'{name}="{value}"' for name, value in parts.items()]
    header = f'Authorization: Digest uri="{target}", response="{response}", {", ".join(texts)}'
    return request(line, header.encode() + b', username="' + user + b'"', *fields)


def _digest(random: Random) -> bytes:
    qop = random.choice(("auth", "auth-int"))
    algorithm = random.choice(tuple(_ALGORITHMS))
    path = f"/digest-auth/{random.choice((qop, 'x'))}/u/p/{algorithm}"
    path += random.choice(("", "/never", "/3"))
    password = random.choice((b"p", b"p", b"q"))
    cookies = random.choice(("a=1", "fake=fake_value", "stale_after=2", "stale_after=0"))
    cookies = random.choice((cookies, "last_nonce=n", "stale_after=x; fake=fake_value"))
    return random.choice(
        (
            request(f"GET {path}"),
            request(f"GET {path}?require-cookie={random.choice('1t0')}"),
            digest(f"GET {path}", b"u", password, algorithm=algorithm, qop=qop),
            digest(
                f"GET {path}",
                b"u",
                password,
                f"Cookie: {cookies}",
                algorithm=algorithm,
                qop=qop,
            ),
        )
    )


def _ranged(random: Random) -> bytes:
    size = random.choice((20, 20, 26, 30, 100, 0))
    query = random.choice(("", "?chunk_size=3", "?duration=0", "?chunk_size=0"))
    fields = [f"Range: {random.choice(_RANGES)}"] if random.random() < 0.8 else []
    if random.random() < 0.3:
        tag = random.choice((f"range{size}", f'"range{size}"', '"x"', "*"))
        fields.append(f"{random.choice(('If-Range', 'If-None-Match', 'If-Match'))}: {tag}")
    return request(f"{random.choice(('GET', 'GET', 'HEAD'))} /range/{size}{query}", *fields)


def _conditional(random: Random) -> bytes:
    name = random.choice(("If-None-Match", "If-Match"))
    tag = random.choice(_TAGS)
    return random.choice(
        (
            request("GET /etag/abc", f"{name}: {tag}"),
            request("GET /etag/abc"),
            request("GET /cache", "If-Modified-Since: Sat, 29 Oct 1994 19:43:31 GMT"),
            request("GET /cache", "If-None-Match: x"),
        )
    )


def _bytes(random: Random) -> bytes:
    path, count = random.choice(("bytes", "stream-bytes")), random.randint(0, 300)
    chunk = random.choice(("", "&chunk_size=7", "&CHUNK_SIZE=0"))
    return request(f"GET /{path}/{count}?seed={random.randint(0, 99)}{chunk}")


def _documents(random: Random) -> bytes:
    paths = ("robots.txt", "deny", "json", "xml", "html", "encoding/utf8", "forms/post")
    image = request("GET /image", f"Accept: {random.choice(_ACCEPTS)}")
    kind = random.choice(("png", "jpeg", "webp", "svg"))
    text = random.choice(("SFRUUEJJTiBpcyBhd2Vzb21l", "w6k=", "YQ==", "_-7Dqw=="))
    return random.choice(
        (
            request(f"GET /{random.choice(paths)}"),
            image,
            request(f"GET /image/{kind}"),
            request("GET /image"),
            request(f"GET /base64/{text}"),
        )
    )


def _chosen_headers(random: Random) -> bytes:
    method = random.choice(("GET", "POST"))
    names = random.sample(("X-A", "X-B", "X-C", "Etag", "Location", "Cache-Control"), 3)
    values = [random.choice(("1", "x%20y", "", "a,b", "%22q%22")) for _ in names]
    pairs = [f"{name}={value}" for name, value in zip(names, values, strict=True)]
    pairs += random.choice(([], [f"{names[0]}=2"]))
    body = b"" if method == "POST" else None
    return request(f"{method} /response-headers?{'&'.join(pairs)}", body=body)


def _methods(random: Random) -> bytes:
    path = random.choice(
        ("get", "post", "anything", "status/200", "headers", "cookies", "nowhere")
    )
    method = random.choice(("GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"))
    fields = random.choice(
        (
            (),
            ("Origin: http://a.example",),
            ("Access-Control-Request-Headers: X-Test", "Access-Control-Request-Method: PUT"),
        )
    )
    return request(
        f"{method} /{path}", *fields, body=b"" if method in ("POST", "PUT") else None
    )


_ODD: Final = r"""
/get/ //get /%67et /GET /anything//a /anything/ /anything/a%2Fb /get??a=b /bytes/-1
/bytes/1.5 /bytes/x /bytes/1?seed=x /bytes/1?seed=1.5 /bytes/1?seed=-1 /delay/x /delay/-1
/delay/1e0 /delay/0.5 /delay/.5 /delay/11 /delay/1s /status/99 /status/100 /status/1000
/status/200:0.5 /status/-1 /status/402 /status/ /status/200,404:0 /status/+200 /status/2_00
/status/%20200 /redirect/0 /redirect/x /redirect/-1 /redirect-to
/redirect-to?url=http://b.example/ /redirect-to?url=//b.example
/redirect-to?url=x&status_code=x /relative-redirect/0 /range/200000 /range/x
/range/10?duration=x /range/10?chunk_size=x /range/10?duration=1 /stream/-1 /stream/x
/stream/0 /stream-bytes/5?chunk_size=x /stream-bytes/0 /links/0 /links/0/0 /links/x
/links/300/0 /links/3/9 /cache/x /cache/-1 /drip?duration=x /drip?numbytes=x /drip?code=x
/drip?code=99 /drip?numbytes=4&duration=0&delay=1 /drip?delay=-1&duration=0 /image/gif
/image/PNG /base64/x /base64/%FF /base64/YQ /base64/gA== /etag/a%20b /etag/%22a%22
/etag/W%2F%22a%22 /cookies/set?a /cookies/set /cookies/set/a /cookies/set?a%20b=1
/cookies/set/a/%0D%0Ab /cookies/delete /response-headers /response-headers?Date=x
/response-headers?Server=x /response-headers?Set-Cookie=a=b /response-headers?a=%0D%0Ab
/response-headers?%C3%A9=1 /response-headers?Content-Type=text/html
/response-headers?Content-Type=text/plain /response-headers?a=%C3%A9
/response-headers?a=%E2%82%AC /response-headers?Content-Length=5 /basic-auth/u
/basic-auth/u/p/q /digest-auth/auth/u /bearer/ /user-agent / /favicon.ico
/static/favicon.ico /uuid/ /encoding/utf16 /deny/ /gzip?a=1 /deflate /headers?show_env=1
/forms/post /ip?a
"""
"""Targets with an odd path or parameter."""


def _odd(random: Random) -> bytes:
    method = random.choice(
        ("GET", "GET", "GET", "GET", "HEAD", "POST", "OPTIONS", "TRACE", "BREW")
    )
    return request(
        f"{method} {random.choice(_ODD.split())}",
        *_fields(random),
        body=b"" if method == "POST" else None,
    )


def _dripped(random: Random) -> bytes:
    query = random.choice(
        ("numbytes=3&duration=0", "numbytes=1&duration=0&code=202", "numbytes=0")
    )
    return request(f"GET /drip?{query}")


_KINDS: Final[tuple[Callable[[Random], bytes], ...]] = (
    *(_inspected, _sent, _sent, _sent, _json_sent, _status, _redirected, _cookies, _authorized),
    *(_digest, _ranged, _conditional, _bytes, _documents, _chosen_headers, _methods, _dripped),
    *(_odd, _odd),
)


def samples() -> Iterator[bytes]:
    """The requests."""
    random = Random(SEED)
    yield from (request(f"GET {target}") for target in _ODD.split())
    for number in range(COUNT):
        yield _KINDS[number % len(_KINDS)](random)
