"""The expressions of MLTable's `filter`: `col("a") > 1 and not (b == "y")` (reference, section 12).

Python's own parser reads them, a short list of what is allowed checks them, nothing is ever executed. As in SQL, a
comparison with a missing value is neither true nor false, and neither is its `not`.
"""

import ast
import operator
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, reduce
from typing import TYPE_CHECKING, Any

from fanout.data.types import parse_iso
from fanout.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

LENGTH_LIMIT = 10_000
Constant = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Col:
    """A column, by name."""

    name: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left op right`."""

    left: "Col | Constant"
    op: str
    right: "Col | Constant"


@dataclass(frozen=True, slots=True)
class Not:
    """True where the part is false."""

    part: "Expression"


@dataclass(frozen=True, slots=True)
class AllOf:
    """True where every part is."""

    parts: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True where any part is."""

    parts: tuple["Expression", ...]


Expression = Comparison | Not | AllOf | AnyOf
_OPS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_WORDS = {"true": True, "false": False}


@lru_cache(maxsize=64)
def parse_filter(text: str) -> Expression:
    """The expression; InputError, saying what is allowed, when it is none."""
    if len(text) > LENGTH_LIMIT:
        raise InputError(f"filter: longer than {LENGTH_LIMIT} characters")
    try:
        with warnings.catch_warnings():  # that `5and` is a number and a word is no news to anybody here
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(text.strip(), mode="eval")
        return _expression(tree.body, text)
    except SyntaxError as exc:
        raise _wrong(text, f"{exc.msg} at column {exc.offset}") from exc
    except (RecursionError, MemoryError, ValueError) as exc:
        raise _wrong(text, "nested too deeply, or not text") from exc


def _expression(node: ast.expr, text: str) -> Expression:
    match node:
        case ast.BoolOp(op=op, values=values):
            parts = tuple(_expression(value, text) for value in values)
            return AllOf(parts) if isinstance(op, ast.And) else AnyOf(parts)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return Not(_expression(operand, text))
        case ast.Compare(left=left, ops=ops, comparators=others):
            chain = [_operand(part, text) for part in (left, *others)]
            parts = tuple(Comparison(a, _op(op, text), b) for a, op, b in zip(chain, ops, chain[1:], strict=False))
            return parts[0] if len(parts) == 1 else AllOf(parts)
        case _:
            raise _wrong(text, f"{_source(node)} is neither true nor false; compare it with something")


def _op(op: ast.cmpop, text: str) -> str:
    if type(op) not in _OPS:
        raise _wrong(text, "the comparisons are ==, !=, >, >=, < and <=")
    return _OPS[type(op)]


def _operand(node: ast.expr, text: str) -> Col | Constant:
    match node:
        case ast.Call(func=ast.Name(id="col"), args=[ast.Constant(value=str(name))], keywords=[]):
            return Col(name)
        case ast.Call(func=ast.Name(id="datetime"), args=[*parts], keywords=[]):
            return _moment(parts, text)
        case ast.Constant(value=bool() | int() | float() | str() as value):
            return value
        case ast.Name(id="true" | "false" as word):
            return _WORDS[word]
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.Name(id=name):  # as in the original, a column whose name is one word needs no col()
            return Col(name)
        case _:
            known = 'col("name"), texts in quotes, numbers, datetime(2020, 1, 31), True and False'
            raise _wrong(text, f"{_source(node)} is not allowed; there are {known}")


def _moment(parts: list[ast.expr], text: str) -> str:
    """`datetime(2020, 1, 31)`, with hours, minutes and seconds if need be, as ISO text."""
    numbers = [part.value for part in parts if isinstance(part, ast.Constant) and type(part.value) is int]
    try:
        if len(numbers) < len(parts):
            raise TypeError("whole numbers are expected")
        return datetime(*numbers).isoformat()  # type: ignore[arg-type] # noqa: DTZ001 - columns have no zone
    except (TypeError, ValueError, OverflowError) as exc:
        raise _wrong(text, f"write a time as datetime(2020, 1, 31) or datetime(2020, 1, 31, 23, 59): {exc}") from exc


def _source(node: ast.expr) -> str:
    return repr(ast.unparse(node)[:60])


def _wrong(text: str, why: str) -> InputError:
    return InputError(f"filter {text[:200]!r}: {why}")


def columns_of(expression: Expression) -> frozenset[str]:
    """The names of the columns that the expression looks at."""
    match expression:
        case Comparison(left=left, right=right):
            return frozenset(side.name for side in (left, right) if isinstance(side, Col))
        case Not(part=part):
            return columns_of(part)
        case AllOf(parts=parts) | AnyOf(parts=parts):
            return frozenset().union(*map(columns_of, parts))


@dataclass(frozen=True, slots=True)
class _Truth:
    """For each row: is it true, is it false; neither where a value is missing."""

    true: "np.ndarray[Any, Any]"
    false: "np.ndarray[Any, Any]"


def rows_that_pass(frame: "pd.DataFrame", expression: Expression) -> "np.ndarray[Any, Any]":
    """A boolean for each row of `frame`; a column it does not have is missing in every row.

    InputError when a column is compared with a value of another type.
    """
    return _truth(frame, expression).true


def _truth(frame: "pd.DataFrame", expression: Expression) -> _Truth:
    match expression:
        case Comparison():
            return _compare(frame, expression)
        case Not(part=part):
            inner = _truth(frame, part)
            return _Truth(inner.false, inner.true)
        case AllOf(parts=parts):
            return reduce(lambda a, b: _Truth(a.true & b.true, a.false | b.false), _truths(frame, parts))
        case AnyOf(parts=parts):
            return reduce(lambda a, b: _Truth(a.true | b.true, a.false & b.false), _truths(frame, parts))


def _truths(frame: "pd.DataFrame", parts: Iterable[Expression]) -> Iterator[_Truth]:
    return (_truth(frame, part) for part in parts)


def _compare(frame: "pd.DataFrame", comparison: Comparison) -> _Truth:
    import numpy as np

    left, right = (_values(frame, side) for side in (comparison.left, comparison.right))
    left, right = _as_times(left, right, comparison), _as_times(right, left, comparison)
    known = ~(_missing(left) | _missing(right))
    true = np.zeros(len(frame), dtype=bool)
    if left.dtype == object or right.dtype == object:
        pairs = zip(left[known].tolist(), right[known].tolist(), strict=True)
        true[known] = [_holds(comparison, a, b) for a, b in pairs]
    else:
        true[known] = _FUNCTIONS[comparison.op](left[known], right[known])
    return _Truth(true, known & ~true)


def _values(frame: "pd.DataFrame", side: Col | Constant) -> "np.ndarray[Any, Any]":
    import numpy as np

    if not isinstance(side, Col):
        return np.full(len(frame), side, dtype=object if isinstance(side, str) else None)
    if side.name not in frame.columns:
        return np.full(len(frame), None, dtype=object)
    return frame[side.name].to_numpy()


def _as_times(side: "np.ndarray[Any, Any]", other: "np.ndarray[Any, Any]", where: Comparison) -> "np.ndarray[Any, Any]":
    """Texts compared with a column of times are times themselves."""
    import numpy as np

    if other.dtype.kind != "M" or side.dtype != object:
        return side
    moments = [parse_iso(value) if isinstance(value, str) else None for value in side.tolist()]
    if any(moment is None and value is not None for moment, value in zip(moments, side.tolist(), strict=True)):
        raise _wrong(_text(where), "a column of times is compared with an ISO date such as '2020-02-13'")
    return np.array(moments, dtype="datetime64[ns]")


def _missing(values: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    import pandas as pd

    return pd.isna(values)


def _holds(comparison: Comparison, a: object, b: object) -> bool:
    if isinstance(a, str) != isinstance(b, str):
        raise _wrong(_text(comparison), f"cannot compare {a!r:.60} with {b!r:.60}; quote texts, and only texts")
    try:
        return bool(_FUNCTIONS[comparison.op](a, b))
    except TypeError as exc:
        raise _wrong(_text(comparison), f"cannot compare {a!r:.60} with {b!r:.60}") from exc


def _text(comparison: Comparison) -> str:
    sides = (f'col("{s.name}")' if isinstance(s, Col) else repr(s) for s in (comparison.left, comparison.right))
    return f" {comparison.op} ".join(sides)
