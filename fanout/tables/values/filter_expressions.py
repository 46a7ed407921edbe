"""The expressions of MLTable's `filter`: `col("a") > 1 and not (b == "y")` (reference, section 12).

Python's own parser reads them, a short list of what is allowed checks them, nothing is ever executed. As in SQL, a
comparison with a missing value is neither true nor false, and neither is its `not`; a column that is not there is
missing in every row. Measured with the original: values of different types compare by their types, booleans before
numbers before texts before times, and `1 < a < 5` compares the answer of `1 < a` with 5.
"""

import ast
import math
import operator
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, reduce
from typing import TYPE_CHECKING, Any

from fanout.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

LENGTH_LIMIT = 10_000
DEPTH_LIMIT = 100
Constant = str | int | float | bool | datetime | None


@dataclass(frozen=True, slots=True)
class Col:
    """A column, by name."""

    name: str


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`left op right`, with numbers, or texts that are joined."""

    left: "Operand"
    op: str
    right: "Operand"


@dataclass(frozen=True, slots=True)
class Is:
    """True where a value is."""

    value: "Col | bool"


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left op right`."""

    left: "Operand"
    op: str
    right: "Operand"


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


Expression = Is | Comparison | Not | AllOf | AnyOf
Operand = Col | Constant | Arithmetic | Expression
_OPS: dict[type[ast.AST], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
}
_FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}


@lru_cache(maxsize=64)
def parse_filter(text: str) -> Expression:
    """The expression; InputError, saying what is allowed, when it is none."""
    if len(text) > LENGTH_LIMIT:
        raise InputError(f"filter: longer than {LENGTH_LIMIT} characters")
    try:
        with warnings.catch_warnings():  # that `5and` is a number and a word is no news to anybody here
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(text.strip(), mode="eval")
        _check_depth(tree.body, text)
        return _expression(tree.body, text)
    except SyntaxError as exc:
        raise _wrong(text, f"{exc.msg} at column {exc.offset}") from exc
    except (RecursionError, MemoryError, ValueError) as exc:
        raise _wrong(text, "nested too deeply, or not text") from exc


def _check_depth(node: ast.expr, text: str) -> None:
    """InputError for what is nested so deep that looking at it would end in Python's own limit, here or in a slot."""
    level: list[ast.AST] = [node]
    depth = 0
    while level:
        # `a < b < c` becomes a comparison of comparisons: each of its signs is a level.
        depth += 1 + max(len(part.ops) - 1 if isinstance(part, ast.Compare) else 0 for part in level)
        if depth > 2 * DEPTH_LIMIT:
            raise _wrong(text, f"nested more than {DEPTH_LIMIT} deep")
        level = [child for part in level for child in ast.iter_child_nodes(part)]


def _expression(node: ast.expr, text: str) -> Expression:
    match node:
        case ast.BoolOp(op=joined, values=values):
            parts = tuple(_expression(value, text) for value in values)
            return AllOf(parts) if isinstance(joined, ast.And) else AnyOf(parts)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return Not(_expression(operand, text))
        case ast.Compare(left=left, ops=ops, comparators=others):
            found: Operand = _operand(left, text)
            for op, other in zip(ops, others, strict=True):
                found = Comparison(found, _op(op, text), _operand(other, text))
            return found  # type: ignore[return-value]
        case ast.Constant(value=bool() as value):
            return Is(value)
        case ast.Call(func=ast.Name(id="col"), args=[ast.Constant(value=str(name))], keywords=[]) | ast.Name(id=name):
            return Is(Col(name))
        case _:
            raise _wrong(text, f"{_source(node)} is neither true nor false; compare it with something")


def _op(op: ast.AST, text: str) -> str:
    if type(op) not in _OPS:
        raise _wrong(text, "the comparisons are ==, !=, >, >=, < and <=, the operations +, -, *, /, //, % and **")
    return _OPS[type(op)]


def _operand(node: ast.expr, text: str) -> Operand:
    match node:
        case ast.Call(func=ast.Name(id="col"), args=[ast.Constant(value=str(name))], keywords=[]):
            return Col(name)
        case ast.Call(func=ast.Name(id="datetime"), args=[*parts], keywords=[]):
            return _moment(parts, text)
        case ast.Constant(value=bool() | int() | float() | str() | None as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return Arithmetic(0, "-", _operand(operand, text))
        case ast.BinOp(left=left, op=op, right=right):
            found = Arithmetic(_operand(left, text), _op(op, text), _operand(right, text))
            _check_size(found, text)
            return found
        case ast.Name(id=name):  # as in the original, a column whose name is one word needs no col()
            return Col(name)
        case ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
            return _expression(node, text)
        case _:
            known = 'col("name"), texts in quotes, numbers, datetime(2020, 1, 31), True, False and None'
            raise _wrong(text, f"{_source(node)} is not allowed; there are {known}")


def _check_size(found: Arithmetic, text: str) -> None:
    """InputError for a power of numbers that is too large to be one: it would be computed digit by digit."""
    try:
        number = _constant(found) if found.op == "**" else 0.0
    except OverflowError:
        number = math.inf
    if number is not None and math.isinf(number):
        raise _wrong(text, "a power that is too large to be a number")


def _constant(side: Operand) -> float | None:
    """The number that a part without columns is, as a fraction; None when it is none."""
    if isinstance(side, Arithmetic):
        left, right = _constant(side.left), _constant(side.right)
        if left is None or right is None:
            return None
        try:
            found = _FUNCTIONS[side.op](left, right)
        except ZeroDivisionError:
            return None
        return found if isinstance(found, float) else None
    return float(side) if isinstance(side, int | float) else None


def _moment(parts: list[ast.expr], text: str) -> datetime:
    """`datetime(2020, 1, 31)`, with hours, minutes and seconds if need be."""
    numbers = [part.value for part in parts if isinstance(part, ast.Constant) and type(part.value) is int]
    try:
        if len(numbers) < len(parts):
            raise TypeError("whole numbers are expected")
        return datetime(*numbers)  # type: ignore[arg-type] # noqa: DTZ001 - columns have no zone
    except (TypeError, ValueError, OverflowError) as exc:
        raise _wrong(text, f"write a time as datetime(2020, 1, 31) or datetime(2020, 1, 31, 23, 59): {exc}") from exc


def _source(node: ast.expr) -> str:
    return repr(ast.unparse(node)[:60])


def _wrong(text: str, why: str) -> InputError:
    return InputError(f"filter {text[:200]!r}: {why}")


def columns_of(expression: Operand) -> frozenset[str]:
    """The names of the columns that the expression looks at."""
    match expression:
        case Col(name=name):
            return frozenset({name})
        case Is(value=value):
            return columns_of(value)
        case Comparison(left=left, right=right) | Arithmetic(left=left, right=right):
            return columns_of(left) | columns_of(right)
        case Not(part=part):
            return columns_of(part)
        case AllOf(parts=parts) | AnyOf(parts=parts):
            return frozenset().union(*map(columns_of, parts))
        case _:
            return frozenset()


@dataclass(frozen=True, slots=True)
class _Truth:
    """For each row: is it true, is it false; neither where a value is missing."""

    true: "np.ndarray[Any, Any]"
    false: "np.ndarray[Any, Any]"


def rows_that_pass(frame: "pd.DataFrame", expression: Expression) -> "np.ndarray[Any, Any]":
    """A boolean for each row of `frame`; a column it does not have is missing in every row.

    InputError when a column that stands alone is not one of booleans.
    """
    return _truth(frame, expression).true


def _truth(frame: "pd.DataFrame", expression: Expression) -> _Truth:
    match expression:
        case Comparison(left=left, op=op, right=right):
            return _compare(_values(frame, left), op, _values(frame, right))
        case Is(value=value):
            return _flags(_values(frame, value), value)
        case Not(part=part):
            inner = _truth(frame, part)
            return _Truth(inner.false, inner.true)
        case AllOf(parts=parts):
            return reduce(lambda a, b: _Truth(a.true & b.true, a.false | b.false), _truths(frame, parts))
        case AnyOf(parts=parts):
            return reduce(lambda a, b: _Truth(a.true | b.true, a.false & b.false), _truths(frame, parts))


def _truths(frame: "pd.DataFrame", parts: Iterable[Expression]) -> Iterator[_Truth]:
    return (_truth(frame, part) for part in parts)


def _compare(left: "Array", op: str, right: "Array") -> _Truth:
    import numpy as np

    known = ~(_missing(left) | _missing(right))
    true = np.zeros(len(known), dtype=bool)
    compare, ranks = _FUNCTIONS[op], (_rank_of(left), _rank_of(right))
    if None in ranks:
        true[known] = [_holds(compare, a, b) for a, b in _pairs(left[known], right[known])]
    elif ranks[0] == ranks[1]:
        true[known] = compare(left[known], right[known])
    else:
        true[known] = compare(*ranks)
    return _Truth(true, known & ~true)


def _pairs(left: "Array", right: "Array") -> Iterator[tuple[object, object]]:
    # Nanoseconds would come out as numbers; here times only meet what is none.
    sides = (side.astype("datetime64[us]") if side.dtype.kind == "M" else side for side in (left, right))
    return zip(*(side.tolist() for side in sides), strict=True)


def _rank_of(values: "Array") -> int | None:
    """The place of the type of all values; None when each has to be asked."""
    return {"b": 0, "i": 1, "u": 1, "f": 1, "M": 3}.get(values.dtype.kind)


def _rank(value: object) -> int:
    match value:
        case bool():
            return 0
        case int() | float():
            return 1
        case str():
            return 2
        case datetime():
            return 3
        case _:
            return 4


def _holds(compare: Callable[[Any, Any], Any], a: object, b: object) -> bool:
    ranks = _rank(a), _rank(b)
    return bool(compare(a, b) if ranks[0] == ranks[1] < 4 else compare(*ranks))


def _values(frame: "pd.DataFrame", side: Operand) -> "Array":
    import numpy as np

    match side:
        case Col(name=name):
            return frame[name].to_numpy() if name in frame.columns else np.full(len(frame), None, dtype=object)
        case Arithmetic(left=left, op=op, right=right):
            return _computed(_values(frame, left), op, _values(frame, right))
        case Is() | Comparison() | Not() | AllOf() | AnyOf():
            truth = _truth(frame, side)
            return np.where(truth.true | truth.false, truth.true, np.full(len(frame), None, dtype=object))
        case datetime():
            return np.full(len(frame), np.datetime64(side, "ns"))
        case _:
            return np.full(len(frame), side, dtype=object if side is None or isinstance(side, str) else None)


def _computed(left: "Array", op: str, right: "Array") -> "Array":
    """Numbers, or joined texts; missing where one is missing, or they do not go together."""
    import numpy as np

    compute = _FUNCTIONS[op]
    if _rank_of(left) == _rank_of(right) == 1:
        with np.errstate(all="ignore"):
            found: Array = compute(left.astype("float64"), right.astype("float64"))
            return found
    values = np.full(len(left), None, dtype=object)
    known = ~(_missing(left) | _missing(right))
    values[known] = [_one(compute, op, a, b) for a, b in _pairs(left[known], right[known])]
    return values


def _one(compute: Callable[[Any, Any], Any], op: str, a: object, b: object) -> object:
    ranks = _rank(a), _rank(b)
    if ranks == (1, 1) or (ranks == (2, 2) and op == "+"):
        try:
            # A power of whole numbers may have more digits than fit into memory.
            return math.pow(float(a), float(b)) if op == "**" else compute(a, b)  # type: ignore[arg-type]
        except (ArithmeticError, ValueError):
            return None
    return None


def _flags(values: "Array", side: Col | bool) -> _Truth:
    known = ~_missing(values)
    if values.dtype.kind != "b" and any(type(value) is not bool for value in values[known].tolist()):
        name = side.name if isinstance(side, Col) else side
        raise InputError(f"filter: {name!r} is neither true nor false; compare it with something")
    true = known & (values == True)  # noqa: E712 - element by element
    return _Truth(true.astype(bool), known & ~true.astype(bool))


def _missing(values: "Array") -> "Array":
    import pandas as pd

    return pd.isna(values)
