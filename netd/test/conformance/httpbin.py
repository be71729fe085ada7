"""
What psf/httpbin 0.10.4 answers, endpoint by endpoint.
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
def get_bytes(to: Client) -> None:
    """/get: the very bytes."""
    answer = to.get("/get?a=1&a=2&b=", ("Accept", "*/*"))
    same(answer["content-type"], "application/json")
    same(
        answer.text,
        '{\n  "args": {\n    "a": [\n      "1",\n      "2"\n    ],\n    "b": ""\n  },\n'
        f'  "headers": {{\n    "Accept": "*/*",\n    "Host": "{to.host}"\n  }},\n'
        f'  "origin": "127.0.0.1",\n  "url": "{to.url}/get?a=1&a=2&b="\n}}\n',
    )


@SUITE
def get_keys(to: Client) -> None:
    """The keys of every echo."""
    plain = {"args", "headers", "origin", "url"}
    body = {*plain, "data", "files", "form", "json"}
    same(set(to.get("/get").json), plain)
    for method, path in _METHODS:
        same(set(to.ask(f"{method} {path}", body=b"").json), body, path)
    same(set(to.get("/anything").json), {*body, "method"})
    same(set(to.get("/delay/0").json), body - {"json"})
    same(set(to.get("/stream/1").json), {*plain, "id"})


@SUITE
def headers_shape(to: Client) -> None:
    """Title-Case names, repeats joined by a comma without a space."""
    found = to.get("/headers", ("x-a", "1"), ("X-A", "2"), ("dnt", "1")).json
    same(found, {"headers": {"Host": to.host, "X-A": "1,2", "Dnt": "1"}})


@SUITE
def headers_of_proxies(to: Client) -> None:
    """X-Forwarded-* is shown only with show_env."""
    field = ("X-Forwarded-Port", "1")
    same(to.get("/headers", field).json, {"headers": {"Host": to.host}})
    same(to.get("/headers?show_env=1", field).json["headers"]["X-Forwarded-Port"], "1")


@SUITE
def forwarded(to: Client) -> None:
    """Origin and url come from X-Forwarded-*, of a client on loopback."""
    fields = (("X-Forwarded-For", "9.9.9.9"), ("X-Forwarded-Proto", "https"))
    found = to.get("/get", *fields).json
    same(found["origin"], "9.9.9.9")
    same(found["url"], to.url.replace("http:", "https:") + "/get")


@SUITE
def arguments(to: Client) -> None:
    """Percent-encoding, plus signs, and what is no UTF-8."""
    found = to.get("/get?x=%FF&y=a%20b+c;d&z=%C3%A9").json
    same(found["args"], {"x": "%FF", "y": "a b c;d", "z": "é"})


@SUITE
def data(to: Client) -> None:
    """JSON is parsed whatever its type; what is none is null; binary is a data URL."""
    for method, path in (*_METHODS, ("POST", "/anything")):
        found = to.ask(f"{method} {path}", body=b'{"a": [1, null]}').json
        same((found["data"], found["json"]), ('{"a": [1, null]}', {"a": [1, None]}), path)
        found = to.ask(
            f"{method} {path}", ("Content-Type", "application/json"), body=b"no"
        ).json
        same((found["data"], found["json"]), ("no", None), path)
        found = to.ask(f"{method} {path}", body=b"\xff\xfe").json
        same(found["data"], "data:application/octet-stream;base64,//4=", path)


@SUITE
def forms(to: Client) -> None:
    """Urlencoded forms: lists where a name repeats, data empty, JSON null."""
    for method, path in (*_METHODS, ("POST", "/anything")):
        kind, body = form("a=1&a=2&b=%C3%A9+x&c=")
        found = to.ask(f"{method} {path}", kind, body=body).json
        same(found["form"], {"a": ["1", "2"], "b": "é x", "c": ""}, path)
        same((found["data"], found["json"], found["files"]), ("", None, {}), path)


@SUITE
def files(to: Client) -> None:
    """Multipart: fields, files as text or data URLs."""
    kind, body = multipart(
        ('name="a"', b"1"),
        ('name="f"; filename="x"', b"text"),
        ('name="g"; filename="y"', b"\xff"),
    )
    found = to.ask("POST /post", kind, body=body).json
    same(found["form"], {"a": "1"})
    url = "data:application/octet-stream;base64,/w=="
    same((found["files"], found["data"]), ({"f": "text", "g": url}, ""))


@SUITE
def anything(to: Client) -> None:
    """/anything takes any path and names the method."""
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
        found = to.ask(f"{method} /anything/a/b?c=d", body=b"").json
        same((found["method"], found["url"]), (method, f"{to.url}/anything/a/b?c=d"))


@SUITE
def small(to: Client) -> None:
    """/ip, /uuid, /user-agent."""
    same(to.get("/ip").json, {"origin": "127.0.0.1"})
    same(to.get("/user-agent", ("User-Agent", "x/1")).json, {"user-agent": "x/1"})
    holds(
        re.fullmatch(r"[0-9a-f-]{14}4[0-9a-f-]{21}", to.get("/uuid").json["uuid"]), "a UUID 4"
    )


@SUITE
def methods(to: Client) -> None:
    """405 with Allow; OPTIONS is 200 and empty; HEAD has the head of GET."""
    wrong = to.ask("POST /get", body=b"")
    same(wrong.status, 405)
    same({*(wrong["allow"] or "").split(", ")}, {"GET", "HEAD", "OPTIONS"})
    options = to.ask("OPTIONS /get")
    same((options.status, options.body), (200, b""))
    head = to.ask("HEAD /get")
    same((head.status, head.body), (200, b""))
    same(head["content-length"], to.get("/get")["content-length"])
    same(to.get("/nowhere").status, 404)


@SUITE
def cors(to: Client) -> None:
    """Any origin may read, and preflight says so."""
    same(to.get("/get")["access-control-allow-origin"], "*")
    named = to.get("/get", ("Origin", "http://x"))
    same(named["access-control-allow-origin"], "http://x")
    same(named["access-control-allow-credentials"], "true")
    asked = to.ask("OPTIONS /get", ("Access-Control-Request-Headers", "X-Test"))
    allowed = "GET, POST, PUT, DELETE, PATCH, OPTIONS"
    same(asked["access-control-allow-methods"], allowed)
    same(asked["access-control-allow-headers"], "X-Test")
    same(asked["access-control-max-age"], "3600")


@SUITE
def statuses(to: Client) -> None:
    """/status for every method, with what some of them say."""
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
        for code in (200, 202, 400, 404, 500, 503):
            same(to.ask(f"{method} /status/{code}", body=b"").status, code)
    for code in (301, 302, 303, 305, 307):
        answer = to.get(f"/status/{code}")
        same((answer.status, answer["location"]), (code, "/redirect/1"))
    same(to.get("/status/304").body, b"")
    same(to.get("/status/401")["www-authenticate"], 'Basic realm="Fake Realm"')
    holds("teapot" in to.get("/status/418").text, "a teapot")
    same(to.get("/status/418")["x-more-info"], "http://tools.ietf.org/html/rfc2324")
    holds("accept" in to.get("/status/406").json, "what can be accepted")


@SUITE
def weights(to: Client) -> None:
    """/status chooses by weight, and refuses nonsense."""
    found = {to.get("/status/200:1,404:1").status for _ in range(40)}
    same(found, {200, 404})
    same({to.get("/status/200:0,404:1").status for _ in range(10)}, {404})
    for text in ("x", "200,x", "200:x,404"):
        same(to.get(f"/status/{text}").status, 400, text)


@SUITE
def redirects(to: Client) -> None:
    """n redirects, relative and absolute, then /get."""
    for path, location in (
        ("/redirect/1", "/get"),
        ("/redirect/3", "/relative-redirect/2"),
        ("/relative-redirect/2", "/relative-redirect/1"),
        ("/absolute-redirect/2", f"{to.url}/absolute-redirect/1"),
        ("/absolute-redirect/1", f"{to.url}/get"),
        ("/redirect/2?absolute=true", f"{to.url}/absolute-redirect/1"),
    ):
        answer = to.get(path)
        same((answer.status, answer["location"]), (302, location), path)


@SUITE
def redirect_to(to: Client) -> None:
    """/redirect-to with a status, for every method."""
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        answer = to.ask(f"{method} /redirect-to?url=/get&status_code=307", body=b"")
        same((answer.status, answer["location"]), (307, "/get"))
    same(to.get("/redirect-to?url=/get").status, 302)


@SUITE
def cookies(to: Client) -> None:
    """Read, set and deleted."""
    same(to.get("/cookies", ("Cookie", "a=1; b=2")).json, {"cookies": {"a": "1", "b": "2"}})
    same(to.get("/cookies").json, {"cookies": {}})
    for path, fields in (
        ("set/a/1", ["a=1; Path=/"]),
        ("set?a=1&b=2", ["a=1; Path=/", "b=2; Path=/"]),
    ):
        answer = to.get(f"/cookies/{path}")
        same((answer.status, answer["location"]), (302, "/cookies"))
        same(answer.every("set-cookie"), fields)
    gone = to.get("/cookies/delete?a").every("set-cookie")
    same(gone, ["a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/"])


@SUITE
def basic_auth(to: Client) -> None:
    """401 without a body, then who it was; hidden, it is a 404."""
    answer = to.get("/basic-auth/u/p")
    same((answer.status, answer.body), (401, b""))
    same(answer["www-authenticate"], 'Basic realm="Fake Realm"')
    same(to.get("/basic-auth/u/p", basic("u", "q")).status, 401)
    same(to.get("/basic-auth/u/p", basic("u", "p")).json, {"authenticated": True, "user": "u"})
    same(to.get("/hidden-basic-auth/u/p").status, 404)
    same(to.get("/hidden-basic-auth/u/p", basic("u", "p")).status, 200)


@SUITE
def bearer(to: Client) -> None:
    """401 with a challenge, then the token."""
    answer = to.get("/bearer")
    same((answer.status, answer["www-authenticate"]), (401, "Bearer"))
    found = to.get("/bearer", ("Authorization", "Bearer abc")).json
    same(found, {"authenticated": True, "token": "abc"})


def _digest(to: Client, path: str, algorithm: str, qop: str, password: str) -> int:
    """The status of a digest, answered by hand (RFC 7616 3.4)."""
    challenge = to.get(path)
    header = challenge["www-authenticate"] or ""
    said = dict(re.findall(r'(\w+)="?([^",]*)', header))
    same(said["algorithm"], algorithm)
    name = algorithm.replace("-", "").lower()

    def h(text: str) -> str:
        return hashlib.new(name, text.encode()).hexdigest()

    a1 = h(f"u:{said['realm']}:{password}")
    a2 = f"GET:{path}" + (f":{h('')}" if qop == "auth-int" else "")
    response = h(f"{a1}:{said['nonce']}:00000001:abc:{qop}:{h(a2)}")
    text = (
        f'Digest username="u", realm="{said["realm"]}", nonce="{said["nonce"]}", uri="{path}", '
        f'response="{response}", algorithm={algorithm}, qop={qop}, nc=00000001, cnonce="abc"'
    )
    return to.get(path, ("Authorization", text)).status


@SUITE
def digest_auth(to: Client) -> None:
    """Every algorithm with every quality of protection."""
    for algorithm in ("MD5", "SHA-256", "SHA-512"):
        for qop in ("auth", "auth-int"):
            path = f"/digest-auth/{qop}/u/p/{algorithm}"
            same(_digest(to, path, algorithm, qop, "p"), 200, path)
            same(_digest(to, path, algorithm, qop, "q"), 401, path)
    cookies = to.get("/digest-auth/auth/u/p").every("set-cookie")
    same(sorted(cookies), ["fake=fake_value; Path=/", "stale_after=never; Path=/"])


@SUITE
def codings(to: Client) -> None:
    """/gzip and /deflate."""
    answer = to.get("/gzip")
    same(answer["content-encoding"], "gzip")
    found = json.loads(gzip.decompress(answer.body))
    same(
        (found["gzipped"], found["method"], set(found)),
        (True, "GET", {"gzipped", "headers", "method", "origin"}),
    )
    answer = to.get("/deflate")
    same(answer["content-encoding"], "deflate")
    same(json.loads(zlib.decompress(answer.body))["deflated"], True)


@SUITE
def brotli(to: Client) -> None:
    """/brotli, or 501 where it is not installed."""
    answer = to.get("/brotli")
    holds(answer.status == 501 or answer["content-encoding"] == "br", answer.fields)


@SUITE
def response_headers(to: Client) -> None:
    """A header for each argument, all of them in the body."""
    answer = to.get("/response-headers?x-a=1&x-a=2&x-b=3")
    same((answer.every("x-a"), answer.every("x-b")), (["1", "2"], ["3"]))
    found = answer.json
    same(found["Content-Length"], str(len(answer.body)))
    same(found["Content-Type"], "application/json")
    same((found["x-a"], found["x-b"]), (["1", "2"], "3"))
    same(to.ask("POST /response-headers?x-a=1", body=b"")["x-a"], "1")


@SUITE
def cache(to: Client) -> None:
    """Validators, then 304; /cache/n says how long."""
    answer = to.get("/cache")
    holds(answer["last-modified"] and answer["etag"], "validators")
    same(set(answer.json), {"args", "headers", "origin", "url"})
    for name in ("If-None-Match", "If-Modified-Since"):
        same((to.get("/cache", (name, "x")).status), 304)
    same(to.get("/cache/60")["cache-control"], "public, max-age=60")


@SUITE
def etag(to: Client) -> None:
    """If-None-Match and If-Match, quoted, bare, weak, listed, starred."""
    same((to.get("/etag/abc")["etag"] or "").strip('"'), "abc")
    for value in ('"abc"', "abc", 'W/"abc"', '"x", "abc"', "*"):
        same(to.get("/etag/abc", ("If-None-Match", value)).status, 304, value)
    same(to.get("/etag/abc", ("If-None-Match", '"x"')).status, 200)
    for value, status in (('"abc"', 200), ("abc", 200), ("*", 200), ('"x"', 412)):
        same(to.get("/etag/abc", ("If-Match", value)).status, status, value)


@SUITE
def random_bytes(to: Client) -> None:
    """The bytes of a seed, and at most 100 KiB of them."""
    wanted = bytes.fromhex("c5d71484f8cf9bf4b76f")
    for path in (
        "/bytes/10?seed=0",
        "/stream-bytes/10?seed=0",
        "/stream-bytes/10?seed=0&chunk_size=3",
    ):
        answer = to.get(path)
        same((answer.body, answer["content-type"]), (wanted, "application/octet-stream"), path)
    same(len(to.get("/bytes/999999").body), 102_400)
    same(to.get("/bytes/10")["content-length"], "10")
    same(to.get("/stream-bytes/10")["transfer-encoding"], "chunked")


@SUITE
def stream(to: Client) -> None:
    """n lines of JSON, at most 100."""
    answer = to.get("/stream/3?a=1")
    same(answer["content-type"], "application/json")
    lines = [json.loads(line) for line in answer.body.splitlines()]
    same([each["id"] for each in lines], [0, 1, 2])
    same(lines[0]["args"], {"a": "1"})
    same(len(to.get("/stream/999").body.splitlines()), 100)


@SUITE
def ranges(to: Client) -> None:
    """The whole, a part, and 416."""
    answer = to.get("/range/30")
    same((answer.status, answer.text), (200, "abcdefghijklmnopqrstuvwxyzabcd"))
    same((answer["etag"], answer["accept-ranges"]), ("range30", "bytes"))
    for value, found, text in (
        ("bytes=1-3", "bytes 1-3/30", "bcd"),
        ("bytes=28-", "bytes 28-29/30", "cd"),
        ("bytes=-2", "bytes 28-29/30", "cd"),
    ):
        answer = to.get("/range/30", ("Range", value))
        same((answer.status, answer["content-range"], answer.text), (206, found, text), value)
    answer = to.get("/range/30", ("Range", "bytes=40-50"))
    same((answer.status, answer["content-range"], answer.body), (416, "bytes */30", b""))
    same(to.get("/range/0").status, 404)


@SUITE
def drip(to: Client) -> None:
    """Bytes over a duration, after a delay, with a status."""
    began = time.monotonic()
    answer = to.get("/drip?numbytes=5&duration=0.5&delay=0.3&code=202")
    seconds = time.monotonic() - began
    same((answer.status, answer.body, answer["content-length"]), (202, b"*****", "5"))
    same(answer["content-type"], "application/octet-stream")
    holds(0.65 <= seconds < 5, f"it took {seconds} s")
    same(to.get("/drip?numbytes=0").status, 400)


@SUITE
def delay(to: Client) -> None:
    """It waits."""
    began = time.monotonic()
    same(to.get("/delay/0.5").status, 200)
    seconds = time.monotonic() - began
    holds(0.5 <= seconds < 5, f"it took {seconds} s")


@SUITE
def links(to: Client) -> None:
    """The page, byte for byte, and the way to it."""
    same(
        to.get("/links/3/1").text,
        "<html><head><title>Links</title></head><body><a href='/links/3/0'>0</a> 1 "
        "<a href='/links/3/2'>2</a> </body></html>",
    )
    same(to.get("/links/3")["location"], "/links/3/0")


@SUITE
def base64(to: Client) -> None:
    """A text decoded."""
    same(to.get("/base64/SFRUUEJJTiBpcyBhd2Vzb21l").text, "HTTPBIN is awesome")


@SUITE
def documents(to: Client) -> None:
    """Each of its type, with what clients look for."""
    for path, kind, text in (
        ("/html", "text/html; charset=utf-8", "Herman Melville - Moby-Dick"),
        ("/xml", "application/xml", "Sample Slide Show"),
        ("/json", "application/json", '"title": "Sample Slide Show"'),
        ("/robots.txt", "text/plain", "User-agent: *\nDisallow: /deny\n"),
        ("/deny", "text/plain", "YOU SHOULDN'T BE HERE"),
        ("/encoding/utf8", "text/html; charset=utf-8", "∮ E⋅da = Q"),
        ("/forms/post", "text/html; charset=utf-8", 'action="/post"'),
    ):
        answer = to.get(path)
        same(answer["content-type"], kind, path)
        holds(text in answer.text, f"{path} lacks {text}")


@SUITE
def images(to: Client) -> None:
    """Each kind, and the one that Accept wants."""
    for name, kind, start in (
        ("png", "image/png", b"\x89PNG"),
        ("jpeg", "image/jpeg", b"\xff\xd8"),
        ("webp", "image/webp", b"RIFF"),
        ("svg", "image/svg+xml", b"<"),
    ):
        for answer in (to.get(f"/image/{name}"), to.get("/image", ("Accept", kind))):
            same(answer["content-type"], kind)
            holds(answer.body.startswith(start), name)
    same(to.get("/image")["content-type"], "image/png")
    same(to.get("/image", ("Accept", "text/html")).status, 406)
