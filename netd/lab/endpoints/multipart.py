"""
Forms in multipart/form-data (RFC 7578), read as by httpbin.

Rules: pure; linear in the body.  What cannot be read is a BadCall that says why.
"""

from __future__ import annotations

import re
from typing import Final

from netd.http.fields import CHARSETS, parameters
from netd.lab.call import BYTES, BadCall
from netd.lab.endpoints.httpbin_json import readable

# Bytes of the heads of all parts together, and lines of each.
_MAX_HEADS: Final = 128 * 1024
_MAX_LINES: Final = 16
_FOLD: Final = re.compile(r"\r?\n[ \t]+")
_BLANK: Final = re.compile(rb"\n\r?(?:\n|\Z)")

Fields = list[tuple[str, str]]


def multipart(content: bytes, boundary: str, max_fields: int) -> tuple[Fields, Fields]:
    """The fields and the files of a form; BadCall when it cannot be read, or is too large."""
    start = b"--" + boundary.encode("utf-8", "replace")
    # RFC 2046 5.1.1: spaces may follow.  Lines may end with LF alone, as in httpbin.
    delimiter = re.compile(rb"\n" + re.escape(start) + rb"(--|[ \t]*+(?=\r?\n))")
    preamble, *pieces = delimiter.split(b"\n" + content[content.find(start) :], max_fields + 1)
    if len(pieces) > 2 * max_fields and pieces[-2] != b"--":
        raise BadCall(f"a form that is shown has at most {max_fields} fields", 413)
    if b"--" not in pieces[::2]:
        raise BadCall("multipart: the last delimiter is missing")
    parts = pieces[1 : 2 * pieces[::2].index(b"--") : 2]
    if preamble and not parts:
        raise BadCall("multipart: there is no delimiter before the last")
    form: Fields = []
    files: Fields = []
    left = _MAX_HEADS
    for part in parts:
        head, *body = _BLANK.split(part, 1)
        left -= len(head)
        if not body:
            raise BadCall("multipart: no empty line ends the head of a part")
        if left < 0 or head.count(b"\n") > _MAX_LINES:
            limits = f"{_MAX_HEADS} bytes in all, and {_MAX_LINES} lines each"
            raise BadCall(f"multipart: the heads of parts have at most {limits}", 413)
        _add_part(head, body[0].removesuffix(b"\r"), form, files)
    return form, files


def _add_part(head: bytes, content: bytes, form: Fields, files: Fields) -> None:
    try:
        lines = _FOLD.sub(" ", head.decode()).split("\n")
    except UnicodeDecodeError:
        raise BadCall("multipart: the head of a part is not UTF-8") from None
    # Of repeated fields the first counts, as in httpbin.
    pairs = [line.partition(":") for line in reversed(lines)]
    fields = {name.strip().lower(): value.strip() for name, _, value in pairs}
    disposition = parameters(fields.get("content-disposition", ""))
    content_type = fields.get("content-type", "")
    if "name" not in disposition:
        raise BadCall("multipart: a part has no name in a Content-Disposition")
    if "filename" in disposition:
        files.append((disposition["name"], readable(content, content_type or BYTES)))
    else:
        charset = parameters(content_type).get("charset", "").lower()
        text = content.decode(charset if charset in CHARSETS else "utf-8", "replace")
        form.append((disposition["name"], text))
