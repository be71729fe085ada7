"""
Digest authentication (RFC 7616) of a user that exists only in the URL.

Rules: pure functions from a Call to a Reply; nonces are not stored, and cookies
carry the state, as with httpbin.
"""

from __future__ import annotations

import hashlib
import re
from hmac import compare_digest
from typing import Final

from netd.lab.call import HTML, Call, Reply
from netd.lab.endpoints.cookies import parse_cookies, set_cookies
from netd.lab.endpoints.httpbin_json import json_reply, read_body

_REALM: Final = "me@kennethreitz.com"
_ALGORITHMS: Final = {"MD5": "md5", "SHA-256": "sha256", "SHA-512": "sha512"}
_FIELD: Final = re.compile(r'([A-Za-z]++)[ \t]*+=[ \t]*+(?:"((?:[^"\\]|\\.)*+)"|([^\s",]++))')
_MARK: Final = ("fake", "fake_value")
"""The cookie by which httpbin recognises that a client takes cookies."""


def digest(call: Call) -> Reply:
    """Return 401 until the request carries a digest for the user and password of the path."""
    credentials = parse_credentials(call.header("authorization") or "")
    cookies = parse_cookies(call.headers)
    stale_after = call.path_values.get("stale_after", "never")
    needs_cookie = (call.text("require-cookie") or "").lower() in ("1", "t", "true")
    if credentials is None or (needs_cookie and call.header("cookie") is None):
        return _challenge(call, False, [("stale_after", stale_after), _MARK])
    if needs_cookie and cookies.get("fake") != "fake_value":
        error = {"errors": ["missing cookie set on challenge"]}
        return json_reply(error, 403, set_cookies([_MARK], False))
    nonce = credentials.get("nonce", "")
    uses_left = cookies.get("stale_after")
    stale = uses_left == "0" or ("last_nonce" in cookies and nonce == cookies["last_nonce"])
    if stale or not _correct(call, credentials):
        state = [("stale_after", stale_after), ("last_nonce", nonce), _MARK]
        return _challenge(call, stale, state)
    state = [_MARK]
    if uses_left:
        next_left = str(int(uses_left) - 1) if _is_integer(uses_left) else "never"
        state.append(("stale_after", next_left))
    members = {"authenticated": True, "user": call.path_values["user"]}
    return json_reply(members, headers=set_cookies(state, False))


def parse_credentials(header: str) -> dict[str, str] | None:
    """The parameters of an Authorization header of this scheme; None for other schemes."""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "digest":
        return None
    return {
        name.lower(): re.sub(r"\\(.)", r"\1", quoted) if quoted else bare
        for name, quoted, bare in _FIELD.findall(rest)
    }


def expected_response(
    credentials: dict[str, str], password: str, method: str, uri: str, content: bytes
) -> str:
    """The `response` of correct credentials (RFC 7616 3.4.1); empty for incomplete ones."""
    get = credentials.get
    algorithm = get("algorithm", "MD5")
    qop = get("qop")
    ha1 = _hash(f"{get('username', '')}:{get('realm', '')}:{password}", algorithm)
    a2 = f"{method}:{uri}"
    if qop == "auth-int":
        a2 += f":{_hash(content, algorithm)}"
    elif qop not in (None, "auth"):
        return ""
    ha2 = _hash(a2, algorithm)
    if qop is None:
        return _hash(f"{ha1}:{get('nonce', '')}:{ha2}", algorithm)
    if not {"nonce", "nc", "cnonce"} <= credentials.keys():
        return ""
    middle = f"{credentials['nonce']}:{credentials['nc']}:{credentials['cnonce']}:{qop}"
    return _hash(f"{ha1}:{middle}:{ha2}", algorithm)


def _correct(call: Call, credentials: dict[str, str]) -> bool:
    if credentials.get("username") != call.path_values["user"]:
        return False
    content = read_body(call) if credentials.get("qop") == "auth-int" else b""
    password = call.path_values["passwd"]
    expected = expected_response(credentials, password, call.method, call.target, content)
    received = credentials.get("response", "")
    return bool(expected) and compare_digest(expected.encode(), received.encode())


def _challenge(call: Call, stale: bool, cookies: list[tuple[str, str]]) -> Reply:
    algorithm = call.path_values.get("algorithm", "MD5")
    if algorithm not in _ALGORITHMS:
        algorithm = "MD5"
    qop = call.path_values["qop"]
    offered = qop if qop in ("auth", "auth-int") else "auth, auth-int"
    nonce, opaque = _random_hash(call, algorithm), _random_hash(call, algorithm)
    challenge = (
        f'Digest realm="{_REALM}", nonce="{nonce}", opaque="{opaque}", qop="{offered}", '
        f"algorithm={algorithm}, stale={stale}"
    )
    headers = (("WWW-Authenticate", challenge), *set_cookies(cookies, False))
    return Reply(b"", 401, HTML, headers=headers)


def _random_hash(call: Call, algorithm: str) -> str:
    return _hash(call.state.random.getrandbits(128).to_bytes(16, "big"), algorithm)


def _hash(data: str | bytes, algorithm: str) -> str:
    content = data.encode() if isinstance(data, str) else data
    name = _ALGORITHMS.get(algorithm, "md5")
    return hashlib.new(name, content, usedforsecurity=False).hexdigest()


def _is_integer(text: str) -> bool:
    return text.isascii() and text.removeprefix("-").isdigit() and len(text) < 10
