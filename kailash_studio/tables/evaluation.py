"""Computes an expression on a piece of a table with Arrow's own functions; they let go of Python's lock."""

from __future__ import annotations

import ast
import datetime as dt
import functools
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from kailash_studio.errors import TableError
from kailash_studio.tables.expression import Expression, no_column, word_of
from kailash_studio.tables.functions import FUNCTIONS, text_of
from kailash_studio.tables.records import type_word

_COMPARISONS = {
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
}
_ARITHMETIC = {
    ast.Add: "add_checked",
    ast.Sub: "subtract_checked",
    ast.Mult: "multiply_checked",
    ast.Pow: "power_checked",
}


def compute(expression: Expression, batch: Any) -> Any:
    """The column that an expression gives for a ``pyarrow.RecordBatch``.

    Raises:
        TableError: A column is not there, or holds what the expression cannot use.
    """
    import pyarrow as pa

    for name in expression.columns:
        if name not in batch.schema.names:
            raise no_column(name, batch.schema.names)
    value = _Evaluation(expression, batch).of(expression.tree)
    if isinstance(value, pa.Scalar):
        value = pa.repeat(value, batch.num_rows)
    return value.combine_chunks() if isinstance(value, pa.ChunkedArray) else value


def condition(expression: Expression, batch: Any) -> Any:
    """The same for a condition: a column of yes and no.

    Raises:
        TableError: As ``compute``, and when it is no condition.
    """
    import pyarrow as pa

    value = compute(expression, batch)
    if pa.types.is_null(value.type):
        return value.cast(pa.bool_())
    if not pa.types.is_boolean(value.type):
        raise TableError(
            f"{expression.text!r} gives a {type_word(value.type)}, no condition: compare it, such as "
            f"{expression.text.strip()} > 0."
        )
    return value


class _Evaluation:
    def __init__(self, expression: Expression, batch: Any) -> None:
        self._expression, self._batch = expression, batch

    def of(self, node: ast.expr) -> Any:
        import pyarrow as pa

        match node:
            case ast.Constant(value=value):
                return pa.scalar(value)
            case ast.Name():
                known, word = word_of(node)
                name = self._expression.name(node)
                return pa.scalar(word) if known and name == node.id else self._batch.column(name)
            case ast.BinOp(left=left, op=binary, right=right):
                return self._guarded(node, lambda: _binary(binary, self.of(left), self.of(right)))
            case ast.UnaryOp(op=unary, operand=operand):
                return self._guarded(node, lambda: _unary(unary, self.of(operand)))
            case ast.BoolOp(op=op, values=values):
                name = "and_kleene" if isinstance(op, ast.And) else "or_kleene"
                return self._guarded(node, lambda: functools.reduce(_named(name), map(self._yes_or_no, values)))
            case ast.Compare():
                return self._guarded(node, lambda: self._compared(node))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self._guarded(node, lambda: self._chosen(test, body, orelse))
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return self._guarded(node, lambda: self._called(name, arguments))
            case _:
                raise TableError(f"A list belongs after in: {self._source(node)}.")

    def _yes_or_no(self, node: ast.expr) -> Any:
        import pyarrow as pa

        value = self.of(node)
        if pa.types.is_null(value.type):
            return value.cast(pa.bool_())
        if not pa.types.is_boolean(value.type):
            raise TableError(
                f"{self._source(node)} is a {type_word(value.type)}, no condition: compare it with a value."
            )
        return value

    def _compared(self, node: ast.Compare) -> Any:
        left, result = self.of(node.left), None
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            if isinstance(op, ast.In | ast.NotIn):
                right = None
                step = _membership(left, [_literal(item) for item in _items(right_node)], isinstance(op, ast.NotIn))
            elif isinstance(op, ast.Is | ast.IsNot):
                right = self.of(right_node)
                step = _is_null(left, right, isinstance(op, ast.IsNot))
            else:
                right = self.of(right_node)
                step = compared(_COMPARISONS[type(op)], left, right)
            result = step if result is None else _named("and_kleene")(result, step)
            left = right
        return result

    def _chosen(self, test: ast.expr, body: ast.expr, orelse: ast.expr) -> Any:
        import pyarrow as pa

        test_value = self._yes_or_no(test)
        one, other = self.of(body), self.of(orelse)
        if pa.types.is_decimal(one.type) != pa.types.is_decimal(other.type):
            one, other = _as_float(one), _as_float(other)
        # null counts as no, as it does in a filter
        return _named("if_else")(_named("fill_null")(test_value, False), one, other)

    def _called(self, name: str, arguments: list[ast.expr]) -> Any:
        function = FUNCTIONS[name]
        if not function.least <= len(arguments) <= function.most:
            raise TableError(f"{name} is written {function.doc}.")
        return function.call(
            *(_literal(a) if place in function.literal else self.of(a) for place, a in enumerate(arguments))
        )

    def _guarded(self, node: ast.expr, work: Callable[[], Any]) -> Any:
        import pyarrow as pa

        try:
            return work()
        except pa.ArrowException as error:
            raise TableError(f"{self._source(node)} cannot be computed: {self._reason(node, error)}.") from None
        except (TypeError, ValueError, OverflowError) as error:
            raise TableError(f"{self._source(node)} cannot be computed: {error}.") from None

    def _reason(self, node: ast.expr, error: Exception) -> str:
        said = str(error).rstrip(".").partition("\n")[0]
        if "no kernel matching" in said:
            held = [
                f"{self._expression.name(part)} is {type_word(self._batch.column(self._expression.name(part)).type)}"
                for part in ast.walk(node)
                if isinstance(part, ast.Name) and self._expression.name(part) in self._batch.schema.names
            ]
            about = ", ".join(dict.fromkeys(held))
            return f"the types do not go together ({about}); use number(), text() or date(), or cast the column before"
        if said == "overflow":
            return "the result is larger than a whole number can be; use number() before"
        return said

    def _source(self, node: ast.expr) -> str:
        text = ast.unparse(node)
        for stand_in, name in self._expression.quoted.items():
            text = text.replace(stand_in, f"`{name}`")
        return text if len(text) <= 80 else text[:77] + "..."


def _named(name: str) -> Callable[..., Any]:
    import pyarrow.compute as pc

    found: Callable[..., Any] = getattr(pc, name)
    return found


def _binary(op: ast.operator, left: Any, right: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(op, ast.Add) and pa.types.is_string(left.type) and pa.types.is_string(right.type):
        return pc.binary_join_element_wise(left, right, "")
    if isinstance(op, ast.Add | ast.Sub) and pa.types.is_date(left.type) and pa.types.is_integer(right.type):
        days = pc.multiply(pc.cast(right, pa.int64()), pa.scalar(86_400)).cast(pa.duration("s"))
        return pc.cast(_named(_ARITHMETIC[type(op)])(left, days), pa.date32(), safe=False)
    if isinstance(op, ast.Div):
        return _divided(left, right)
    if isinstance(op, ast.FloorDiv | ast.Mod):
        return _floor_divided(left, right, rest=isinstance(op, ast.Mod))
    if isinstance(op, ast.Pow):
        left, right = _as_float(left), _as_float(right)
        return pc.power(left, right)
    call = _named(_ARITHMETIC[type(op)])
    try:
        return call(_exact(left, right), _exact(right, left))
    except pa.ArrowInvalid as error:
        if "precision" not in str(error):
            raise
    return call(_as_float(left), _as_float(right))  # more digits than an exact decimal has


def _exact(value: Any, other: Any) -> Any:
    """A number with a fraction beside exact decimals means just the written digits: 1.19, not the nearest double."""
    import pyarrow as pa

    written = isinstance(value, pa.Scalar) and pa.types.is_floating(value.type) and value.is_valid
    return pa.scalar(Decimal(repr(value.as_py()))) if written and pa.types.is_decimal(other.type) else value


def _as_float(value: Any) -> Any:
    import pyarrow as pa

    kind = value.type
    return value.cast(pa.float64(), safe=False) if pa.types.is_integer(kind) or pa.types.is_decimal(kind) else value


def _without_zero(value: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(pc.equal(value, pa.scalar(0).cast(value.type)), pa.scalar(None, value.type), value)


def _divided(left: Any, right: Any) -> Any:
    import pyarrow.compute as pc

    return pc.divide(_as_float(left), _without_zero(_as_float(right)))


def _floor_divided(left: Any, right: Any, *, rest: bool) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_integer(left.type) and pa.types.is_integer(right.type):
        right = _without_zero(right)
        quotient = pc.divide_checked(left, right)
        back = pc.subtract(left, pc.multiply(quotient, right))
        # Arrow cuts towards zero, Python and this language towards below
        below = pc.and_(pc.not_equal(back, 0), pc.not_equal(pc.less(back, 0), pc.less(right, 0)))
        quotient = pc.subtract(quotient, pc.cast(below, pa.int64()))
        return pc.subtract(left, pc.multiply(quotient, right)) if rest else quotient
    left, right = _as_float(left), _without_zero(_as_float(right))
    quotient = pc.floor(pc.divide(left, right))
    return pc.subtract(left, pc.multiply(quotient, right)) if rest else quotient


def _unary(op: ast.unaryop, value: Any) -> Any:
    import pyarrow as pa

    if isinstance(op, ast.Not):
        if not (pa.types.is_boolean(value.type) or pa.types.is_null(value.type)):
            raise TableError(f"not takes a condition, and this is a {type_word(value.type)}.")
        return _named("invert")(value.cast(pa.bool_()))
    if isinstance(op, ast.UAdd):
        return value
    return _named("negate" if pa.types.is_decimal(value.type) else "negate_checked")(value)


def compared(name: str, left: Any, right: Any) -> Any:
    """Compare by Arrow's function of that name; a text written beside a date is read as one.

    A time without a zone beside one with a zone is UTC, as it is in a text.
    """
    import pyarrow as pa

    if pa.types.is_temporal(left.type):
        right = temporal(right, left.type)
    elif pa.types.is_temporal(right.type):
        left = temporal(left, right.type)
    right = _zoned(right, left.type)
    return _named(name)(_zoned(left, right.type), right)


def _zoned(value: Any, other: Any) -> Any:
    """A date or time in the zone of the type that it stands beside, where that has one."""
    import pyarrow as pa

    kind = value.type
    if not pa.types.is_timestamp(other) or other.tz is None or other.tz == getattr(kind, "tz", None):
        return value
    unit = kind.unit if pa.types.is_timestamp(kind) else other.unit
    return value.cast(pa.timestamp(unit, other.tz)) if pa.types.is_temporal(kind) else value


def temporal(value: Any, kind: Any) -> Any:
    """A text scalar as a date or time of a column's type; anything else as it is.

    Raises:
        TableError: The text is no date or time.
    """
    import pyarrow as pa

    if not (isinstance(value, pa.Scalar) and pa.types.is_string(value.type) and value.is_valid):
        return value
    text = value.as_py()
    try:
        if pa.types.is_time(kind):
            return pa.scalar(dt.time.fromisoformat(text))
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        form = (
            "time: write it as '08:30'"
            if pa.types.is_time(kind)
            else "date: write it as '2024-05-31' or '2024-05-31 08:00'"
        )
        raise TableError(f"{text!r} is no {form}.") from None
    zone = getattr(kind, "tz", None)
    if zone and moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    elif not zone and moment.tzinfo is not None:
        moment = moment.astimezone(dt.UTC).replace(tzinfo=None)
    if pa.types.is_date(kind) and moment.time() == dt.time():
        return pa.scalar(moment.date())
    return pa.scalar(moment)


def _is_null(left: Any, right: Any, negated: bool) -> Any:
    import pyarrow as pa

    if not pa.types.is_null(right.type):
        raise TableError("is and is not go with null: write == to compare.")
    return _named("is_valid" if negated else "is_null")(left)


def _items(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.Tuple | ast.List):
        return node.elts
    raise TableError(
        "After in stands a list: region in ('north', 'south'); for a part of a text, contains(text, 'part')."
    )


def _membership(left: Any, items: list[Any], negated: bool) -> Any:
    found = among(left, items)
    return _named("invert")(found) if negated else found


def among(left: Any, items: list[Any]) -> Any:
    """Whether each value is one of these; null is not."""
    import pyarrow as pa

    results = [compared("equal", left, pa.scalar(item)) for item in items if item is not None]
    found = functools.reduce(_named("or_kleene"), results) if results else _named("is_null")(pa.scalar(1))
    found = _named("fill_null")(found, False)
    if isinstance(found, pa.Scalar):
        found = pa.repeat(found, len(left)) if not isinstance(left, pa.Scalar) else found
    return found


def _literal(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case _:
            raise TableError(f"{ast.unparse(node)} must be written out here: a text or a number, no column.")


__all__ = ["among", "compared", "compute", "condition", "temporal", "text_of"]
