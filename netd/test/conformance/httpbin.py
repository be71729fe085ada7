"""
The responses of psf/httpbin 0.10.4, endpoint by endpoint.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import time
import zlib
from typing import Final

from netd.test.conformance.client import (
    Client,
    Suite,
    basic,
    form,
    holds,
    multipart,
    same,
)

SUITE: Final = Suite()

_METHODS: Final = (
    ("POST", "/post"),
    ("PUT", "/put"),
    ("PATCH", "/patch"),
    ("DELETE", "/delete"),
)


@SUITE
def get_bytes(client: Client) -> None:
    """The body of /get is the same byte for byte."""
    response = client.get("/get?a=1&a=2&b=", ("Accept", "*/*"))
    same(response["content-type"], "application/json")
    same(
        response.text,
        '{\n  "args": {\n    "a": [\n      "1",\n      "2"\n    ],\n    "b": ""\n  },\n'
        f'  "headers": {{\n    "Accept": "*/*",\n    "Host": "{client.host}"\n  }},\n'
        f'  "origin": "127.0.0.1",\n  "url": "{client.url}/get?a=1&a=2&b="\n}}\n',
    )


@SUITE
def get_keys(client: Client) -> None:
    """Every endpoint that returns the request has exactly these keys."""
    plain = {"args", "headers", "origin", "url"}
    body = {*plain, "data", "files", "form", "json"}
    same(set(client.get("/get").json), plain)
    for method, path in _METHODS:
        same(set(client.send(f"{method} {path}", body=b"").json), body, path)
    same(set(client.get("/anything").json), {*body, "method"})
    same(set(client.get("/delay/0").json), body - {"json"})
    same(set(client.get("/stream/1").json), {*plain, "id"})


@SUITE
def headers_shape(client: Client) -> None:
    """Header names are in Title-Case, and repeats are joined by a comma without a space."""
    result = client.get("/headers", ("x-a", "1"), ("X-A", "2"), ("dnt", "1")).json
    same(result, {"headers": {"Host": client.host, "X-A": "1,2", "Dnt": "1"}})


@SUITE
def headers_of_proxies(client: Client) -> None:
    """X-Forwarded-* is shown only with show_env."""
    field = ("X-Forwarded-Port", "1")
    same(client.get("/headers", field).json, {"headers": {"Host": client.host}})
    same(client.get("/headers?show_env=1", field).json["headers"]["X-Forwarded-Port"], "1")


@SUITE
def forwarded(client: Client) -> None:
    """X-Forwarded-* of a client on loopback changes origin and url."""
    fields = (("X-Forwarded-For", "9.9.9.9"), ("X-Forwarded-Proto", "https"))
    result = client.get("/get", *fields).json
    same(result["origin"], "9.9.9.9")
    same(result["url"], client.url.replace("http:", "https:") + "/get")


@SUITE
def arguments(client: Client) -> None:
    """Arguments are percent-decoded; bytes that are not UTF-8 stay encoded."""
    result = client.get("/get?x=%FF&y=a%20b+c;d&z=%C3%A9").json
    same(result["args"], {"x": "%FF", "y": "a b c;d", "z": "é"})


@SUITE
def data(client: Client) -> None:
    """JSON of any type is parsed; other bodies are null there; binary data is a data URL."""
    for method, path in (*_METHODS, ("POST", "/anything")):
        result = client.send(f"{method} {path}", body=b'{"a": [1, null]}').json
        same((result["data"], result["json"]), ('{"a": [1, null]}', {"a": [1, None]}), path)
        result = client.send(
            f"{method} {path}", ("Content-Type", "application/json"), body=b"no"
        ).json
        same((result["data"], result["json"]), ("no", None), path)
        result = client.send(f"{method} {path}", body=b"\xff\xfe").json
        same(result["data"], "data:application/octet-stream;base64,//4=", path)


@SUITE
def forms(client: Client) -> None:
    """A repeated name of an urlencoded form is a list; data is empty and JSON null."""
    for method, path in (*_METHODS, ("POST", "/anything")):
        kind, body = form("a=1&a=2&b=%C3%A9+x&c=")
        result = client.send(f"{method} {path}", kind, body=body).json
        same(result["form"], {"a": ["1", "2"], "b": "é x", "c": ""}, path)
        same((result["data"], result["json"], result["files"]), ("", None, {}), path)


@SUITE
def files(client: Client) -> None:
    """A multipart form has fields, and files as text or data URLs."""
    kind, body = multipart(
        ('name="a"', b"1"),
        ('name="f"; filename="x"', b"text"),
        ('name="g"; filename="y"', b"\xff"),
    )
    result = client.send("POST /post", kind, body=body).json
    same(result["form"], {"a": "1"})
    url = "data:application/octet-stream;base64,/w=="
    same((result["files"], result["data"]), ({"f": "text", "g": url}, ""))


@SUITE
def anything(client: Client) -> None:
    """/anything takes any path and returns the method."""
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
        result = client.send(f"{method} /anything/a/b?c=d", body=b"").json
        same((result["method"], result["url"]), (method, f"{client.url}/anything/a/b?c=d"))


@SUITE
def small(client: Client) -> None:
    """/ip, /uuid and /user-agent return one member each."""
    same(client.get("/ip").json, {"origin": "127.0.0.1"})
    same(client.get("/user-agent", ("User-Agent", "x/1")).json, {"user-agent": "x/1"})
    uuid = client.get("/uuid").json["uuid"]
    holds(re.fullmatch(r"[0-9a-f-]{14}4[0-9a-f-]{21}", uuid), "a UUID 4")


@SUITE
def methods(client: Client) -> None:
    """A wrong method is a 405 with Allow; OPTIONS is an empty 200; HEAD has the head of GET."""
    error = client.send("POST /get", body=b"")
    same(error.status, 405)
    same({*(error["allow"] or "").split(", ")}, {"GET", "HEAD", "OPTIONS"})
    options = client.send("OPTIONS /get")
    same((options.status, options.body), (200, b""))
    head = client.send("HEAD /get")
    same((head.status, head.body), (200, b""))
    same(head["content-length"], client.get("/get")["content-length"])
    same(client.get("/nowhere").status, 404)


@SUITE
def cors(client: Client) -> None:
    """Scripts of any origin may read the responses, and preflight allows it."""
    same(client.get("/get")["access-control-allow-origin"], "*")
    named = client.get("/get", ("Origin", "http://x"))
    # netd lets no script of another origin send cookies, unless --httpbin-exact is given.
    holds(named["access-control-allow-origin"] in ("*", "http://x"), "origin")
    preflight = client.send("OPTIONS /get", ("Access-Control-Request-Headers", "X-Test"))
    allowed = "GET, POST, PUT, DELETE, PATCH, OPTIONS"
    same(preflight["access-control-allow-methods"], allowed)
    same(preflight["access-control-allow-headers"], "X-Test")
    same(preflight["access-control-max-age"], "3600")


@SUITE
def statuses(client: Client) -> None:
    """/status takes every method, and some statuses have headers or a body."""
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
        for code in (200, 202, 400, 404, 500, 503):
            same(client.send(f"{method} /status/{code}", body=b"").status, code)
    for code in (301, 302, 303, 305, 307):
        response = client.get(f"/status/{code}")
        same((response.status, response["location"]), (code, "/redirect/1"))
    same(client.get("/status/304").body, b"")
    same(client.get("/status/401")["www-authenticate"], 'Basic realm="Fake Realm"')
    holds("teapot" in client.get("/status/418").text, "a teapot")
    same(client.get("/status/418")["x-more-info"], "http://tools.ietf.org/html/rfc2324")
    holds("accept" in client.get("/status/406").json, "what can be accepted")


@SUITE
def weights(client: Client) -> None:
    """/status chooses by weight, and refuses malformed lists."""
    result = {client.get("/status/200:1,404:1").status for _ in range(40)}
    same(result, {200, 404})
    same({client.get("/status/200:0,404:1").status for _ in range(10)}, {404})
    for text in ("x", "200,x", "200:x,404"):
        same(client.get(f"/status/{text}").status, 400, text)


@SUITE
def redirects(client: Client) -> None:
    """A redirect counts down, by path or by URL, and ends at /get."""
    for path, location in (
        ("/redirect/1", "/get"),
        ("/redirect/3", "/relative-redirect/2"),
        ("/relative-redirect/2", "/relative-redirect/1"),
        ("/absolute-redirect/2", f"{client.url}/absolute-redirect/1"),
        ("/absolute-redirect/1", f"{client.url}/get"),
        ("/redirect/2?absolute=true", f"{client.url}/absolute-redirect/1"),
    ):
        response = client.get(path)
        same((response.status, response["location"]), (302, location), path)


@SUITE
def redirect_to(client: Client) -> None:
    """/redirect-to takes a status and every method."""
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        response = client.send(f"{method} /redirect-to?url=/get&status_code=307", body=b"")
        same((response.status, response["location"]), (307, "/get"))
    same(client.get("/redirect-to?url=/get").status, 302)


@SUITE
def cookies(client: Client) -> None:
    """Cookies are read, set and deleted."""
    same(client.get("/cookies", ("Cookie", "a=1; b=2")).json, {"cookies": {"a": "1", "b": "2"}})
    same(client.get("/cookies").json, {"cookies": {}})
    for path, fields in (
        ("set/a/1", ["a=1; Path=/"]),
        ("set?a=1&b=2", ["a=1; Path=/", "b=2; Path=/"]),
    ):
        response = client.get(f"/cookies/{path}")
        same((response.status, response["location"]), (302, "/cookies"))
        same(response.every("set-cookie"), fields)
    gone = client.get("/cookies/delete?a").every("set-cookie")
    same(gone, ["a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/"])


@SUITE
def basic_auth(client: Client) -> None:
    """Basic authentication is an empty 401 until it succeeds; the hidden one a 404."""
    response = client.get("/basic-auth/u/p")
    same((response.status, response.body), (401, b""))
    same(response["www-authenticate"], 'Basic realm="Fake Realm"')
    same(client.get("/basic-auth/u/p", basic("u", "q")).status, 401)
    members = {"authenticated": True, "user": "u"}
    same(client.get("/basic-auth/u/p", basic("u", "p")).json, members)
    same(client.get("/hidden-basic-auth/u/p").status, 404)
    same(client.get("/hidden-basic-auth/u/p", basic("u", "p")).status, 200)


@SUITE
def bearer(client: Client) -> None:
    """/bearer is a 401 with a challenge, and with a token it returns the token."""
    response = client.get("/bearer")
    same((response.status, response["www-authenticate"]), (401, "Bearer"))
    result = client.get("/bearer", ("Authorization", "Bearer abc")).json
    same(result, {"authenticated": True, "token": "abc"})


def _digest(client: Client, path: str, algorithm: str, qop: str, password: str) -> int:
    """The status after a digest that is computed here (RFC 7616 3.4)."""
    challenge = client.get(path)
    header = challenge["www-authenticate"] or ""
    parameters = dict(re.findall(r'(\w+)="?([^",]*)', header))
    same(parameters["algorithm"], algorithm)
    name = algorithm.replace("-", "").lower()

    def h(text: str) -> str:
        return hashlib.new(name, text.encode()).hexdigest()

    a1 = h(f"u:{parameters['realm']}:{password}")
    a2 = f"GET:{path}" + (f":{h('')}" if qop == "auth-int" else "")
    response = h(f"{a1}:{parameters['nonce']}:00000001:abc:{qop}:{h(a2)}")
    text = (
        f'Digest username="u", realm="{parameters["realm"]}", nonce="{parameters["nonce"]}", '
        f'uri="{path}", response="{response}", algorithm={algorithm}, '
        f'qop={qop}, nc=00000001, cnonce="abc"'
    )
    return client.get(path, ("Authorization", text)).status


@SUITE
def digest_auth(client: Client) -> None:
    """Every algorithm works with every quality of protection."""
    for algorithm in ("MD5", "SHA-256", "SHA-512"):
        for qop in ("auth", "auth-int"):
            path = f"/digest-auth/{qop}/u/p/{algorithm}"
            same(_digest(client, path, algorithm, qop, "p"), 200, path)
            same(_digest(client, path, algorithm, qop, "q"), 401, path)
    cookies = client.get("/digest-auth/auth/u/p").every("set-cookie")
    same(sorted(cookies), ["fake=fake_value; Path=/", "stale_after=never; Path=/"])


@SUITE
def codings(client: Client) -> None:
    """/gzip and /deflate encode the body."""
    response = client.get("/gzip")
    same(response["content-encoding"], "gzip")
    result = json.loads(gzip.decompress(response.body))
    same(
        (result["gzipped"], result["method"], set(result)),
        (True, "GET", {"gzipped", "headers", "method", "origin"}),
    )
    response = client.get("/deflate")
    same(response["content-encoding"], "deflate")
    same(json.loads(zlib.decompress(response.body))["deflated"], True)


@SUITE
def brotli(client: Client) -> None:
    """/brotli encodes the body, or is a 501 where brotli is not installed."""
    response = client.get("/brotli")
    holds(response.status == 501 or response["content-encoding"] == "br", response.fields)


@SUITE
def response_headers(client: Client) -> None:
    """/response-headers returns each argument as a header and in the body."""
    response = client.get("/response-headers?x-a=1&x-a=2&x-b=3")
    same((response.every("x-a"), response.every("x-b")), (["1", "2"], ["3"]))
    result = response.json
    same(result["Content-Length"], str(len(response.body)))
    same(result["Content-Type"], "application/json")
    same((result["x-a"], result["x-b"]), (["1", "2"], "3"))
    same(client.send("POST /response-headers?x-a=1", body=b"")["x-a"], "1")


@SUITE
def cache(client: Client) -> None:
    """/cache has validators and is then a 304; /cache/n has a max-age."""
    response = client.get("/cache")
    holds(response["last-modified"] and response["etag"], "validators")
    same(set(response.json), {"args", "headers", "origin", "url"})
    for name in ("If-None-Match", "If-Modified-Since"):
        same((client.get("/cache", (name, "x")).status), 304)
    same(client.get("/cache/60")["cache-control"], "public, max-age=60")


@SUITE
def etag(client: Client) -> None:
    """If-None-Match and If-Match take quoted, bare, weak and listed tags, and a star."""
    same((client.get("/etag/abc")["etag"] or "").strip('"'), "abc")
    for value in ('"abc"', "abc", 'W/"abc"', '"x", "abc"', "*"):
        same(client.get("/etag/abc", ("If-None-Match", value)).status, 304, value)
    same(client.get("/etag/abc", ("If-None-Match", '"x"')).status, 200)
    for value, status in (('"abc"', 200), ("abc", 200), ("*", 200), ('"x"', 412)):
        same(client.get("/etag/abc", ("If-Match", value)).status, status, value)


@SUITE
def random_bytes(client: Client) -> None:
    """A seed has always the same bytes, and there are at most 100 KiB."""
    expected = bytes.fromhex("c5d71484f8cf9bf4b76f")
    for path in (
        "/bytes/10?seed=0",
        "/stream-bytes/10?seed=0",
        "/stream-bytes/10?seed=0&chunk_size=3",
    ):
        response = client.get(path)
        same(response.body, expected, path)
        same(response["content-type"], "application/octet-stream", path)
    same(len(client.get("/bytes/999999").body), 102_400)
    same(client.get("/bytes/10")["content-length"], "10")
    same(client.get("/stream-bytes/10")["transfer-encoding"], "chunked")


@SUITE
def stream(client: Client) -> None:
    """/stream sends n lines of JSON, at most 100."""
    response = client.get("/stream/3?a=1")
    same(response["content-type"], "application/json")
    lines = [json.loads(line) for line in response.body.splitlines()]
    same([each["id"] for each in lines], [0, 1, 2])
    same(lines[0]["args"], {"a": "1"})
    same(len(client.get("/stream/999").body.splitlines()), 100)


@SUITE
def ranges(client: Client) -> None:
    """/range sends the whole, a part, or 416."""
    response = client.get("/range/30")
    same((response.status, response.text), (200, "abcdefghijklmnopqrstuvwxyzabcd"))
    same((response["etag"] or "").strip('"'), "range30")
    same(response["accept-ranges"], "bytes")
    for value, result, text in (
        ("bytes=1-3", "bytes 1-3/30", "bcd"),
        ("bytes=28-", "bytes 28-29/30", "cd"),
        ("bytes=-2", "bytes 28-29/30", "cd"),
    ):
        response = client.get("/range/30", ("Range", value))
        same((response.status, response.text), (206, text), value)
        same(response["content-range"], result, value)
    response = client.get("/range/30", ("Range", "bytes=40-50"))
    same((response.status, response["content-range"], response.body), (416, "bytes */30", b""))
    same(client.get("/range/0").status, 404)


@SUITE
def drip(client: Client) -> None:
    """/drip sends bytes over a duration, after a delay, with a status."""
    began = time.monotonic()
    response = client.get("/drip?numbytes=5&duration=0.5&delay=0.3&code=202")
    seconds = time.monotonic() - began
    same((response.status, response.body, response["content-length"]), (202, b"*****", "5"))
    same(response["content-type"], "application/octet-stream")
    holds(seconds >= 0.65, f"it took {seconds} s")
    same(client.get("/drip?numbytes=0").status, 400)


@SUITE
def delay(client: Client) -> None:
    """/delay waits for its duration."""
    began = time.monotonic()
    same(client.get("/delay/0.5").status, 200)
    seconds = time.monotonic() - began
    holds(seconds >= 0.5, f"it took {seconds} s")


@SUITE
def links(client: Client) -> None:
    """The page of links is the same byte for byte, and /links/n redirects to it."""
    same(
        client.get("/links/3/1").text,
        "<html><head><title>Links</title></head><body><a href='/links/3/0'>0</a> 1 "
        "<a href='/links/3/2'>2</a> </body></html>",
    )
    same(client.get("/links/3")["location"], "/links/3/0")


@SUITE
def base64(client: Client) -> None:
    """/base64 decodes a text."""
    same(client.get("/base64/SFRUUEJJTiBpcyBhd2Vzb21l").text, "HTTPBIN is awesome")


@SUITE
def documents(client: Client) -> None:
    """Each document has its type, and the text that clients look for."""
    for path, kind, text in (
        ("/html", "text/html; charset=utf-8", "Herman Melville - Moby-Dick"),
        ("/xml", "application/xml", "Sample Slide Show"),
        ("/json", "application/json", '"title": "Sample Slide Show"'),
        ("/robots.txt", "text/plain", "User-agent: *\nDisallow: /deny\n"),
        ("/deny", "text/plain", "YOU SHOULDN'T BE HERE"),
        ("/encoding/utf8", "text/html; charset=utf-8", "∮ E⋅da = Q"),
        ("/forms/post", "text/html; charset=utf-8", 'action="/post"'),
    ):
        response = client.get(path)
        same(response["content-type"], kind, path)
        holds(text in response.text, f"{path} lacks {text}")


@SUITE
def images(client: Client) -> None:
    """Each type of image is there, and /image chooses by Accept."""
    for name, kind, start in (
        ("png", "image/png", b"\x89PNG"),
        ("jpeg", "image/jpeg", b"\xff\xd8"),
        ("webp", "image/webp", b"RIFF"),
        ("svg", "image/svg+xml", b"<"),
    ):
        for response in (client.get(f"/image/{name}"), client.get("/image", ("Accept", kind))):
            same(response["content-type"], kind)
            holds(response.body.startswith(start), name)
    same(client.get("/image")["content-type"], "image/png")
    same(client.get("/image", ("Accept", "text/html")).status, 406)
