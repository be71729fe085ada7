"""
Where netd differs from httpbin for safety or by the RFCs, and --httpbin-exact takes it back.

Rules: pure; who differs asks here, and does not know the option.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from attrs import frozen

from netd.http.cors import Policy

_METHODS: Final = b"GET, POST, PUT, DELETE, PATCH, OPTIONS"
_HOUR: Final = 3600
_EVERYBODY: Final = Policy(_METHODS, max_age=_HOUR)
_PHRASES: Final = {status.value: status.phrase.upper().encode() for status in HTTPStatus}


@frozen
class Compatibility:
    """What clients of httpbin may rely on; each field is one such thing."""

    sharing: Policy = _EVERYBODY
    """What scripts of other origins may read."""
    any_field: bool = False
    """Whether clients may set response fields that browsers or proxies act on."""
    any_redirect: bool = False
    """Whether redirects lead to any host."""
    quoted_tags: bool = True
    """Whether entity tags are sent in quotes (RFC 9110 8.8.3)."""
    clipped_ranges: bool = True
    """Whether /range cuts ranges at the end and ignores impossible ones (RFC 9110 14.1.2)."""
    capital_phrases: bool = False
    """Whether reason phrases are in capitals, as werkzeug's are."""
    page: bytes | None = None
    """The page of HTML at `/`; None: the delayed echo."""

    def phrase(self, code: int) -> bytes | None:
        """The reason phrase of `code`; None: the registered one."""
        return _PHRASES.get(code, b"UNKNOWN") if self.capital_phrases else None

    def etag(self, opaque: str) -> tuple[str, str]:
        """The field ETag."""
        return "ETag", f'"{opaque}"' if self.quoted_tags else opaque


_PAGE: Final = b"""\
<!doctype html>
<html lang=en>
<title>netd --httpbin-exact</title>
<h1>A simple HTTP Request &amp; Response Service.</h1>
<p><a href="/help">/help</a> lists every URL.
"""

OWN: Final = Compatibility()
"""What netd does by itself."""
HTTPBIN: Final = Compatibility(
    # Scripts of any origin may read what the user's cookies bring: for tests on loopback only.
    sharing=Policy(_METHODS, credentials=True, max_age=_HOUR),
    any_field=True,
    any_redirect=True,
    quoted_tags=False,
    clipped_ranges=False,
    capital_phrases=True,
    page=_PAGE,
)
"""What --httpbin-exact does."""
