"""
Digest authentication (RFC 7616) of a user that exists only in the URL.

Rules: pure functions from a Call to a Reply; nonces are not stored, and cookies
carry the state, as with httpbin.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final
from urllib.parse import unquote

from netd.lab.call import HTML, Call, Reply
from netd.lab.endpoints import auth
from netd.lab.endpoints.cookies import parse_cookies, set_cookies
from netd.lab.endpoints.httpbin_json import json_reply, read_body
from netd.values import TCHAR

_REALM: Final = "me@kennethreitz.com"
_ALGORITHMS: Final = {"MD5": "md5", "SHA-256": "sha256", "SHA-512": "sha512"}
_FIELD: Final = re.compile(
    rf'(?<!{TCHAR})({TCHAR}++)[ \t]*+=[ \t]*+(?:"((?:[^"\\]|\\.)*+)"|([^\s",]++))'
)
_ESCAPED: Final = re.compile(r"\\(.)")
_INTEGER: Final = re.compile("-?[0-9]{1,9}")
_MARK: Final = ("fake", "fake_value")
"""The cookie by which httpbin recognises that a client takes cookies."""


def digest(call: Call) -> Reply:
    """Return 401 until the request carries a digest for the user and password of the path."""
    credentials = parse_credentials(auth.credentials(call, "digest") or "")
    cookies = parse_cookies(call.headers)
    stale_after = call.path_values.get("stale_after", "never")
    needs_cookie = (call.text("require-cookie") or "").lower() in ("1", "t", "true")
    if not credentials or (needs_cookie and call.header("cookie") is None):
        return _challenge(call, False, [("stale_after", stale_after), _MARK])
    if needs_cookie and cookies.get("fake") != "fake_value":
        error = {"errors": ["missing cookie set on challenge"]}
        return json_reply(error, 403, set_cookies([_MARK]))
    nonce = credentials.get("nonce", "")
    uses_left = cookies.get("stale_after")
    stale = uses_left == "0" or ("last_nonce" in cookies and nonce == cookies["last_nonce"])
    if stale or not _correct(call, credentials):
        state = [("stale_after", stale_after), ("last_nonce", nonce), _MARK]
        return _challenge(call, stale, state)
    state = [_MARK]
    if uses_left:
        integer = _INTEGER.fullmatch(uses_left)
        state.append(("stale_after", str(int(uses_left) - 1) if integer else "never"))
    members = {"authenticated": True, "user": call.path_values["user"]}
    return json_reply(members, headers=set_cookies(state))


def parse_credentials(text: str) -> dict[str, str]:
    """The parameters of a challenge or of credentials; each character is a byte."""
    parameters = {
        name.lower(): _ESCAPED.sub(r"\1", quoted) if quoted else bare
        for name, quoted, bare in _FIELD.findall(text)
    }
    # RFC 7616 3.4 and RFC 8187 3.2.1; other charsets have no place there.
    charset, _, extended = parameters.get("username*", "").partition("'")
    if charset.lower() == "utf-8" and "username" not in parameters:
        parameters["username"] = unquote(extended.partition("'")[2], "latin-1")
    return parameters


def expected_response(
    credentials: dict[str, str], secret: bytes, method: str, uri: str, content: bytes
) -> str:
    """The `response` for the secret `user:realm:password` (RFC 7616 3.4.1), or empty."""
    get = credentials.get
    algorithm, qop = get("algorithm", "MD5").upper(), get("qop", "")
    a2, middle = f"{method}:{uri}", get("nonce", "")
    if qop:
        complete = {"nonce", "nc", "cnonce"} <= credentials.keys()
        if not complete or qop.lower() not in ("auth", "auth-int"):
            return ""
        middle += f":{credentials['nc']}:{credentials['cnonce']}:{qop}"
    if qop.lower() == "auth-int":
        a2 += f":{_hash(content, algorithm)}"
    ha2 = _hash(a2.encode("latin-1"), algorithm)
    return _hash(f"{_hash(secret, algorithm)}:{middle}:{ha2}".encode("latin-1"), algorithm)


def _correct(call: Call, credentials: dict[str, str]) -> bool:
    user, password = call.path_values["user"], call.path_values["passwd"]
    if credentials.get("username", "").encode("latin-1") not in auth.encodings(user):
        return False
    content = read_body(call) if credentials.get("qop", "").lower() == "auth-int" else b""
    # A client may send the user in one encoding, and hash user and password in another.
    secrets = auth.encodings(f"{user}:{credentials.get('realm', '')}:{password}")
    return credentials.get("response") in {
        expected_response(credentials, secret, call.method, call.target, content)
        for secret in secrets
    } - {""}


def _challenge(call: Call, stale: bool, cookies: list[tuple[str, str]]) -> Reply:
    requested = call.path_values.get("algorithm")
    algorithm = requested if requested in _ALGORITHMS else "MD5"
    qop = call.path_values["qop"]
    offered = qop if qop in ("auth", "auth-int") else "auth, auth-int"
    nonce, opaque = _random_hash(call, algorithm), _random_hash(call, algorithm)
    challenge = (
        f'Digest realm="{_REALM}", nonce="{nonce}", opaque="{opaque}", qop="{offered}", '
        f"algorithm={algorithm}, stale={stale}"
    )
    headers = (("WWW-Authenticate", challenge), *set_cookies(cookies))
    return Reply(b"", 401, HTML, headers=headers)


def _random_hash(call: Call, algorithm: str) -> str:
    return _hash(call.state.random.getrandbits(128).to_bytes(16, "big"), algorithm)


def _hash(content: bytes, algorithm: str) -> str:
    name = _ALGORITHMS.get(algorithm, "md5")
    return hashlib.new(name, content, usedforsecurity=False).hexdigest()
