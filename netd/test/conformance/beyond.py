"""
What netd answers beyond httpbin: better answers to bad questions, and endpoints of its own.
"""

from __future__ import annotations

import http.client
import json
import time
from typing import Final

from netd.test.conformance.client import Client, Suite, holds, same

SUITE: Final = Suite()


@SUITE
def errors(to: Client) -> None:
    """A bad question is a 4xx in JSON that says what was wrong, and never a 5xx."""
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
        answer = to.get(path)
        same(answer.status, status, path)
        same(set(answer.json), {"status_code", "error", "detail"}, path)


@SUITE
def locked(to: Client) -> None:
    """Whatever carries client bytes has nosniff and a sandbox."""
    for path in (
        "/get",
        "/anything",
        "/headers",
        "/raw",
        "/base64/YQ==",
        "/response-headers?a=b",
    ):
        answer = to.get(path)
        same(answer["x-content-type-options"], "nosniff", path)
        same(answer["content-security-policy"], "default-src 'none'; sandbox", path)


@SUITE
def refused(to: Client) -> None:
    """Nothing that would make it a weapon."""
    for path in (
        "/response-headers?Set-Cookie=a",
        "/response-headers?a=b%0d%0aX:y",
        "/response-headers?Content-Type=text/html",
        "/redirect-to?url=http://evil.example/",
        "/redirect-to?url=//evil.example",
        "/echo?type=text/html",
    ):
        same(to.get(path).status, 400, path)


@SUITE
def any_method(to: Client) -> None:
    """Invented methods too."""
    same(to.ask("BREW /anything").json["method"], "BREW")
    same(to.ask("BREW /status/418").status, 418)
    # gunicorn takes this field for hop-by-hop and drops it.
    same(to.get("/status/407")["proxy-authenticate"], 'Basic realm="Fake Realm"')


@SUITE
def raw(to: Client) -> None:
    """The request exactly as it came."""
    answer = to.ask("PUT /raw", ("b", "2"), ("A", "1"), ("b", "3"), body=b"\xff")
    head = f"PUT /raw HTTP/1.1\r\nHost: {to.host}\r\nb: 2\r\nA: 1\r\nb: 3\r\n"
    same(answer.body, head.encode() + b"Content-Length: 1\r\n\r\n\xff")
    same(to.get("/dump/request").body[:22], b"GET /dump/request HTTP")


@SUITE
def composed(to: Client) -> None:
    """Delay, status, header and body in one URL."""
    began = time.monotonic()
    answer = to.get("/echo?delay=200ms&status=429&header=X-A:1&body=hi&retry_after=3")
    holds(time.monotonic() - began >= 0.2, "it waits")
    same((answer.status, answer["x-a"], answer["retry-after"]), (429, "1", "3"))
    same(answer.body, b"hi")
    same(to.get("/echo", ("X-Netd-Status", "201")).status, 201)


@SUITE
def retried(to: Client) -> None:
    """So many failures, then success."""
    key = time.monotonic_ns()
    same([to.get(f"/retry/2/{key}").status for _ in range(4)], [503, 503, 200, 503])
    line = f"/echo?fail_first=1&key={key}&status=500"
    same([to.get(line).status for _ in range(3)], [500, 200, 500])


@SUITE
def faults(to: Client) -> None:
    """Each fault is an error for a plain client."""
    for kind, wrong in (
        ("close", http.client.RemoteDisconnected),
        ("reset", ConnectionResetError),
        ("truncate", http.client.IncompleteRead),
        ("bad-chunk", http.client.IncompleteRead),
        ("garbage", http.client.BadStatusLine),
    ):
        try:
            to.get(f"/fault/{kind}")
        except wrong:
            continue
        raise AssertionError(f"{kind} went well")


@SUITE
def unstable(to: Client) -> None:
    """At a rate, the same for a seed."""
    same(to.get("/unstable?failure_rate=1").status, 500)
    same(to.get("/unstable?failure_rate=0").status, 200)
    same(len({to.get("/unstable?seed=3").status for _ in range(5)}), 1)


@SUITE
def events(to: Client) -> None:
    """Server-sent events and lines of JSON."""
    answer = to.get("/sse?count=2&duration=100ms")
    same(answer["content-type"], "text/event-stream")
    first, second, end = answer.text.split("\n\n")
    holds(first.startswith('event: ping\ndata: {"id": 0, "timestamp": '), first)
    same((json.loads(second.split("data: ")[1])["id"], end), (1, ""))
    lines = to.get("/jsonl?count=2&duration=100ms").body.splitlines()
    same([json.loads(line)["id"] for line in lines], [0, 1])


@SUITE
def trailers(to: Client) -> None:
    """Announced, and none that frames."""
    answer = to.get("/trailers?X-A=1")
    same((answer["trailer"], answer["transfer-encoding"]), ("X-A", "chunked"))
    same(to.get("/trailers?Content-Length=1").status, 400)


@SUITE
def negotiated(to: Client) -> None:
    """/compressed follows q-values."""
    for accept, coding in (("gzip;q=0.5, deflate", "deflate"), ("gzip", "gzip"), ("", None)):
        same(to.get("/compressed", ("Accept-Encoding", accept))["content-encoding"], coding)
    same(to.get("/compressed", ("Accept-Encoding", "*;q=0")).status, 406)


@SUITE
def others(to: Client) -> None:
    """What go-httpbin has beside httpbin."""
    same(to.get("/base64/encode/abc").body, b"YWJj")
    same(to.get("/base64/decode/YWJj").body, b"abc")
    same(to.ask("POST /upload", body=b"123").json["bytes"], 3)
    same((to.ask("HEAD /head").status, to.get("/head").status), (200, 405))
    same(to.get("/tls").json, {"tls": None})
    for path in ("/hostname", "/version"):
        holds(to.get(path).status in (200, 403), path)
    holds(all(name.startswith("NETD_ENV_") for name in to.get("/env").json["env"]), "/env")


@SUITE
def described(to: Client) -> None:
    """The help in three forms, and OpenAPI."""
    for accept, kind in (
        ("text/html", "text/html; charset=utf-8"),
        ("application/json", "application/json"),
        ("*/*", "text/plain; charset=utf-8"),
    ):
        same(to.get("/help", ("Accept", accept))["content-type"], kind)
    document = to.get("/help/openapi.json").json
    same(document["openapi"], "3.1.0")
    holds("/get" in document["paths"], "/get is described")
