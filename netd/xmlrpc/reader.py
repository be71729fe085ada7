"""
A methodCall, parsed strictly with expat, a slice at a time.

Rules: pure.  Each body has its own `Reader`.  A table says which elements may
stand in which; every other one is a Fault, and attributes are ignored.  A
DOCTYPE is refused at its start, so that no entity is ever declared; depth and
number of values are counted while parsing, so that memory and time stay in
proportion to the body.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import Any, Final
from xml.parsers import expat

from netd.steps import Steps
from netd.xmlrpc import faults
from netd.xmlrpc.faults import Fault, not_xmlrpc
from netd.xmlrpc.scalars import READ, SPACE, Value, shown

DEPTH: Final = 64
"""Levels of arrays and structs in each other."""
VALUES: Final = 100_000
"""Values in a call."""
SLICE: Final = 8 * 1024
"""Bytes between two steps: at most 3 ms of parsing."""

_LONGEST_TAG: Final = 8 * 1024
"""Bytes of a tag or comment: expat starts over with it at every slice until it is complete."""
_LONGEST_NAME: Final = 255
"""Characters of a method's name."""

_INSIDE: Final[dict[str, frozenset[str]]] = {
    "": frozenset({"methodCall"}),
    "methodCall": frozenset({"methodName", "params"}),
    "params": frozenset({"param"}),
    "param": frozenset({"value"}),
    "value": frozenset({*READ, "array", "struct"}),
    "array": frozenset({"data"}),
    "data": frozenset({"value"}),
    "struct": frozenset({"member"}),
    "member": frozenset({"name", "value"}),
}
"""The elements that each element may hold; those without a key hold text only."""

_ENCODINGS: Final = {
    "utf-8": "UTF-8",
    "utf8": "UTF-8",
    "utf-16": "UTF-16",
    "iso-8859-1": "ISO-8859-1",
    "latin-1": "ISO-8859-1",
    "us-ascii": "US-ASCII",
    "ascii": "US-ASCII",
}
"""The encodings that expat decodes by itself."""

_INVALID_TOKEN: Final = expat.errors.codes[expat.errors.XML_ERROR_INVALID_TOKEN]

_ABSENT: Final = object()
_DONE: Final = object()


def charset(name: str) -> str:
    """Expat's name of the encoding `name`; a Fault when it is not supported."""
    # A table, because codecs.lookup remembers every unknown name for ever.
    known = _ENCODINGS.get(name.lower())
    if known is None:
        raise Fault(faults.UNSUPPORTED_ENCODING, f"the encoding {shown(name)} is not supported")
    return known


def _parse_fault(error: expat.ExpatError, rest: bytes, encoding: str) -> Fault:
    """The fault for an error of expat's, which stopped at the bytes `rest`."""
    if error.code == _INVALID_TOKEN:
        # The bytes are no character, or the characters are no markup.
        try:
            codecs.getincrementaldecoder(encoding)().decode(rest)
        except UnicodeDecodeError as undecodable:
            if not undecodable.start:
                return Fault(faults.BAD_CHARACTER, f"not {encoding}: {error}")
    return Fault(faults.NOT_WELL_FORMED, f"not well-formed XML: {error}")


class Reader:
    """Expat's callbacks for one body."""

    def __init__(self, encoding: str | None = None) -> None:
        self._encoding = encoding
        self._text: list[str] = []
        self._parser = parser = expat.ParserCreate(encoding)
        parser.buffer_text = True
        parser.XmlDeclHandler = self._declaration
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text.append
        self._open: list[str] = [""]
        self._stack: list[Any] = []
        # For each open struct the name of the member whose value is to come; _DONE
        # after the value, and for each open array after its data.
        self._names: list[object] = []
        self._value: Value = _ABSENT
        self._values = 0
        self.method = ""
        self.parameters: list[Value] = []
        self._seen: set[str] = set()

    def read(self, body: bytes, piece: int = SLICE) -> Steps[tuple[str, list[Value]]]:
        """The method and parameters of the call in `body`; a Fault when it is no call."""
        parser = self._parser
        view = memoryview(body)
        try:
            for start in range(0, len(body), piece):
                if start:
                    yield
                parser.Parse(view[start : start + piece], False)
                unread = min(start + piece, len(body)) - parser.CurrentByteIndex
                if unread > piece + _LONGEST_TAG:
                    raise not_xmlrpc(f"a tag or comment is longer than {_LONGEST_TAG} bytes")
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            rest = body[parser.ErrorByteIndex :][:4]
            raise _parse_fault(error, rest, self._encoding or "UTF-8") from None
        finally:
            # Break the circle: the parser holds this object's methods.
            del self._parser
        if not self.method:
            raise not_xmlrpc("there is no methodName")
        return self.method, self.parameters

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        # The encoding that HTTP names takes precedence over the document's (RFC 7303 3.2).
        if encoding is not None and self._encoding is None:
            self._encoding = charset(encoding)

    def _doctype(self, *_: object) -> None:
        raise not_xmlrpc("a DOCTYPE is not allowed")

    def _start(self, tag: str, _attributes: object) -> None:
        parent = self._open[-1]
        if tag not in _INSIDE.get(parent, ()):
            where = f"inside {parent}" if parent else "where methodCall is wanted"
            raise not_xmlrpc(f"element {shown(tag)} {where}")
        if self._text:
            self._drop_space()
        self._open.append(tag)
        if tag == "value":
            self._values += 1
            if self._values > VALUES:
                raise not_xmlrpc(f"more than {VALUES} values")
            if self._value is not _ABSENT:
                raise not_xmlrpc(f"two values in one {parent}")
            if parent == "member" and type(self._names[-1]) is not str:
                raise not_xmlrpc("a value in a member that has none to come")
        elif parent == "value":
            if self._value is not _ABSENT:
                raise not_xmlrpc("two types in one value")
            if tag in ("array", "struct"):
                self._deeper([] if tag == "array" else {})
        else:
            self._start_part(tag)

    def _start_part(self, tag: str) -> None:
        if tag == "member":
            self._names[-1] = None
        elif tag == "data":
            if self._names[-1] is _DONE:
                raise not_xmlrpc("a second data in one array")
            self._names[-1] = _DONE
        elif tag in ("methodName", "params"):
            if tag in self._seen:
                raise not_xmlrpc(f"a second {tag}")
            self._seen.add(tag)

    def _deeper(self, container: Value) -> None:
        if len(self._stack) == DEPTH:
            raise not_xmlrpc(f"arrays and structs are nested deeper than {DEPTH}")
        self._stack.append(container)
        self._names.append(None)

    def _drop_space(self) -> None:
        """Drop the text between elements; a Fault when it is not white space."""
        text = "".join(self._text)
        self._text.clear()
        if text.strip(SPACE):
            raise not_xmlrpc(f"text {shown(text.strip(SPACE))} inside {self._open[-1]}")

    def _end(self, tag: str) -> None:
        scalar = READ.get(tag)
        if scalar is not None:
            self._value = scalar("".join(self._text))
            self._text.clear()
        else:
            _ENDS.get(tag, Reader._drop_space)(self)
        self._open.pop()

    def _end_value(self) -> None:
        value = self._value
        if value is _ABSENT:
            # A value without a type is a string (spec, "Scalar <value>s").
            value = "".join(self._text)
            self._text.clear()
        elif self._text:
            self._drop_space()
        parent = self._open[-2]
        self._value = _ABSENT
        if parent == "data":
            self._stack[-1].append(value)
        elif parent == "member":
            self._member(value)
        else:
            self._value = value

    def _member(self, value: Value) -> None:
        name, struct = self._names[-1], self._stack[-1]
        if name in struct:
            raise not_xmlrpc(f"two members named {shown(str(name))}")
        struct[name] = value
        self._names[-1] = _DONE

    def _end_name(self) -> None:
        if self._names[-1] is not None:
            raise not_xmlrpc("two names in one member")
        self._names[-1] = "".join(self._text)
        self._text.clear()

    def _end_member(self) -> None:
        self._drop_space()
        if self._names[-1] is not _DONE:
            raise not_xmlrpc("a member without a value")

    def _end_array(self) -> None:
        if self._names[-1] is not _DONE:
            raise not_xmlrpc("an array without data")
        self._end_struct()

    def _end_struct(self) -> None:
        self._drop_space()
        self._names.pop()
        self._value = self._stack.pop()

    def _end_param(self) -> None:
        self._drop_space()
        if self._value is _ABSENT:
            raise not_xmlrpc("a param without a value")
        self.parameters.append(self._value)
        self._value = _ABSENT

    def _end_method(self) -> None:
        self.method = "".join(self._text).strip(SPACE)
        self._text.clear()
        if len(self.method) > _LONGEST_NAME:
            raise not_xmlrpc(f"a methodName longer than {_LONGEST_NAME} characters")


_ENDS: Final[dict[str, Callable[[Reader], None]]] = {
    "value": Reader._end_value,
    "name": Reader._end_name,
    "member": Reader._end_member,
    "array": Reader._end_array,
    "struct": Reader._end_struct,
    "param": Reader._end_param,
    "methodName": Reader._end_method,
}
"""What the end of an element does: for scalars see `READ`, the others hold only elements."""
