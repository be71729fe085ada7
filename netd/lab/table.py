"""
Every URL of the HTTP port; /help, OpenAPI and the reference are made from this table.

Rules: routes and texts only.  A new endpoint is one function in a module of `endpoints` and
one line here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from attrs import evolve

from netd.lab.endpoints import (
    auth,
    bins,
    caching,
    compression,
    cookies,
    digest,
    documents,
    echo,
    faults,
    inspect,
    payloads,
    redirects,
    status,
    streams,
)
from netd.lab.endpoints.help import Help
from netd.lab.endpoints.payloads import MAX_BYTES
from netd.lab.endpoints.probes import Probes
from netd.lab.parameters import Parameter as P  # noqa: N817 - short, to keep the columns
from netd.lab.routes import ANY, Endpoint, Route, elsewhere

_SEED: Final = P(
    "seed", "integer", "the seed of all random choices; the same seed repeats them"
)
_HOPS: Final = P("n", "integer", "the number of redirects", least=1)
_LINKS: Final = P("n", "integer", "the number of links", least=1)
_LETTERS: Final = P("n", "integer", "the number of letters")
_LINES: Final = P("n", "integer", "the number of lines", most=100, clamps=True)
_BYTES: Final = P("n", "integer", "the number of bytes", most=MAX_BYTES, clamps=True)
_CHUNK: Final = P(
    "chunk_size",
    "integer",
    "bytes in each chunk",
    "10240",
    1,
    MAX_BYTES,
    True,
    clamps_least=True,
)
_FRESH: Final = P("n", "integer", "seconds of freshness")
_RETRY_AFTER: Final = P("retry_after", "integer", "seconds in a Retry-After", most=10**9)
_CODES: Final = P("codes", "text", "statuses from 200 to 999")
_DELAY: Final = P("duration", "delay", "a duration, or uniform:1s-3s", clamps=True)
_BEFORE: Final = "wait before the first byte"
_TAKES: Final = "time that the whole body takes"
_KIND: Final = P("kind", "text", "the kind of fault", choices=tuple(faults.FAULTS))
_IMAGE: Final = P("kind", "text", "the type", choices=("png", "jpeg", "svg", "webp"))
_CHUNKS: Final = (_BYTES, _CHUNK, _SEED)
_RANGE: Final = (_LETTERS, _CHUNK, P("duration", "duration", _TAKES, "0"))
_REDIRECT_TO: Final = (
    P("url", "text", "the target of the redirect", required=True),
    P("status_code", "integer", "the status of the redirect", "302", 300, 399),
)
_LINK_PAGE: Final = (
    P("n", "integer", "the number of pages", None, 1, 200, True, clamps_least=True),
    P("offset", "integer", "the number of this page"),
)
_EVENTS: Final = (
    P("count", "integer", "the number of events", "10", 1, 1000),
    P("duration", "duration", _TAKES, "5s"),
    P("delay", "duration", _BEFORE, "0"),
)
_DRIP: Final = (
    P("duration", "duration", _TAKES, "2"),
    P("numbytes", "integer", "the number of bytes", "10", 1, streams.MAX_DRIP, True),
    P("code", "text", "the status", "200"),
    P("delay", "duration", _BEFORE, "0"),
    _SEED,
)
_COOKIE: Final = (
    P("max_age", "integer", "the Max-Age, in seconds", most=10**9),
    P("secure", "switch", "whether it is Secure; by default over HTTPS"),
    P("httponly", "switch", "whether it is HttpOnly", "no"),
    P("path", "text", "the Path", "/"),
    P("samesite", "text", "the SameSite", choices=("strict", "lax", "none")),
)
_FAULT: Final = (
    _KIND,
    P("delay", "delay", "wait before the fault"),
    P("rate", "number", "probability of the fault, from 0 to 1", "1", most=1),
    _SEED,
)
_RETRY: Final = (
    P("times", "integer", "the number of failures", most=1000),
    P("status", "integer", "the status of a failure", "503", 400, 599),
    _RETRY_AFTER,
)
_UNSTABLE: Final = (
    P("failure_rate", "number", "probability of a failure, from 0 to 1", "0.5", most=1),
    _SEED,
)
_ECHO: Final = (
    P("delay", "delay", "wait before the head: a duration, or uniform:1s-3s, normal:1s,200ms"),
    P("body_delay", "duration", "wait between the head and the body", "0"),
    P("pace", "duration", "wait between chunks", "0"),
    P("chunk", "size", "bytes in each chunk", least=1),
    P("status", "text", "a status, or several by weight: 200:3,503:1", "200"),
    P("header", "text", "a response header, as Name: value", repeats=True),
    P("body", "text", "the response body, in place of the request body"),
    P("size", "size", "the size of a generated response body", most=1024**3),
    P("type", "text", "the Content-Type"),
    P("encoding", "text", "the Content-Encoding", choices=compression.KNOWN),
    evolve(_KIND, name="fault"),
    P("fault_rate", "number", "probability of the fault, from 0 to 1", "1", most=1),
    _RETRY_AFTER,
    P("fail_first", "integer", "requests per key that fail, with `status` or 503", most=1000),
    P(
        "workers",
        "integer",
        "responses of a key at a time, per process; the others queue",
        None,
        1,
        1000,
    ),
    P("key", "text", "the key that fail_first counts by, and workers by too (else by path)"),
    P("timing", "switch", "whether Server-Timing says queue and delay", "no"),
    _SEED,
)

_LISTING: Final = (
    P("format", "text", "the format of a listing", choices=("html", "json")),
    P("sort", "text", "what a listing is sorted by", "name", choices=("name", "size", "time")),
    P("order", "text", "ascending or descending", "asc", choices=("asc", "desc")),
)
_FILE: Final = (
    *_LISTING,
    P("netd.delay", "duration", "wait before the file, with --files-faults", "0"),
    P("netd.rate", "size", "bytes a second, with --files-faults", least=1),
    P("netd.truncate", "size", "bytes before the cut, with --files-faults"),
)


def _get(path: str, endpoint: Endpoint, text: str, *parameters: P) -> Route:
    return Route(path, endpoint, text, ("GET",), parameters)


def _any(path: str, endpoint: Endpoint, text: str, *parameters: P) -> Route:
    return Route(path, endpoint, text, ANY, parameters)


_FIRST: Final = "Delay and echo"
_LAST: Final = "The daemon"
_DESCRIPTION: Final = "args, headers, origin and url"
_WITH_BODY: Final = f"{_DESCRIPTION}, and the body"
_WITH_METHOD: Final = f"{_DESCRIPTION}, the body and the method"
_DELAYED: Final = f"{_DESCRIPTION}, and the body, after a delay of at most --max-delay"
_COMPOSED: Final = "the response that the parameters describe, by default the request body"
_RAW: Final = "the request byte for byte"
_STATUS: Final = "a status, or one of several by weight: 200:3,500:1"
_REDIRECT: Final = "a redirect to a URL of this daemon or of a host in --redirect-allow"
_BASIC: Final = "until the request carries that user and password"
_DIGEST: Final = "401 until the request carries a digest of that user and password"
_STALE: Final = f"{_DIGEST}; a nonce is stale after stale_after uses"
_CODED: Final = "the request headers in"
_EXTRA: Final = "501 without the extra compress"
_FAILURES: Final = "failures for the key, then a success; DELETE forgets the key"
_ATTEMPTS: Final = (
    "the requests that /retry or fail_first counted for the key, with their times"
)
_HEADERS: Final = "a response header for each argument"

_ECHO_ROUTES: Final = (
    Route("/", echo.delayed_echo, f"{_COMPOSED}, after --delay", ANY, _ECHO, False, True),
    Route("/echo", echo.echo, _COMPOSED, ANY, _ECHO, composable=True),
    Route("/echo/<path:rest>", bins.echo_path, _COMPOSED, ANY, _ECHO, composable=True),
)

_FILES: Final = "a file of --files, or the listing of a directory"
_RPC: Final = "XML-RPC calls by POST; a page that documents each method and calls it"

_RESOURCES: Final = (
    Route("/files/", elsewhere, "the directory of --files", ("GET",), _LISTING, cors=False),
    Route("/files/<path:path>", elsewhere, _FILES, ("GET",), _FILE, cors=False),
    Route("/RPC2", elsewhere, _RPC, ("GET", "POST"), cors=False, body="text/xml"),
)
"""What `netd.site` puts in front of the router, for the help alone."""

_ENDPOINTS: Final[tuple[str | Route, ...]] = (
    "The request, said back",
    _get("/get", inspect.get, _DESCRIPTION),
    Route("/post", inspect.post, _WITH_BODY, ("POST",)),
    Route("/put", inspect.post, _WITH_BODY, ("PUT",)),
    Route("/patch", inspect.post, _WITH_BODY, ("PATCH",)),
    Route("/delete", inspect.post, _WITH_BODY, ("DELETE",)),
    _any("/anything", inspect.anything, _WITH_METHOD),
    _any("/anything/<path:rest>", inspect.anything, _WITH_METHOD),
    evolve(_any("/delay/<duration>", inspect.delay, _DELAYED, _DELAY, _SEED), theme=_FIRST),
    _get("/headers", inspect.request_headers, "the request headers"),
    _get("/ip", inspect.ip, "the client's address"),
    _get("/user-agent", inspect.user_agent, "the User-Agent"),
    _any("/raw", inspect.raw, _RAW),
    _any("/dump/request", inspect.raw, _RAW),
    Route("/upload", inspect.upload, "the request body's size", ("POST", "PUT", "PATCH")),
    Route("/head", inspect.head, "an empty response to HEAD", ("HEAD",)),
    _get("/tls", inspect.tls, "TLS version, cipher, SNI, ALPN and client certificate"),
    "Statuses and redirects",
    _any("/status/<codes>", status.status, _STATUS, _CODES, _SEED),
    _get("/redirect/<n>", redirects.redirect, "n redirects, then /get", _HOPS),
    _get("/relative-redirect/<n>", redirects.relative, "n redirects by path, then /get", _HOPS),
    _get("/absolute-redirect/<n>", redirects.absolute, "n redirects by URL, then /get", _HOPS),
    _any("/redirect-to", redirects.redirect_to, _REDIRECT, *_REDIRECT_TO),
    "Cookies and authentication",
    _get("/cookies", cookies.cookies, "the request's cookies"),
    _get("/cookies/set", cookies.set_some, "sets a cookie for each argument"),
    _get("/cookies/set/<name>/<value>", cookies.set_one, "sets one cookie", *_COOKIE),
    _get("/cookies/delete", cookies.delete, "deletes the cookie of each argument"),
    _get("/basic-auth/<user>/<passwd>", auth.basic, f"401 {_BASIC}"),
    _get("/hidden-basic-auth/<user>/<passwd>", auth.hidden, f"404 {_BASIC}"),
    _get("/bearer", auth.bearer, "401 until the request carries a bearer token"),
    _get("/digest-auth/<qop>/<user>/<passwd>", digest.digest, _DIGEST),
    _get("/digest-auth/<qop>/<user>/<passwd>/<algorithm>", digest.digest, _DIGEST),
    _get("/digest-auth/<qop>/<user>/<passwd>/<algorithm>/<stale_after>", digest.digest, _STALE),
    "Codings and caching",
    _get("/gzip", compression.gzipped, f"{_CODED} gzip"),
    _get("/deflate", compression.deflated, f"{_CODED} deflate"),
    _get("/brotli", compression.brotli, f"{_CODED} brotli; {_EXTRA}"),
    _get("/zstd", compression.zstd, f"{_CODED} zstd; {_EXTRA}"),
    _get("/compressed", compression.compressed, "the request, in an accepted coding"),
    _get("/cache", caching.cache, "200 with validators; 304 when the request has a validator"),
    _get("/cache/<n>", caching.cache_for, "a response that is fresh for n seconds", _FRESH),
    _get("/etag/<etag>", caching.etag, "200, 304 or 412 for a resource with that entity tag"),
    Route("/response-headers", caching.response_headers, _HEADERS, ("GET", "POST")),
    "Bytes and streams",
    evolve(
        _get("/bytes/<n>", payloads.random_bytes, "n random bytes", _BYTES, _SEED), costly=True
    ),
    _get("/stream-bytes/<n>", payloads.stream_bytes, "n random bytes in chunks", *_CHUNKS),
    _get("/range/<n>", payloads.byte_range, "n letters, or a part by Range", *_RANGE),
    _get("/stream/<n>", streams.stream, "the request as JSON, n times", _LINES),
    _get("/drip", streams.drip, "bytes one by one", *_DRIP),
    _get("/sse", streams.events, "server-sent events", *_EVENTS),
    _get("/jsonl", streams.json_lines, "lines of JSON", *_EVENTS),
    _get("/trailers", streams.trailers, "a trailer field for each argument"),
    _get("/base64/<value>", payloads.base64_decode, "the text that is in base64"),
    _get("/base64/decode/<value>", payloads.base64_decode, "the text that is in base64"),
    _get("/base64/encode/<value>", payloads.base64_encode, "the text, in base64"),
    _get("/uuid", inspect.uuid, "a random UUID"),
    "Documents",
    _get("/html", documents.html, "a page of HTML"),
    _get("/xml", documents.xml, "a document of XML"),
    _get("/json", documents.sample, "a document of JSON"),
    _get("/encoding/utf8", documents.utf8, "a page in many scripts"),
    _get("/forms/post", documents.form, "a form that posts to /post"),
    _get("/robots.txt", documents.robots, "rules for robots, which forbid /deny"),
    _get("/deny", documents.deny, "a page that robots may not visit"),
    _get("/image", documents.image, "an image of a type that Accept lists"),
    _get("/image/<kind>", documents.image_of, "an image", _IMAGE),
    _get("/links/<n>", redirects.first_link, "a redirect to a page of n links", _LINKS),
    _get("/links/<n>/<offset>", redirects.links, "links to n pages of its kind", *_LINK_PAGE),
    "Faults",
    _any("/fault/<kind>", faults.fault, "a response with that fault", *_FAULT),
    _any("/retry/<times>/<key>", faults.retry, _FAILURES, *_RETRY),
    _get("/attempts/<key>", faults.attempts, _ATTEMPTS),
    _any("/unstable", faults.unstable, "500 at a rate, else 200", *_UNSTABLE),
    _LAST,
    _get("/hostname", inspect.hostname, "the machine's name; 403 without --reveal hostname"),
    _get("/version", inspect.version, "netd's version; 403 without --reveal version"),
    _get("/env", inspect.env, "environment variables NETD_ENV_*"),
)


_EXAMPLES: Final = {
    "/attempts/<key>": "/attempts/my-key",
    "/console/preview": "/console/preview?delay=lognormal:1s,200ms",
    "/console/stream": "/console/stream?figures=1",
    "/echo": "/echo?delay=lognormal:1.2s,400ms&status=200:9,503:1&retry_after=5",
    "/echo/<path:rest>": "/echo/any/path?delay=200ms&body=hello",
    "/files/<path:path>": "/files/hello.txt",
    "/anything/<path:rest>": "/anything/any/path?a=1",
    "/get": "/get?a=1&b=two",
    "/delay/<duration>": "/delay/uniform:1s-2s",
    "/status/<codes>": "/status/200:3,503:1",
    "/redirect/<n>": "/redirect/3",
    "/relative-redirect/<n>": "/relative-redirect/3",
    "/absolute-redirect/<n>": "/absolute-redirect/3",
    "/redirect-to": "/redirect-to?url=/get&status_code=307",
    "/cookies/set": "/cookies/set?fruit=apple",
    "/cookies/set/<name>/<value>": "/cookies/set/fruit/apple",
    "/cookies/delete": "/cookies/delete?fruit=",
    "/basic-auth/<user>/<passwd>": "/basic-auth/ada/secret",
    "/hidden-basic-auth/<user>/<passwd>": "/hidden-basic-auth/ada/secret",
    "/digest-auth/<qop>/<user>/<passwd>": "/digest-auth/auth/ada/secret",
    "/digest-auth/<qop>/<user>/<passwd>/<algorithm>": "/digest-auth/auth/ada/secret/SHA-256",
    "/digest-auth/<qop>/<user>/<passwd>/<algorithm>/<stale_after>": (
        "/digest-auth/auth/ada/secret/SHA-256/3"
    ),
    "/cache/<n>": "/cache/60",
    "/etag/<etag>": "/etag/v1",
    "/response-headers": "/response-headers?X-Fruit=apple",
    "/bytes/<n>": "/bytes/64?seed=1",
    "/stream-bytes/<n>": "/stream-bytes/4096?chunk_size=1024&seed=1",
    "/range/<n>": "/range/64?chunk_size=16&duration=1s",
    "/stream/<n>": "/stream/3",
    "/drip": "/drip?duration=2s&numbytes=10",
    "/sse": "/sse?count=5&duration=2s",
    "/jsonl": "/jsonl?count=5&duration=2s",
    "/trailers": "/trailers?X-Checksum=abc",
    "/base64/<value>": "/base64/bmV0ZA==",
    "/base64/decode/<value>": "/base64/decode/bmV0ZA==",
    "/base64/encode/<value>": "/base64/encode/netd",
    "/image/<kind>": "/image/svg",
    "/links/<n>": "/links/5",
    "/links/<n>/<offset>": "/links/5/0",
    "/fault/<kind>": "/fault/truncate",
    "/retry/<times>/<key>": "/retry/2/console",
    "/unstable": "/unstable?failure_rate=0.5",
}
"""What people can try a route with, by its path."""


def _presented(lines: Iterable[str | Route]) -> Iterator[Route]:
    """Each route with its example, under the heading before it."""
    theme = ""
    for line in lines:
        if isinstance(line, str):
            theme = line
        else:
            example = _EXAMPLES.get(line.path, line.path)
            yield evolve(line, theme=line.theme or theme, example=example)


def routes(probes: Probes | None, console: bool = True) -> tuple[Route, ...]:
    """All routes of a site in the order of the help; `probes` None: without probes."""
    listed: list[Route] = []
    # The help lists its own routes too, so its list is filled after it is bound.
    help_routes = Help(listed, console).routes()
    probe_routes = () if probes is None else probes.routes()
    own = (*probe_routes, *help_routes, *_RESOURCES)
    listed += _presented((_FIRST, *_ECHO_ROUTES, _LAST, *own, *_ENDPOINTS))
    return tuple(listed)


ROUTES: Final = routes(Probes())
"""The routes of a site that has probes, for the reference."""
