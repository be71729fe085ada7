"""
What a request body holds: a form, files, JSON, or just bytes.

Rules: pure, and linear in the body; its bounds stand here.  A form that is
malformed holds what could be read of it, as with httpbin.

Sources: RFC 7578 (multipart/form-data), RFC 2046 5.1 (boundaries), WHATWG URL
(application/x-www-form-urlencoded).
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from typing import Any, Final

from attrs import Factory, frozen

from netd.lab.call import BYTES, BadCall, Call, pairs
from netd.lab.endpoints.httpbin_json import RawJSON, body, flat

MOST_FIELDS: Final = 1000
"""Fields of one form, as many as werkzeug takes for httpbin."""
MOST_FORM: Final = 256 * 1024
"""Bytes of an urlencoded form."""
MOST_JSON: Final = 256 * 1024
"""Bytes of a JSON body; parsing more would keep other clients waiting."""
_MOST_PART_HEAD: Final = 8 * 1024
# Beyond these, JSON is shown on one line: Python indents slowly, and deep
# nesting would make the answer much larger than the question.
_MOST_INDENTED: Final = 32 * 1024
_MOST_DEPTH: Final = 32

_MULTIPART: Final = re.compile(r"(?i)multipart/[a-z-]+[ \t]*;")
_BOUNDARY: Final = re.compile(r'(?i);[ \t]*boundary=(?:"([^"]{1,70})"|([^;" \t]{1,70}))')
# RFC 7578 4.2; quotes and line breaks come percent-encoded from browsers.
_PARAMETER: Final = re.compile(rb'(?i);[ \t]*+(name|filename)="((?:[^"\\]|\\.)*+)"')
_UNQUOTED: Final = re.compile(rb"(?i);[ \t]*+(name|filename)=([^\";\s]++)")
_NO_BRACKET: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|[^"\[\]{}]++')


@frozen
class Body:
    """A request body as httpbin shows it."""

    data: str = ""
    form: dict[str, Any] = Factory(dict)
    files: dict[str, Any] = Factory(dict)
    json: Any = None

    @classmethod
    def of(cls, call: Call) -> Body:
        """The body of `call`; BadCall, 413, when it is too much to be shown."""
        if not call.length:
            return cls()
        kind = call.header("content-type") or ""
        media = kind.partition(";")[0].strip().lower()
        if media == "application/x-www-form-urlencoded":
            return cls(form=_urlencoded(call))
        content = body(call)
        if _MULTIPART.match(kind):
            form, files = multipart(content, kind)
            return cls(form=flat(form), files=flat(files))
        return cls(readable(content), json=_json(content))


def readable(content: bytes, kind: str = BYTES) -> str:
    """`content` as text, or as a data URL (RFC 2397) when it is no UTF-8."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return f"data:{kind};base64,{b64encode(content).decode()}"


def _urlencoded(call: Call) -> dict[str, Any]:
    if call.length > MOST_FORM:
        raise BadCall(f"a form that is shown has at most {MOST_FORM} bytes", 413)
    try:
        return flat(pairs(body(call).decode("utf-8", "netd.percent"), MOST_FIELDS))
    except ValueError:
        raise BadCall(f"a form that is shown has at most {MOST_FIELDS} fields", 413) from None


def _json(content: bytes) -> Any:
    """The JSON that `content` is, ready to be shown; None when none, 413 when too large."""
    if len(content) > MOST_JSON:
        if content.lstrip()[:1] in (b"[", b"{"):
            raise BadCall(f"JSON that is shown has at most {MOST_JSON} bytes", 413)
        return None
    try:
        text = content.decode()
        value = json.loads(text, parse_constant=_refuse)
        if len(text) <= _MOST_INDENTED and _depth(text) <= _MOST_DEPTH:
            return RawJSON(json.dumps(value, indent=2, sort_keys=True))
        return RawJSON(json.dumps(value, sort_keys=True))
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _depth(text: str) -> int:
    """How deep the brackets of a JSON `text` are nested, counted no further than needed."""
    brackets = _NO_BRACKET.sub("", text).replace("{", "[").replace("}", "]")
    depth = 0
    while brackets and depth <= _MOST_DEPTH:
        brackets = brackets.replace("[]", "")
        depth += 1
    return depth


Fields = list[tuple[str, str]]


def multipart(content: bytes, kind: str) -> tuple[Fields, Fields]:
    """The fields and the files of a multipart body; BadCall, 413, when they are too many."""
    form: Fields = []
    files: Fields = []
    found = _BOUNDARY.search(kind)
    if found is None:
        return form, files
    mark = b"--" + (found[1] or found[2]).encode("latin-1")
    # The first delimiter may lack the line break before it.
    pieces = (b"\r\n" + content).split(b"\r\n" + mark, MOST_FIELDS + 2)
    if len(pieces) > MOST_FIELDS + 2:
        raise BadCall(f"a form that is shown has at most {MOST_FIELDS} fields", 413)
    # What stands before the first and after the last delimiter is no part.
    for piece in pieces[1:-1]:
        _part(piece, form, files)
    return form, files


def _part(piece: bytes, form: Fields, files: Fields) -> None:
    """Add a part, which begins with what is left of its delimiter's line."""
    padding, _, rest = piece.partition(b"\r\n")
    if padding.strip(b" \t"):
        return
    head, blank, content = (b"\r\n" + rest).partition(b"\r\n\r\n")
    if not blank or len(head) > _MOST_PART_HEAD:
        return
    disposition = kind = b""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-disposition":
            disposition = value
        elif name.lower() == b"content-type":
            kind = value.strip()
    said = {key.lower(): value for key, value in _UNQUOTED.findall(disposition)}
    said |= {key.lower(): value for key, value in _PARAMETER.findall(disposition)}
    if b"name" not in said:
        return
    title = _unescaped(said[b"name"])
    if b"filename" in said:
        files.append((title, readable(content, kind.decode("latin-1") or BYTES)))
    else:
        form.append((title, content.decode("utf-8", "replace")))


def _unescaped(text: bytes) -> str:
    return re.sub(rb'\\(["\\])', rb"\1", text).decode("utf-8", "replace")
