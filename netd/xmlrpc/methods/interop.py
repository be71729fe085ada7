"""
The methods of two public suites that test clients.

Rules: pure.  The suites define the results.

Source: validator1 of xmlrpc.com (http://1998.xmlrpc.com/validator1Docs.html) and
interopEchoTests of the XML-RPC interoperability effort (phpxmlrpc ships both).
"""

from __future__ import annotations

import platform
from datetime import datetime
from typing import Final

from netd.xmlrpc.faults import BadParameters
from netd.xmlrpc.registry import Procedure, procedure
from netd.xmlrpc.scalars import Value

PREFIXES: Final = frozenset({"validator1", "interopEchoTests"})
"""The names of the suites, in front of the dot."""

_ENTITIES: Final = {
    "ctLeftAngleBrackets": "<",
    "ctRightAngleBrackets": ">",
    "ctAmpersands": "&",
    "ctApostrophes": "'",
    "ctQuotes": '"',
}


def _int(struct: dict[str, Value], name: str) -> int:
    value = struct.get(name)
    if type(value) is not int:
        raise BadParameters(f"the struct has no int named {name}")
    return value


def array_of_structs(structs: list[dict[str, Value]]) -> int:
    """The sum of the members named curly of all structs."""
    return sum(_int(struct, "curly") for struct in structs)


def count_the_entities(text: str) -> dict[str, int]:
    """How many of < > & ' and " a text holds."""
    return {name: text.count(entity) for name, entity in _ENTITIES.items()}


def easy_struct(struct: dict[str, Value]) -> int:
    """The sum of the members moe, larry and curly."""
    return sum(_int(struct, name) for name in ("moe", "larry", "curly"))


def echo_struct(struct: dict[str, Value]) -> dict[str, Value]:
    """The struct that came."""
    return struct


def many_types(  # noqa: PLR0917  # the suite's six
    number: int, boolean: bool, text: str, double: float, when: datetime, data: bytes
) -> list[Value]:
    """The six values that came, as an array."""
    return [number, boolean, text, double, when, data]


def moderate_size_array(texts: list[str]) -> str:
    """The first and the last text of an array, in one."""
    if not texts:
        raise BadParameters("the array is empty")
    return texts[0] + texts[-1]


def nested_struct(calendar: dict[str, Value]) -> int:
    """The sum of moe, larry and curly of the struct at 2000, 04, 01."""
    struct = calendar
    for name in ("2000", "04", "01"):
        if type(member := struct.get(name)) is not dict:
            raise BadParameters(f"there is no struct named {name}")
        struct = member
    return easy_struct(struct)


def simple_struct_return(number: int) -> dict[str, int]:
    """The number times 10, 100 and 1000."""
    return {"times10": number * 10, "times100": number * 100, "times1000": number * 1000}


def no_in_params() -> str:
    """A text, for a call without parameters."""
    return "There were no parameters."


def which_toolkit() -> dict[str, str]:
    """The name, version and system of this server."""
    return {
        "toolkitName": "netd",
        "toolkitVersion": "1",
        "toolkitDocsUrl": "/RPC2",
        "toolkitOperatingSystem": platform.system(),
    }


_ECHOES: Final[dict[str, tuple[object, str]]] = {
    "echoString": (str, "string"),
    "echoInteger": (int, "int"),
    "echoFloat": (float, "double"),
    "echoBoolean": (bool, "boolean"),
    "echoDate": (datetime, "dateTime"),
    "echoBase64": (bytes, "base64"),
    "echoStringArray": (list[str], "array of strings"),
    "echoIntegerArray": (list[int], "array of ints"),
    "echoFloatArray": (list[float], "array of doubles"),
    "echoStructArray": (list[dict[str, Value]], "array of structs"),
    "echoValue": (Value, "value"),
}
"""The type that each echo of interopEchoTests takes and returns, and its name in the help."""


def _echo(name: str, hint: object, noun: str) -> Procedure:
    """A method that returns its parameter, which must be of the type `hint`."""

    def echo(value: Value) -> Value:
        return value

    echo.__annotations__ = {"value": hint, "return": hint}
    return procedure(echo, f"interopEchoTests.{name}", text=f"The {noun} that came.")


PROCEDURES: Final[tuple[Procedure, ...]] = (
    procedure(array_of_structs, "validator1.arrayOfStructsTest"),
    procedure(count_the_entities, "validator1.countTheEntities"),
    procedure(easy_struct, "validator1.easyStructTest"),
    procedure(echo_struct, "validator1.echoStructTest"),
    procedure(many_types, "validator1.manyTypesTest"),
    procedure(moderate_size_array, "validator1.moderateSizeArrayCheck"),
    procedure(nested_struct, "validator1.nestedStructTest"),
    procedure(simple_struct_return, "validator1.simpleStructReturnTest"),
    procedure(echo_struct, "interopEchoTests.echoStruct"),
    procedure(no_in_params, "interopEchoTests.noInParams"),
    procedure(which_toolkit, "interopEchoTests.whichToolkit"),
    *(_echo(name, hint, noun) for name, (hint, noun) in _ECHOES.items()),
)
