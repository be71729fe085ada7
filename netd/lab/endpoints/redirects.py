"""
Redirects, some number of times or to a given place, and pages of links.

Rules: pure functions from a Call to a Reply.  Nothing leads away from this
daemon but to hosts that --redirect-allow names.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from html import escape
from typing import Final
from urllib.parse import quote, urlsplit

from netd.lab.call import HTML, BadCall, Call, Reply

_PAGE: Final = """\
<!doctype html>
<html lang=en>
<title>Redirecting...</title>
<h1>Redirecting...</h1>
<p>You should be redirected automatically to the target URL: \
<a href="{0}">{0}</a>. If not, click the link.
"""

# Nothing that browsers and urlsplit could understand differently: no backslash
# (quoted by then), no control character, no second slash where a path begins.
_LOCAL: Final = re.compile(r"/(?!/)[!-~]*|[?#][!-~]*|[A-Za-z0-9_.~%-]+(?:[/?#][!-~]*)?")
_ABSOLUTE: Final = re.compile(r"(?i)(https?)://([A-Za-z0-9.\-_:\[\]]+)([/?#][!-~]*)?")


def _to(location: str, status: int = 302, page: bool = True) -> Reply:
    body = _PAGE.format(escape(location)).encode() if page else b""
    return Reply(body, status, HTML, headers=(("Location", location),))


def redirect(call: Call) -> Reply:
    """Redirect n times, then to /get; with ?absolute=true by whole URLs."""
    if (call.said("absolute") or "").lower() == "true":
        return absolute(call)
    times = call.value("n")
    return _to(f"/relative-redirect/{times - 1}" if times > 1 else "/get")


def relative(call: Call) -> Reply:
    """Redirect n times by paths, then to /get."""
    times = call.value("n")
    return _to(f"/relative-redirect/{times - 1}" if times > 1 else "/get", page=False)


def absolute(call: Call) -> Reply:
    """Redirect n times by whole URLs, then to /get."""
    times = call.value("n")
    return _to(call.root + (f"/absolute-redirect/{times - 1}" if times > 1 else "/get"))


def redirect_to(call: Call) -> Reply:
    """Redirect to a URL of this daemon, or of a host that --redirect-allow names."""
    location = quote(call.value("url"), safe="!#$%&'()*+,/:;=?@[]~")
    if not _safe(call, location):
        raise BadCall("url: leads to a host that --redirect-allow does not name")
    return _to(location, call.value("status_code"), page=False)


def _safe(call: Call, location: str) -> bool:
    if _LOCAL.fullmatch(location):
        return True
    found = _ABSOLUTE.fullmatch(location)
    if found is None:
        return False
    here = urlsplit(call.root)
    if (found[1].lower(), found[2].lower()) == (here.scheme, here.netloc.lower()):
        return True
    try:
        host = urlsplit(location).hostname or ""
    except ValueError:
        return False
    return any(fnmatchcase(host, each.lower()) for each in call.config.lab.redirect_allow)


def first_link(call: Call) -> Reply:
    """Redirect to the first of n pages of links."""
    return _to(f"/links/{call.value('n')}/0")


def links(call: Call) -> Reply:
    """A page that links to n others like it; its own number is no link."""
    number, offset = call.value("n"), call.value("offset")
    items = [
        f"{at} " if at == offset else f"<a href='/links/{number}/{at}'>{at}</a> "
        for at in range(number)
    ]
    head = "<html><head><title>Links</title></head><body>"
    return Reply(f"{head}{''.join(items)}</body></html>".encode(), type=HTML, ours=True)
