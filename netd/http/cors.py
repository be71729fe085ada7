"""
Cross-origin resource sharing: which responses and requests a browser allows a script.

Rules: pure; a `Policy` says what a resource shares, its user which requests it is for.

Source: Fetch, 3.3 (the CORS protocol).
"""

from __future__ import annotations

from typing import Final

from attrs import Factory, field, frozen

from netd.http.fields import FieldLines

ANY: Final = b"*"
"""Every origin."""


@frozen
class Policy:
    """What scripts of other origins may do."""

    methods: bytes
    origins: frozenset[bytes] = frozenset({ANY})
    headers: bytes | None = None
    """The request fields that are allowed; None allows those that a preflight names."""
    exposed: bytes | None = None
    """The response fields that a script may read besides the safelisted ones."""
    credentials: bool = False
    max_age: int = 600
    """Seconds for which a browser may remember a preflight."""
    # Browsers take `*` from no response that allows credentials.
    varies: bool = field(
        init=False, default=Factory(lambda of: of.credentials or ANY not in of.origins, True)
    )
    """Whether the fields depend on the origin, as `Vary: Origin` must say then."""

    def allow(self, origin: bytes | None) -> FieldLines:
        """The fields that let a script of `origin` read a response; empty when it may not."""
        if origin is None or not (origin in self.origins or ANY in self.origins):
            return ()
        fields = [(b"Access-Control-Allow-Origin", origin if self.varies else ANY)]
        if self.credentials:
            fields.append((b"Access-Control-Allow-Credentials", b"true"))
        if self.exposed is not None:
            fields.append((b"Access-Control-Expose-Headers", self.exposed))
        return tuple(fields)

    def preflight(self, requested: bytes | None) -> FieldLines:
        """The fields that permit a preflight with this Access-Control-Request-Headers."""
        headers = requested if self.headers is None else self.headers
        return (
            (b"Access-Control-Allow-Methods", self.methods),
            *(((b"Access-Control-Allow-Headers", headers),) if headers else ()),
            (b"Access-Control-Max-Age", b"%d" % self.max_age),
        )
