"""
HTTP dates: from seconds since the epoch to text and back (RFC 9110 5.6.7).

Rules: pure; reads no clock and no locale.
"""

from __future__ import annotations

import re
from calendar import timegm
from datetime import date
from email.utils import formatdate
from typing import Final

_ANY_MONTH: Final = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
MONTHS: Final = tuple(_ANY_MONTH.split("|"))
"""The English names that every format of netd uses, January first."""

_MONTH: Final = f"(?P<month>{_ANY_MONTH})"
_TIME: Final = "(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_DAY: Final = "Mon|Tue|Wed|Thu|Fri|Sat|Sun"
_LONG_DAY: Final = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
# IMF-fixdate, and the two obsolete forms that a recipient must accept.
_FORMS: Final = tuple(
    re.compile(form.encode())
    for form in (
        f"(?:{_DAY}), (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT",
        f"{_LONG_DAY}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT",
        f"(?:{_DAY}) {_MONTH} (?P<day>[ 0-9][0-9]) {_TIME} (?P<year>[0-9]{{4}})",
    )
)


def http_date(seconds: float) -> str:
    """`seconds` since the epoch as an IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT`."""
    return formatdate(seconds, usegmt=True)


def parse(text: bytes, now: float) -> int | None:
    """
    The seconds since the epoch that an HTTP date stands for; None for any other text.

    `now` decides the century of a year of two digits.
    """
    for form in _FORMS:
        match = form.fullmatch(text)
        if match is not None:
            break
    else:
        return None
    year, day = int(match["year"]), int(match["day"])
    month = MONTHS.index(match["month"].decode()) + 1
    hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"])
    # The grammar allows a leap second.
    if hour > 23 or minute > 59 or second > 60:
        return None
    if len(match["year"]) == 2:
        current = date.fromtimestamp(now).year
        year += current - current % 100
        # A date more than 50 years ahead lies in the past.
        if year > current + 50:
            year -= 100
    try:
        date(year, month, day)
    except ValueError:
        return None
    return timegm((year, month, day, hour, minute, second))
