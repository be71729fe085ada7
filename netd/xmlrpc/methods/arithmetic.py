"""
pow, add and mul on int and double.

Rules: pure.  Whether a result can be sent is decided before it is computed, so
that each call takes microseconds whatever its parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from netd.xmlrpc.faults import BadParameters
from netd.xmlrpc.registry import Procedure, procedure

_SMALLEST: Final = -(2**63)
_LARGEST: Final = 2**63 - 1

Number = int | float


def _fits(compute: Callable[[], Number | complex]) -> Number:
    """The result of `compute`; BadParameters when XML-RPC cannot carry it."""
    try:
        value = compute()
    except (OverflowError, ZeroDivisionError):
        raise BadParameters("the result is not a finite number") from None
    if isinstance(value, complex):
        raise BadParameters("the result is not a real number")
    if isinstance(value, float) and not math.isfinite(value):
        raise BadParameters("the result is not a finite number")
    if isinstance(value, int) and not _SMALLEST <= value <= _LARGEST:
        raise BadParameters("the result does not fit 64 bits")
    return value


def add(x: Number, y: Number) -> Number:
    """The sum of x and y."""
    if type(x) is int and type(y) is int and _SMALLEST <= (value := x + y) <= _LARGEST:
        return value
    return _fits(lambda: x + y)


def mul(x: Number, y: Number) -> Number:
    """The product of x and y."""
    return _fits(lambda: x * y)


def power(x: Number, y: Number, z: int | None = None) -> Number:
    """
    x to the power of y; with z, all three ints, the remainder of that divided by z.

    Two ints give an int, so y must then not be negative and the power must fit
    64 bits; with a double on either side the result is a double.
    """
    if z is not None:
        if not (isinstance(x, int) and isinstance(y, int)):
            raise BadParameters("a power with a modulus takes three ints")
        if max(abs(x), abs(y), abs(z)) > -_SMALLEST:
            raise BadParameters("a power with a modulus takes ints of 64 bits")
        try:
            return pow(x, y, z)
        except ValueError as error:
            raise BadParameters(str(error)) from None
    if isinstance(x, int) and isinstance(y, int):
        if y < 0:
            raise BadParameters("a negative power of an int is not an int; send a double")
        # 2**(bits-1) <= |x|, so |x|**y has at least (bits-1)*y bits before its last.
        if abs(x) > 1 and (abs(x).bit_length() - 1) * y > 63:
            raise BadParameters("the result does not fit 64 bits")
    return _fits(lambda: x**y)


_BINARY: Final = (("int", "int", "int"), ("double", "double", "double"))

PROCEDURES: Final[tuple[Procedure, ...]] = (
    procedure(add, signatures=_BINARY),
    procedure(mul, signatures=_BINARY),
    procedure(power, "pow", signatures=(*_BINARY, ("int", "int", "int", "int"))),
)
