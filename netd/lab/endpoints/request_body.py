"""
Request bodies: a form (WHATWG URL, RFC 7578), files, JSON, or other bytes.

Rules: pure; linear in the body, within the limits below.  A form that cannot be
read is a 400, never an empty one.
"""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import Final

from netd.http.fields import CHARSETS, parameters
from netd.lab.call import BYTES, BadCall, Call, parse_query
from netd.lab.endpoints.httpbin_json import (
    Grouped,
    RawJSON,
    group,
    json_text,
    read_body,
    readable,
)

MAX_FIELDS: Final = 1000
"""Fields of one form, as in werkzeug."""
MAX_FORM: Final = 128 * 1024
"""Bytes of an urlencoded form, and of the fields of a multipart one."""
MAX_JSON: Final = 256 * 1024
"""Bytes of a JSON body; parsing more would block other clients."""
# Beyond these, JSON is shown on one line: Python indents slowly, and deep
# nesting would make the response much larger than the request.
_MAX_INDENTED: Final = 32 * 1024
_MAX_DEPTH: Final = 16
# The garbage collector looks at each of them.
_MAX_CONTAINERS: Final = 60_000

# Bytes of the heads of all parts together, and lines of each.
_MAX_HEADS: Final = 128 * 1024
_MAX_LINES: Final = 16
_FOLD: Final = re.compile(r"\r?\n[ \t]+")
_BLANK: Final = re.compile(rb"\n\r?(?:\n|\Z)")

Fields = list[tuple[str, str]]

# A string, an open one to the end so that this stays linear, or what is neither.
_NO_BRACKET: Final = re.compile(r'(?s)"(?:[^"\\]|\\.?)*+(?:"|\Z)|[^"\[\]{}]++')


def shown_body(call: Call) -> dict[str, object]:
    """The body of `call` as httpbin shows it; BadCall, 413, when it is too large."""
    shown: dict[str, object] = {"data": "", "files": {}, "form": {}, "json": None}
    if not call.length:
        return shown
    content_type = call.header("content-type") or ""
    media = content_type.partition(";")[0].strip().lower()
    if media == "application/x-www-form-urlencoded":
        return {**shown, "form": _urlencoded(call)}
    content = read_body(call)
    # Of a body in a content coding the type describes what is inside (RFC 9110 8.4).
    if media == "multipart/form-data" and not call.header("content-encoding"):
        boundary = parameters(content_type).get("boundary")
        if boundary:
            form, files = multipart(content, boundary, MAX_FIELDS)
            return {**shown, "form": group(form), "files": group(files)}
    return {**shown, "data": readable(content), "json": _json(content)}


def _urlencoded(call: Call) -> Grouped:
    if call.length > MAX_FORM:
        raise BadCall(f"a form that is shown has at most {MAX_FORM} bytes", 413)
    try:
        return group(parse_query(read_body(call), MAX_FIELDS))
    except ValueError:
        raise BadCall(f"a form that is shown has at most {MAX_FIELDS} fields", 413) from None


def _json(content: bytes) -> RawJSON | None:
    """`content` as JSON to be shown; None when it is not JSON, BadCall, 413, when too large."""
    if content.lstrip()[:1] in (b"[", b"{"):
        if len(content) > MAX_JSON:
            raise BadCall(f"JSON that is shown has at most {MAX_JSON} bytes", 413)
        if content.count(b"[") + content.count(b"{") > _MAX_CONTAINERS:
            raise BadCall(f"JSON that is shown has at most {_MAX_CONTAINERS} [ and {{", 413)
    elif len(content) > MAX_JSON:
        return None
    try:
        text = content.decode()
        indent = 2 if len(text) <= _MAX_INDENTED and _depth(text) <= _MAX_DEPTH else None
        value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
        return RawJSON(json_text(value, indent))
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _finite(text: str) -> float | None:
    """The number, or None where it is beyond the range of a float."""
    number = float(text)
    return number if isfinite(number) else None


def _depth(text: str) -> int:
    """The nesting depth of a JSON `text`, counted up to one beyond the limit."""
    brackets = _NO_BRACKET.sub("", text).replace("{", "[").replace("}", "]")
    depth = 0
    while brackets and depth <= _MAX_DEPTH:
        brackets = brackets.replace("[]", "")
        depth += 1
    return depth


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
    left, room = _MAX_HEADS, MAX_FORM
    for part in parts:
        head, *body = _BLANK.split(part, 1)
        left -= len(head)
        if not body:
            raise BadCall("multipart: no empty line ends the head of a part")
        if left < 0 or head.count(b"\n") > _MAX_LINES:
            limits = f"{_MAX_HEADS} bytes in all, and {_MAX_LINES} lines each"
            raise BadCall(f"multipart: the heads of parts have at most {limits}", 413)
        room = _add_part(head, body[0].removesuffix(b"\r"), form, files, room)
    return form, files


def _add_part(head: bytes, content: bytes, form: Fields, files: Fields, room: int) -> int:
    """Add a field or a file; what is left of the `room` for the bytes of fields."""
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
        return room
    if len(content) > room:
        raise BadCall(f"the fields of a form that is shown have at most {MAX_FORM} bytes", 413)
    charset = parameters(content_type).get("charset", "").lower()
    text = content.decode(charset if charset in CHARSETS else "utf-8", "replace")
    form.append((disposition["name"], text))
    return room - len(content)
