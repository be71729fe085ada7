"""
Request bodies: a form (WHATWG URL, RFC 7578), files, JSON, or other bytes.

Rules: pure; linear in the body, within the limits below.  Of a malformed form
the readable parts are kept, as in httpbin.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from typing import Final

from attrs import Factory, frozen

from netd.lab.call import BYTES, BadCall, Call, parse_query
from netd.lab.endpoints.httpbin_json import Grouped, RawJSON, group, read_body

MAX_FIELDS: Final = 1000
"""Fields of one form, as in werkzeug."""
MAX_FORM: Final = 256 * 1024
"""Bytes of an urlencoded form."""
MAX_JSON: Final = 256 * 1024
"""Bytes of a JSON body; parsing more would block other clients."""
_MAX_PART_HEAD: Final = 8 * 1024
# Beyond these, JSON is shown on one line: Python indents slowly, and deep
# nesting would make the response much larger than the request.
_MAX_INDENTED: Final = 32 * 1024
_MAX_DEPTH: Final = 32

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
    form: Grouped = Factory(dict)
    files: Grouped = Factory(dict)
    json: RawJSON | None = None

    @classmethod
    def of(cls, call: Call) -> Body:
        """The body of `call`; BadCall, 413, when it is too large to be shown."""
        if not call.length:
            return cls()
        content_type = call.header("content-type") or ""
        media = content_type.partition(";")[0].strip().lower()
        if media == "application/x-www-form-urlencoded":
            return cls(form=_urlencoded(call))
        content = read_body(call)
        if _MULTIPART.match(content_type):
            form, files = multipart(content, content_type)
            return cls(form=group(form), files=group(files))
        return cls(readable(content), json=_json(content))


def readable(content: bytes, content_type: str = BYTES) -> str:
    """`content` as text, or as a data URL (RFC 2397) when it is not UTF-8."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return f"data:{content_type};base64,{b64encode(content).decode()}"


def _urlencoded(call: Call) -> Grouped:
    if call.length > MAX_FORM:
        raise BadCall(f"a form that is shown has at most {MAX_FORM} bytes", 413)
    try:
        return group(parse_query(read_body(call).decode("utf-8", "netd.percent"), MAX_FIELDS))
    except ValueError:
        raise BadCall(f"a form that is shown has at most {MAX_FIELDS} fields", 413) from None


def _json(content: bytes) -> RawJSON | None:
    """`content` as JSON to be shown; None when it is not JSON, BadCall, 413, when too large."""
    if len(content) > MAX_JSON:
        if content.lstrip()[:1] in (b"[", b"{"):
            raise BadCall(f"JSON that is shown has at most {MAX_JSON} bytes", 413)
        return None
    try:
        text = content.decode()
        value = json.loads(text, parse_constant=_refuse)
        if len(text) <= _MAX_INDENTED and _depth(text) <= _MAX_DEPTH:
            return RawJSON(json.dumps(value, indent=2, sort_keys=True))
        return RawJSON(json.dumps(value, sort_keys=True))
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _depth(text: str) -> int:
    """The nesting depth of a JSON `text`, counted up to one beyond the limit."""
    brackets = _NO_BRACKET.sub("", text).replace("{", "[").replace("}", "]")
    depth = 0
    while brackets and depth <= _MAX_DEPTH:
        brackets = brackets.replace("[]", "")
        depth += 1
    return depth


Fields = list[tuple[str, str]]


def multipart(content: bytes, content_type: str) -> tuple[Fields, Fields]:
    """The fields and the files of a multipart body; BadCall, 413, when they are too many."""
    form: Fields = []
    files: Fields = []
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        return form, files
    delimiter = b"--" + (boundary[1] or boundary[2]).encode("latin-1")
    # The first delimiter may lack the line break before it.
    pieces = (b"\r\n" + content).split(b"\r\n" + delimiter, MAX_FIELDS + 2)
    if len(pieces) > MAX_FIELDS + 2:
        raise BadCall(f"a form that is shown has at most {MAX_FIELDS} fields", 413)
    # The preamble and the epilogue are no parts.
    for piece in pieces[1:-1]:
        _part(piece, form, files)
    return form, files


def _part(piece: bytes, form: Fields, files: Fields) -> None:
    """Add a part to `form` or `files`; it begins with the rest of its delimiter's line."""
    padding, _, rest = piece.partition(b"\r\n")
    if padding.strip(b" \t"):
        return
    head, blank, content = (b"\r\n" + rest).partition(b"\r\n\r\n")
    if not blank or len(head) > _MAX_PART_HEAD:
        return
    disposition = content_type = b""
    for line in head.split(b"\r\n"):
        field, _, value = line.partition(b":")
        if field.lower() == b"content-disposition":
            disposition = value
        elif field.lower() == b"content-type":
            content_type = value.strip()
    parameters = {key.lower(): value for key, value in _UNQUOTED.findall(disposition)}
    parameters |= {key.lower(): value for key, value in _PARAMETER.findall(disposition)}
    if b"name" not in parameters:
        return
    name = _unescaped(parameters[b"name"])
    if b"filename" in parameters:
        files.append((name, readable(content, content_type.decode("latin-1") or BYTES)))
    else:
        form.append((name, content.decode("utf-8", "replace")))


def _unescaped(text: bytes) -> str:
    return re.sub(rb'\\(["\\])', rb"\1", text).decode("utf-8", "replace")
