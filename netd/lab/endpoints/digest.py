"""
Digest authentication, of a user that exists only in the URL.

Rules: pure functions from a Call to a Reply; nonces are not kept, cookies carry
what has to be remembered, as with httpbin.

Source: RFC 7616.
"""

from __future__ import annotations

import hashlib
import re
from hmac import compare_digest
from typing import Final

from netd.lab.call import HTML, Call, Reply
from netd.lab.endpoints.cookies import received, setting
from netd.lab.endpoints.httpbin_json import answer, body

_REALM: Final = "me@kennethreitz.com"
_ALGORITHMS: Final = {"MD5": "md5", "SHA-256": "sha256", "SHA-512": "sha512"}
_FIELD: Final = re.compile(r'([A-Za-z]++)[ \t]*+=[ \t]*+(?:"((?:[^"\\]|\\.)*+)"|([^\s",]++))')

Pairs = list[tuple[str, str]]


def digest(call: Call) -> Reply:
    """Ask for the user and password in the path by a digest; 401 until it comes."""
    said = credentials(call.header("authorization") or "")
    came = received(call.headers)
    stale_after = call.parameters.get("stale_after", "never")
    needs_cookie = (call.said("require-cookie") or "").lower() in ("1", "t", "true")
    fake = ("fake", "fake_value")
    if said is None or (needs_cookie and call.header("cookie") is None):
        return _challenge(call, False, [("stale_after", stale_after), fake])
    if needs_cookie and came.get("fake") != "fake_value":
        wrong = {"errors": ["missing cookie set on challenge"]}
        return answer(wrong, 403, setting([fake], False))
    nonce = said.get("nonce", "")
    remembered = came.get("stale_after")
    stale = remembered == "0" or ("last_nonce" in came and nonce == came["last_nonce"])
    if stale or not _right(call, said):
        again = [("stale_after", stale_after), ("last_nonce", nonce), fake]
        return _challenge(call, stale, again)
    cookies = [fake]
    if remembered:
        left = str(int(remembered) - 1) if _whole(remembered) else "never"
        cookies.append(("stale_after", left))
    welcome = {"authenticated": True, "user": call.parameters["user"]}
    return answer(welcome, headers=setting(cookies, False))


def credentials(header: str) -> dict[str, str] | None:
    """The fields of an Authorization header of this scheme; None for any other."""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "digest":
        return None
    return {
        name.lower(): re.sub(r"\\(.)", r"\1", quoted) if quoted else bare
        for name, quoted, bare in _FIELD.findall(rest)
    }


def response(said: dict[str, str], password: str, method: str, uri: str, content: bytes) -> str:
    """What the client has to answer (RFC 7616 3.4.1); empty when it says too little."""
    algorithm = said.get("algorithm", "MD5")
    qop = said.get("qop")
    secret = _hash(f"{said.get('username', '')}:{said.get('realm', '')}:{password}", algorithm)
    what = f"{method}:{uri}"
    if qop == "auth-int":
        what += f":{_hash(content, algorithm)}"
    elif qop not in (None, "auth"):
        return ""
    asked = _hash(what, algorithm)
    if qop is None:
        return _hash(f"{secret}:{said.get('nonce', '')}:{asked}", algorithm)
    if not {"nonce", "nc", "cnonce"} <= said.keys():
        return ""
    middle = f"{said['nonce']}:{said['nc']}:{said['cnonce']}:{qop}"
    return _hash(f"{secret}:{middle}:{asked}", algorithm)


def _right(call: Call, said: dict[str, str]) -> bool:
    if said.get("username") != call.parameters["user"]:
        return False
    content = body(call) if said.get("qop") == "auth-int" else b""
    wanted = response(said, call.parameters["passwd"], call.method, call.target, content)
    return bool(wanted) and compare_digest(wanted.encode(), said.get("response", "").encode())


def _challenge(call: Call, stale: bool, cookies: Pairs) -> Reply:
    algorithm = call.parameters.get("algorithm", "MD5")
    if algorithm not in _ALGORITHMS:
        algorithm = "MD5"
    qop = call.parameters["qop"]
    offered = qop if qop in ("auth", "auth-int") else "auth, auth-int"
    nonce, opaque = (
        _hash(call.bench.random.getrandbits(128).to_bytes(16, "big"), algorithm) for _ in "12"
    )
    said = (
        f'Digest realm="{_REALM}", nonce="{nonce}", opaque="{opaque}", qop="{offered}", '
        f"algorithm={algorithm}, stale={stale}"
    )
    headers = (("WWW-Authenticate", said), *setting(cookies, False))
    return Reply(b"", 401, HTML, headers=headers)


def _hash(data: str | bytes, algorithm: str) -> str:
    content = data.encode() if isinstance(data, str) else data
    name = _ALGORITHMS.get(algorithm, "md5")
    return hashlib.new(name, content, usedforsecurity=False).hexdigest()


def _whole(text: str) -> bool:
    return text.isascii() and text.removeprefix("-").isdigit() and len(text) < 10
