"""
Redirects, some number of times or to a given URL, and pages of links.

Rules: pure functions from a Call to a Reply.  No redirect leads to another host
than this daemon and those that --redirect-allow names.
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
_HOST: Final = re.compile(r"([A-Za-z0-9.\-_]+)(?::[0-9]*)?")
_ABSOLUTE: Final = re.compile(r"(?i)(https?)://([A-Za-z0-9.\-_:\[\]]+)([/?#][!-~]*)?")


def _redirect(location: str, status: int = 302, page: bool = True) -> Reply:
    body = _PAGE.format(escape(location)).encode() if page else b""
    return Reply(body, status, HTML, headers=(("Location", location),))


def _next(call: Call, path: str) -> str:
    """The path of the next of n redirects, and /get after the last."""
    times: int = call.value("n")
    return f"/{path}/{times - 1}" if times > 1 else "/get"


def redirect(call: Call) -> Reply:
    """Redirect n times, then to /get; with ?absolute=true by whole URLs."""
    if (call.text("absolute") or "").lower() == "true":
        return absolute(call)
    return _redirect(_next(call, "relative-redirect"))


def relative(call: Call) -> Reply:
    """Redirect n times by paths, then to /get."""
    return _redirect(_next(call, "relative-redirect"), page=False)


def absolute(call: Call) -> Reply:
    """Redirect n times by whole URLs, then to /get."""
    return _redirect(call.root + _next(call, "absolute-redirect"))


def redirect_to(call: Call) -> Reply:
    """Redirect to a URL of this daemon, or of a host that --redirect-allow names."""
    location = target(call, "url", call.value("url"))
    return _redirect(location, call.value("status_code"), page=False)


def target(call: Call, name: str, url: str) -> str:
    """The value of Location for the `url` that the parameter or field `name` holds."""
    location = quote(url, safe="!#$%&'()*+,/:;=?@[]~")
    if not _allowed(call, location):
        match = _ABSOLUTE.fullmatch(location)
        host = None if match is None else _HOST.fullmatch(match[2])
        if host is None:
            raise BadCall(f"{name}: neither a path nor an http or https URL")
        raise BadCall(
            f"{name}: leads to another host; start netd with --redirect-allow {host[1]}"
        )
    return location


def _allowed(call: Call, location: str) -> bool:
    if call.compatibility.any_redirect or _LOCAL.fullmatch(location):
        return True
    match = _ABSOLUTE.fullmatch(location)
    if match is None:
        return False
    root = urlsplit(call.root)
    scheme = match[1].lower()
    if (scheme, match[2].lower()) == (root.scheme, root.netloc.lower()):
        return True
    try:
        host, port = urlsplit(location).hostname or "", urlsplit(location).port
    except ValueError:
        return False
    if host == root.hostname:
        # Another listener of this daemon, such as that of HTTPS.
        endpoint = scheme, port or (443 if scheme == "https" else 80)
        if endpoint in call.state.own_ports():
            return True
    return any(fnmatchcase(host, each.lower()) for each in call.config.lab.redirect_allow)


def first_link(call: Call) -> Reply:
    """Redirect to the first of n pages of links."""
    return _redirect(f"/links/{call.value('n')}/0")


def links(call: Call) -> Reply:
    """Return a page that links to n pages of its kind, except itself."""
    count, offset = call.value("n"), call.value("offset")
    items = [
        f"{number} " if number == offset else f"<a href='/links/{count}/{number}'>{number}</a> "
        for number in range(count)
    ]
    head = "<html><head><title>Links</title></head><body>"
    return Reply(f"{head}{''.join(items)}</body></html>".encode(), type=HTML, sandbox=False)
