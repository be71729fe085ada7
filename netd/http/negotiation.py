"""
What a client prefers: Accept and Accept-Encoding with their weights (RFC 9110 12.4, 12.5).

Rules: pure.  An element whose weight is malformed does not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

IDENTITY: Final = b"identity"
"""The content coding that changes nothing."""

# RFC 9110 12.4.2; other parameters of an element decide nothing here.
_WEIGHT: Final = re.compile(
    rb"(?i)(?:^|;)[ \t]*+q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*+(?:$|;)"
)
_ANY_WEIGHT: Final = re.compile(rb"(?i)(?:^|;)[ \t]*+q[ \t]*+=")
# Only weights and names matter, and no name is quoted; an open quote goes to the end.
_QUOTED: Final = re.compile(rb'"(?:[^"\\]|\\.?)*+(?:"|\Z)', re.DOTALL)
# A client that says nothing of identity accepts it, but prefers whatever it names.
_UNNAMED: Final = 0.0005


def weights(values: Iterable[bytes]) -> dict[bytes, float]:
    """The weight, 0 to 1, of each element of the field `values`, by its lower-case name."""
    result: dict[bytes, float] = {}
    for element in _QUOTED.sub(b"", b",".join(values)).split(b","):
        name, _, parameters = element.partition(b";")
        name = name.strip(b" \t").lower()
        weight = _WEIGHT.search(parameters)
        if not name or (weight is None and _ANY_WEIGHT.search(parameters)):
            continue
        result[name] = float(weight[1]) if weight is not None else 1.0
    return result


def choose_coding(values: Iterable[bytes], offered: Iterable[bytes]) -> bytes | None:
    """
    The content coding that an Accept-Encoding of `values` prefers (RFC 9110 12.5.3).

    The first of the `offered` ones with the highest weight; `IDENTITY` when that has
    a higher one; None when the client accepts none of them.
    """
    by_name = weights(values)
    if b"x-gzip" in by_name:
        by_name.setdefault(b"gzip", by_name[b"x-gzip"])
    rest = by_name.get(b"*", 0.0)
    best, highest = None, 0.0
    for coding in offered:
        weight = by_name.get(coding, rest)
        if weight > highest:
            best, highest = coding, weight
    plain = by_name.get(IDENTITY, by_name.get(b"*", _UNNAMED))
    return IDENTITY if plain > highest else best


def choose_media(values: Iterable[bytes], offered: Sequence[bytes]) -> bytes | None:
    """
    The media type that an Accept of `values` prefers (RFC 9110 12.5.1).

    Of the `offered` ones with the highest weight the one that the client names most
    exactly, then the first; without an Accept the first; None when the client accepts
    none of them.
    """
    by_range = weights(values)
    if not by_range:
        return offered[0]
    ranks = {media: _rank(by_range, media) for media in offered}
    best = max(offered, key=lambda media: ranks[media])
    return best if ranks[best][0] else None


def _rank(by_range: Mapping[bytes, float], media: bytes) -> tuple[float, int]:
    """The weight and the precision of the most specific range that `media` is in."""
    for precision, name in ((2, media), (1, media.partition(b"/")[0] + b"/*"), (0, b"*/*")):
        if name in by_range:
            return by_range[name], precision
    return 0.0, 0
