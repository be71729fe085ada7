"""
What a client prefers: Accept and Accept-Encoding (RFC 9110 12.4 and 12.5).

Rules: pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

SUFFIXES: Final = {b"br": b".br", b"zstd": b".zst", b"gzip": b".gz"}
"""Content codings by name, and the suffix of a sibling that is coded so."""

# RFC 9110 12.4.2; other parameters of a media range choose nothing here.
_WEIGHT: Final = re.compile(
    rb"(?i)(?:^|;)[ \t]*+q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*+(?:$|;)"
)
_ANY_WEIGHT: Final = re.compile(rb"(?i)(?:^|;)[ \t]*+q[ \t]*+=")


def weights(values: Iterable[bytes]) -> dict[bytes, float]:
    """What the fields `values` list, in lower case, and how much each is liked, 0 to 1."""
    found: dict[bytes, float] = {}
    for element in b",".join(values).split(b","):
        name, _, parameters = element.partition(b";")
        name = name.strip(b" \t").lower()
        said = _WEIGHT.search(parameters)
        if not name or (said is None and _ANY_WEIGHT.search(parameters)):
            continue
        found[name] = float(said[1]) if said is not None else 1.0
    return found


def coding(values: Iterable[bytes], sizes: Mapping[bytes, int]) -> bytes | None:
    """
    Which of the codings in `sizes` (how large the file is in each) the client likes best.

    None: the file as it is.  Of those liked equally the smallest wins.
    """
    liked = weights(values)
    if b"x-gzip" in liked:
        liked.setdefault(b"gzip", liked[b"x-gzip"])
    rest = liked.get(b"*", 0.0)
    plain = liked.get(b"identity", 0.0)
    # Smaller than as it is: of no use otherwise.
    ranked = [(-liked.get(name, rest), size, name) for name, size in sizes.items()]
    weight, _, name = min(ranked, default=(0.0, 0, b""))
    return name if -weight > 0 and -weight >= plain else None


def wants_json(values: Iterable[bytes]) -> bool:
    """Whether a client would rather have `application/json` than `text/html`."""
    liked = weights(values)
    rest = liked.get(b"*/*", 0.0)
    html = liked.get(b"text/html", liked.get(b"text/*", rest))
    return liked.get(b"application/json", liked.get(b"application/*", rest)) > html


def takes_html(values: Iterable[bytes]) -> bool:
    """Whether a page is of any use to the client; without an Accept everything is."""
    liked = weights(values)
    rest = liked.get(b"*/*", 0.0 if liked else 1.0)
    return liked.get(b"text/html", liked.get(b"text/*", rest)) > 0
