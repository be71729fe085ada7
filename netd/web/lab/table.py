"""
Every URL of the lab on one page; /help, OpenAPI and the reference are made from it.

Rules: data only.  A new endpoint is one function in a theme's module and one
line here.
"""

from __future__ import annotations

from typing import Final

from netd.web import probes
from netd.web.lab import (
    about,
    auth,
    caching,
    coding,
    cookies,
    data,
    delay,
    digest,
    echo,
    faults,
    inspection,
    pages,
    redirects,
    status,
    streams,
)
from netd.web.parameters import Parameter as P  # noqa: N817 - a table is read by columns
from netd.web.routes import ANY, Route

_SEED: Final = P("seed", "integer", "makes what is left to chance the same each time")
_N: Final = P("n", "integer", "how many")
_HOPS: Final = P("n", "integer", "how many", least=1)
_COUNT: Final = P("n", "integer", "how many bytes", most=data.MOST, clamps=True)
_DURATION: Final = P("duration", "duration", "what it takes in all", "0")
_CHUNK: Final = P("chunk_size", "integer", "bytes at once", "10240", 1, data.MOST, True)
_DELAY: Final = P("delay", "duration", "wait before the first byte", "0")
_AFTER: Final = P("retry_after", "integer", "seconds in a Retry-After", most=10**9)
_EVENTS: Final = (
    P("count", "integer", "how many", "10", 1, 1000),
    P("duration", "duration", "what it takes in all", "5s"),
    _DELAY,
)
_ASKABLE: Final = (
    P("delay", "delay", "wait before the head: a duration, or uniform:1s-3s, normal:1s,200ms"),
    P("ttfb", "duration", "wait between the head and the body", "0"),
    P("pace", "duration", "wait between chunks", "0"),
    P("chunk", "size", "bytes at once", least=1),
    P("status", "text", "a status, or several by weight: 200:3,503:1", "200"),
    P("header", "text", "a response header, as Name: value", repeats=True),
    P("body", "text", "the body, instead of the one that was sent"),
    P("size", "size", "so many bytes as the body", most=1024**3),
    P("type", "text", "the Content-Type"),
    P("encoding", "text", "the Content-Encoding", choices=coding.KNOWN),
    P("fault", "text", "what goes wrong", choices=tuple(faults.FAULTS)),
    P("fault_rate", "number", "how often it does, from 0 to 1", "1", most=1),
    _AFTER,
    P("fail_first", "integer", "fail so often for a key, with `status` or 503", most=1000),
    P("key", "text", "whose failures are counted"),
    _SEED,
)
_BODIES: Final = ("GET", "POST", "PUT", "DELETE", "PATCH", "TRACE")
_DIGEST: Final = "401 until a digest of that user comes, then who it was"

ROUTES: Final = (
    # The delay-echo, and what watches the daemon
    Route("/", delay.echo, "wait --delay, then echo the body", ANY, _ASKABLE, False, True),
    Route("/echo", delay.anywhere, "echo, as asked for", ANY, _ASKABLE, composable=True),
    Route("/echo/<path:rest>", delay.anywhere, "the same", ANY, _ASKABLE, composable=True),
    *probes.ROUTES,
    Route(
        "/help",
        about.help_page,
        "this table",
        parameters=(P("format", "text", "else by Accept", choices=("html", "text", "json")),),
        cors=False,
    ),
    Route("/help/openapi.json", about.openapi, "this table as an OpenAPI document"),
    # The request, said back
    Route("/get", echo.get, "args, headers, origin and url"),
    Route("/post", echo.post, "the same with the body", ("POST",)),
    Route("/put", echo.post, "the same with the body", ("PUT",)),
    Route("/patch", echo.post, "the same with the body", ("PATCH",)),
    Route("/delete", echo.post, "the same with the body", ("DELETE",)),
    Route("/anything", echo.anything, "the same with the method", ANY),
    Route("/anything/<path:rest>", echo.anything, "the same", ANY),
    Route(
        "/delay/<duration>",
        echo.delay,
        "the same after a while, at most --max-delay",
        ANY,
        (P("duration", "delay", "a duration, or uniform:1s-3s", clamps=True), _SEED),
    ),
    Route("/headers", echo.request_headers, "the request's headers"),
    Route("/ip", echo.ip, "who asks"),
    Route("/user-agent", echo.user_agent, "the User-Agent"),
    Route("/raw", inspection.raw, "the request exactly as it came", ANY),
    Route("/dump/request", inspection.raw, "the same", ANY),
    Route("/upload", echo.upload, "how large the body was", ("POST", "PUT", "PATCH")),
    Route("/head", inspection.head, "an empty answer to HEAD", ("HEAD",)),
    Route("/tls", inspection.tls, "version, cipher, SNI, ALPN and client certificate"),
    # Statuses and redirects
    Route(
        "/status/<codes>",
        status.status,
        "that status, or one of several by weight: 200:3,500:1",
        ANY,
        (P("codes", "text", "from 200 to 999"), _SEED),
    ),
    Route("/redirect/<n>", redirects.redirect, "n redirects, then /get", parameters=(_HOPS,)),
    Route("/relative-redirect/<n>", redirects.relative, "by paths", parameters=(_HOPS,)),
    Route("/absolute-redirect/<n>", redirects.absolute, "by URLs", parameters=(_HOPS,)),
    Route(
        "/redirect-to",
        redirects.redirect_to,
        "a redirect to a URL of this daemon or of --redirect-allow",
        ANY,
        (
            P("url", "text", "where to", required=True),
            P("status_code", "integer", "the status", "302", 300, 399),
        ),
    ),
    # Cookies and authentication
    Route("/cookies", cookies.cookies, "the cookies that came"),
    Route("/cookies/set", cookies.set_some, "sets a cookie for each argument"),
    Route("/cookies/set/<name>/<value>", cookies.set_one, "sets one cookie"),
    Route("/cookies/delete", cookies.delete, "deletes the cookie of each argument"),
    Route("/basic-auth/<user>/<passwd>", auth.basic, "401 until that user and password come"),
    Route("/hidden-basic-auth/<user>/<passwd>", auth.hidden, "404 until they come"),
    Route("/bearer", auth.bearer, "401 until a bearer token comes"),
    Route("/digest-auth/<qop>/<user>/<passwd>", digest.digest, _DIGEST),
    Route("/digest-auth/<qop>/<user>/<passwd>/<algorithm>", digest.digest, _DIGEST),
    Route(
        "/digest-auth/<qop>/<user>/<passwd>/<algorithm>/<stale_after>",
        digest.digest,
        "the same, and a nonce is stale after so many",
    ),
    # Codings, caching, headers
    Route("/gzip", coding.gzipped, "headers, in gzip"),
    Route("/deflate", coding.deflated, "headers, in deflate"),
    Route("/brotli", coding.brotli, "headers, in brotli; 501 without the extra compress"),
    Route("/zstd", coding.zstd, "headers, in zstd; 501 without the extra compress"),
    Route("/compressed", coding.compressed, "the request, as Accept-Encoding wants it"),
    Route("/cache", caching.cache, "200 with validators; 304 to a client that has some"),
    Route("/cache/<n>", caching.cache_for, "fresh for n seconds", parameters=(_N,)),
    Route("/etag/<etag>", caching.etag, "has that entity tag: 304 and 412 as it should"),
    Route(
        "/response-headers",
        caching.response_headers,
        "a response header for each argument",
        ("GET", "POST"),
    ),
    # Bytes and streams
    Route("/bytes/<n>", data.random_bytes, "random bytes", parameters=(_COUNT, _SEED)),
    Route(
        "/stream-bytes/<n>",
        data.stream_bytes,
        "random bytes in chunks",
        parameters=(_COUNT, _CHUNK, _SEED),
    ),
    Route("/range/<n>", data.part, "n letters, or a Range", parameters=(_N, _CHUNK, _DURATION)),
    Route(
        "/stream/<n>",
        streams.stream,
        "the request, n times",
        parameters=(P("n", "integer", "lines", most=100, clamps=True),),
    ),
    Route(
        "/drip",
        streams.drip,
        "bytes one by one",
        parameters=(
            P("duration", "duration", "what it takes in all", "2", clamps=True),
            P("numbytes", "integer", "how many", "10", 1, streams.MOST_DRIP),
            P("code", "text", "the status", "200"),
            P("delay", "duration", "wait before the first byte", "0", clamps=True),
            _SEED,
        ),
    ),
    Route("/sse", streams.events, "server-sent events", parameters=_EVENTS),
    Route("/jsonl", streams.json_lines, "lines of JSON", parameters=_EVENTS),
    Route("/trailers", streams.trailers, "a trailer field for each argument"),
    Route("/base64/<value>", data.decode, "the text that is in base64"),
    Route("/base64/decode/<value>", data.decode, "the same"),
    Route("/base64/encode/<value>", data.encode, "the text in base64"),
    Route("/uuid", echo.uuid, "a random UUID"),
    # Documents
    Route("/html", pages.html, "a page of HTML"),
    Route("/xml", pages.xml, "a document of XML"),
    Route("/json", pages.sample, "a document of JSON"),
    Route("/encoding/utf8", pages.utf8, "a page in many scripts"),
    Route("/forms/post", pages.form, "a form that posts to /post"),
    Route("/robots.txt", pages.robots, "rules for robots"),
    Route("/deny", pages.deny, "where robots may not go"),
    Route("/image", pages.image, "an image, as Accept wants it"),
    Route(
        "/image/<kind>",
        pages.image_of,
        "an image",
        parameters=(P("kind", "text", "its type", choices=("png", "jpeg", "svg", "webp")),),
    ),
    Route("/links/<n>", redirects.first_link, "a redirect to n links", parameters=(_HOPS,)),
    Route(
        "/links/<n>/<offset>",
        redirects.links,
        "n links to pages like it",
        parameters=(
            P("n", "integer", "links", None, 1, 200, True),
            P("offset", "integer", "the page's own number"),
        ),
    ),
    # Faults
    Route(
        "/fault/<kind>",
        faults.fault,
        "goes wrong in that way",
        ANY,
        (
            P("kind", "text", "what goes wrong", choices=tuple(faults.FAULTS)),
            P("delay", "delay", "wait before it does"),
            P("rate", "number", "how often it does, from 0 to 1", "1", most=1),
            _SEED,
        ),
    ),
    Route(
        "/retry/<times>/<key>",
        faults.retry,
        "fails so often for that key, then succeeds",
        ANY,
        (
            P("times", "integer", "failures", most=1000),
            P("status", "integer", "of a failure", "503", 400, 599),
            _AFTER,
        ),
    ),
    Route(
        "/unstable",
        faults.unstable,
        "500 at a rate, else 200",
        ANY,
        (P("failure_rate", "number", "from 0 to 1", "0.5", most=1), _SEED),
    ),
    # The machine
    Route("/hostname", inspection.hostname, "its name, where --reveal hostname lets it"),
    Route("/version", inspection.version, "netd's, where --reveal version lets it"),
    Route("/env", inspection.env, "environment variables NETD_ENV_*"),
)
