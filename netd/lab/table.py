"""
Every URL of the lab on one page; /help, OpenAPI and the reference are made from it.

Rules: data only.  A new endpoint is one function in a theme's module and one
line here.
"""

from __future__ import annotations

from typing import Final

from netd.lab.endpoints import (
    auth,
    caching,
    compression,
    cookies,
    digest,
    documents,
    echo,
    faults,
    inspect,
    machine,
    payloads,
    probes,
    redirects,
    status,
    streams,
)
from netd.lab.endpoints import (
    help as help_page,
)
from netd.lab.parameters import Parameter as P  # noqa: N817 - a table is read by columns
from netd.lab.routes import ANY, Route

_SEED: Final = P("seed", "integer", "makes what is left to chance the same each time")
_N: Final = P("n", "integer", "how many")
_HOPS: Final = P("n", "integer", "how many", least=1)
_COUNT: Final = P("n", "integer", "how many bytes", most=payloads.MOST, clamps=True)
_DURATION: Final = P("duration", "duration", "what it takes in all", "0")
_CHUNK: Final = P("chunk_size", "integer", "bytes at once", "10240", 1, payloads.MOST, True)
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
    P("encoding", "text", "the Content-Encoding", choices=compression.KNOWN),
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
    Route("/", echo.echo, "wait --delay, then echo the body", ANY, _ASKABLE, False, True),
    Route("/echo", echo.anywhere, "echo, as asked for", ANY, _ASKABLE, composable=True),
    Route("/echo/<path:rest>", echo.anywhere, "the same", ANY, _ASKABLE, composable=True),
    *probes.ROUTES,
    Route(
        "/help",
        help_page.help_page,
        "this table",
        parameters=(P("format", "text", "else by Accept", choices=("html", "text", "json")),),
        cors=False,
    ),
    Route("/help/openapi.json", help_page.openapi, "this table as an OpenAPI document"),
    # The request, said back
    Route("/get", inspect.get, "args, headers, origin and url"),
    Route("/post", inspect.post, "the same with the body", ("POST",)),
    Route("/put", inspect.post, "the same with the body", ("PUT",)),
    Route("/patch", inspect.post, "the same with the body", ("PATCH",)),
    Route("/delete", inspect.post, "the same with the body", ("DELETE",)),
    Route("/anything", inspect.anything, "the same with the method", ANY),
    Route("/anything/<path:rest>", inspect.anything, "the same", ANY),
    Route(
        "/delay/<duration>",
        inspect.delay,
        "the same after a while, at most --max-delay",
        ANY,
        (P("duration", "delay", "a duration, or uniform:1s-3s", clamps=True), _SEED),
    ),
    Route("/headers", inspect.request_headers, "the request's headers"),
    Route("/ip", inspect.ip, "who asks"),
    Route("/user-agent", inspect.user_agent, "the User-Agent"),
    Route("/raw", machine.raw, "the request exactly as it came", ANY),
    Route("/dump/request", machine.raw, "the same", ANY),
    Route("/upload", inspect.upload, "how large the body was", ("POST", "PUT", "PATCH")),
    Route("/head", machine.head, "an empty answer to HEAD", ("HEAD",)),
    Route("/tls", machine.tls, "version, cipher, SNI, ALPN and client certificate"),
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
    Route("/gzip", compression.gzipped, "headers, in gzip"),
    Route("/deflate", compression.deflated, "headers, in deflate"),
    Route("/brotli", compression.brotli, "headers, in brotli; 501 without the extra compress"),
    Route("/zstd", compression.zstd, "headers, in zstd; 501 without the extra compress"),
    Route("/compressed", compression.compressed, "the request, as Accept-Encoding wants it"),
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
    Route("/bytes/<n>", payloads.random_bytes, "random bytes", parameters=(_COUNT, _SEED)),
    Route(
        "/stream-bytes/<n>",
        payloads.stream_bytes,
        "random bytes in chunks",
        parameters=(_COUNT, _CHUNK, _SEED),
    ),
    Route(
        "/range/<n>", payloads.part, "n letters, or a Range", parameters=(_N, _CHUNK, _DURATION)
    ),
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
    Route("/base64/<value>", payloads.decode, "the text that is in base64"),
    Route("/base64/decode/<value>", payloads.decode, "the same"),
    Route("/base64/encode/<value>", payloads.encode, "the text in base64"),
    Route("/uuid", inspect.uuid, "a random UUID"),
    # Documents
    Route("/html", documents.html, "a page of HTML"),
    Route("/xml", documents.xml, "a document of XML"),
    Route("/json", documents.sample, "a document of JSON"),
    Route("/encoding/utf8", documents.utf8, "a page in many scripts"),
    Route("/forms/post", documents.form, "a form that posts to /post"),
    Route("/robots.txt", documents.robots, "rules for robots"),
    Route("/deny", documents.deny, "where robots may not go"),
    Route("/image", documents.image, "an image, as Accept wants it"),
    Route(
        "/image/<kind>",
        documents.image_of,
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
    Route("/hostname", machine.hostname, "its name, where --reveal hostname lets it"),
    Route("/version", machine.version, "netd's, where --reveal version lets it"),
    Route("/env", machine.env, "environment variables NETD_ENV_*"),
)
