"""
What netd has beyond httpbin: better error responses, and endpoints of its own.
"""

from __future__ import annotations

import http.client
import json
import time
from typing import Final

from netd.test.conformance.client import Client, Suite, holds, same

SUITE: Final = Suite()


@SUITE
def errors(client: Client) -> None:
    """A bad request is a 4xx in JSON that names the error, and never a 5xx."""
    for path, status in (
        ("/delay/x", 400),
        ("/redirect/0", 400),
        ("/redirect-to", 400),
        ("/drip?duration=x", 400),
        ("/bytes/1?seed=x", 400),
        ("/stream-bytes/1?chunk_size=x", 400),
        ("/cookies/set?a%0d=1", 400),
        ("/nowhere", 404),
    ):
        response = client.get(path)
        same(response.status, status, path)
        same(set(response.json), {"status_code", "error", "detail"}, path)


@SUITE
def locked(client: Client) -> None:
    """Every response with client bytes has nosniff and a sandbox."""
    for path in (
        "/get",
        "/anything",
        "/headers",
        "/raw",
        "/base64/YQ==",
        "/response-headers?X-A=b",
    ):
        response = client.get(path)
        same(response["x-content-type-options"], "nosniff", path)
        same(response["content-security-policy"], "default-src 'none'; sandbox", path)


@SUITE
def refused(client: Client) -> None:
    """Headers, types and redirects that could attack browsers are refused."""
    for path in (
        "/response-headers?Set-Cookie=a",
        "/response-headers?X-A=b%0d%0aX:y",
        "/response-headers?Content-Type=text/html",
        "/redirect-to?url=http://evil.example/",
        "/redirect-to?url=//evil.example",
        "/echo?type=text/html",
    ):
        same(client.get(path).status, 400, path)


@SUITE
def any_method(client: Client) -> None:
    """Endpoints of any method take unregistered methods too."""
    same(client.send("BREW /anything").json["method"], "BREW")
    same(client.send("BREW /status/418").status, 418)
    # gunicorn takes this field for hop-by-hop and drops it.
    same(client.get("/status/407")["proxy-authenticate"], 'Basic realm="Fake Realm"')


@SUITE
def raw(client: Client) -> None:
    """/raw and /dump/request return the request byte for byte."""
    response = client.send("PUT /raw", ("b", "2"), ("A", "1"), ("b", "3"), body=b"\xff")
    head = f"PUT /raw HTTP/1.1\r\nHost: {client.host}\r\nb: 2\r\nA: 1\r\nb: 3\r\n"
    same(response.body, head.encode() + b"Content-Length: 1\r\n\r\n\xff")
    same(client.get("/dump/request").body[:22], b"GET /dump/request HTTP")


@SUITE
def composed(client: Client) -> None:
    """/echo takes delay, status, header and body in one URL."""
    began = time.monotonic()
    response = client.get("/echo?delay=200ms&status=429&header=X-A:1&body=hi&retry_after=3")
    holds(time.monotonic() - began >= 0.2, "it waits")
    same((response.status, response["x-a"], response["retry-after"]), (429, "1", "3"))
    same(response.body, b"hi")
    same(client.get("/echo", ("X-Netd-Status", "201")).status, 201)


@SUITE
def retried(client: Client) -> None:
    """/retry and fail_first fail for a number of requests, then succeed once."""
    key = time.monotonic_ns()
    same([client.get(f"/retry/2/{key}").status for _ in range(4)], [503, 503, 200, 503])
    line = f"/echo?fail_first=1&key={key}&status=500"
    same([client.get(line).status for _ in range(3)], [500, 200, 500])


@SUITE
def faults(client: Client) -> None:
    """Each fault is an error in http.client."""
    for kind, error in (
        ("close", http.client.RemoteDisconnected),
        ("reset", ConnectionResetError),
        ("truncate", http.client.IncompleteRead),
        ("bad-chunk", http.client.IncompleteRead),
        ("garbage", http.client.BadStatusLine),
    ):
        try:
            client.get(f"/fault/{kind}")
        except error:
            continue
        raise AssertionError(f"{kind} went well")


@SUITE
def unstable(client: Client) -> None:
    """/unstable fails at its rate, and equally for equal seeds."""
    same(client.get("/unstable?failure_rate=1").status, 500)
    same(client.get("/unstable?failure_rate=0").status, 200)
    same(len({client.get("/unstable?seed=3").status for _ in range(5)}), 1)


@SUITE
def events(client: Client) -> None:
    """/sse sends server-sent events, and /jsonl lines of JSON."""
    response = client.get("/sse?count=2&duration=100ms")
    same(response["content-type"], "text/event-stream")
    first, second, end = response.text.split("\n\n")
    holds(first.startswith('event: ping\ndata: {"id": 0, "timestamp": '), first)
    same((json.loads(second.split("data: ")[1])["id"], end), (1, ""))
    lines = client.get("/jsonl?count=2&duration=100ms").body.splitlines()
    same([json.loads(line)["id"] for line in lines], [0, 1])


@SUITE
def trailers(client: Client) -> None:
    """Trailers are announced, and fields that frame the message are refused."""
    response = client.get("/trailers?X-A=1")
    same((response["trailer"], response["transfer-encoding"]), ("X-A", "chunked"))
    same(client.get("/trailers?Content-Length=1").status, 400)


@SUITE
def negotiated(client: Client) -> None:
    """/compressed follows q-values."""
    for accept, coding in (("gzip;q=0.5, deflate", "deflate"), ("gzip", "gzip"), ("", None)):
        same(client.get("/compressed", ("Accept-Encoding", accept))["content-encoding"], coding)
    same(client.get("/compressed", ("Accept-Encoding", "*;q=0")).status, 406)


@SUITE
def others(client: Client) -> None:
    """Endpoints of go-httpbin are there too."""
    same(client.get("/base64/encode/abc").body, b"YWJj")
    same(client.get("/base64/decode/YWJj").body, b"abc")
    same(client.send("POST /upload", body=b"123").json["bytes"], 3)
    same((client.send("HEAD /head").status, client.get("/head").status), (200, 405))
    same(client.get("/tls").json, {"tls": None})
    for path in ("/hostname", "/version"):
        holds(client.get(path).status in (200, 403), path)
    holds(all(name.startswith("NETD_ENV_") for name in client.get("/env").json["env"]), "/env")


@SUITE
def described(client: Client) -> None:
    """The help comes in three formats, and as an OpenAPI document."""
    for accept, kind in (
        ("text/html", "text/html; charset=utf-8"),
        ("application/json", "application/json"),
        ("*/*", "text/plain; charset=utf-8"),
    ):
        same(client.get("/help", ("Accept", accept))["content-type"], kind)
    document = client.get("/help/openapi.json").json
    same(document["openapi"], "3.1.0")
    holds("/get" in document["paths"], "/get is described")
