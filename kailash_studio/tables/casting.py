"""Giving cells another type, with the row and the cell in the sentence when one cannot have it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from kailash_studio.errors import TableError
from kailash_studio.tables.functions import text_of

Kind = Literal["text", "integer", "number", "decimal", "boolean", "date", "time"]
_YES, _NO = ["true", "yes", "y", "1"], ["false", "no", "n", "0"]


@dataclass(frozen=True, slots=True)
class Casting:
    """How cells are converted.

    Attributes:
        digits: Digits of decimals behind the point.
        decimal_sign: Of numbers that are text.
        date_form: Of dates that are text, as of ``strptime``; empty: ISO.
        lenient: What cannot be converted becomes null.
    """

    digits: int = 2
    decimal_sign: str = "."
    date_form: str = ""
    lenient: bool = False

    def cast(self, cells: Any, kind: Kind, name: str, before: int = 0) -> Any:
        """A column as another type.

        Args:
            cells: The column, or a piece of it.
            kind: The type.
            name: Its name, for the sentence.
            before: How many rows come before this piece.

        Raises:
            TableError: A cell cannot be converted.
        """
        import pyarrow as pa

        if pa.types.is_string(cells.type) and kind != "text":
            cells = self._cleaned(cells, kind)
        try:
            return self._converted(cells, kind)
        except pa.ArrowNotImplementedError:
            raise TableError(f"Column {name!r} ({cells.type}) cannot become {_a(kind)}.") from None
        except pa.ArrowInvalid:
            return self._one_by_one(cells, kind, name, before)

    def _converted(self, cells: Any, kind: Kind) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        match kind:
            case "text":
                return text_of(cells)
            case "integer":
                return pc.cast(cells, pa.int64())
            case "number":
                return pc.cast(cells, pa.float64(), safe=False)
            case "decimal":
                return self._decimal(cells)
            case "boolean":
                return _boolean(cells)
            case _:
                return self._moment(cells, kind)

    def _decimal(self, cells: Any) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        kind = pa.decimal128(38, self.digits)
        if pa.types.is_string(cells.type):
            cells = pc.cast(cells, pa.decimal256(76, 30))
        if pa.types.is_decimal(cells.type) or pa.types.is_floating(cells.type):
            cells = pc.round(cells, self.digits, round_mode="half_towards_infinity")
        return pc.cast(cells, kind)

    def _moment(self, cells: Any, kind: Kind) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        if pa.types.is_string(cells.type):
            moments = pc.strptime(cells, self.date_form, "us") if self.date_form else pc.cast(cells, pa.timestamp("us"))
        elif pa.types.is_temporal(cells.type):
            moments = cells
        else:
            raise pa.ArrowNotImplementedError("no date")
        return pc.cast(moments, pa.date32() if kind == "date" else pa.timestamp("us"), safe=False)

    def _cleaned(self, cells: Any, kind: Kind) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        cells = pc.utf8_trim_whitespace(cells)
        cells = pc.if_else(pc.equal(cells, ""), pa.scalar(None, pa.string()), cells)
        if kind in {"integer", "number", "decimal"} and self.decimal_sign == ",":
            cells = pc.replace_substring(pc.replace_substring(cells, ".", ""), ",", ".")
        return cells

    def _one_by_one(self, cells: Any, kind: Kind, name: str, before: int) -> Any:
        """Find the cells at fault; only reached when there is one."""
        import pyarrow as pa

        results = []
        for number, cell in enumerate(cells):
            try:
                results.append(self._converted(pa.array([cell.as_py()], cells.type), kind))
            except pa.ArrowInvalid:
                if not self.lenient:
                    raise TableError(
                        f"Column {name!r}, row {before + number + 1}: {cell.as_py()!r} cannot become {_a(kind)}; "
                        "mend it where it comes from, or let such cells become null."
                    ) from None
                results.append(None)
        empty = self._converted(pa.array([], cells.type), kind)
        gaps = pa.nulls(1, empty.type)
        return pa.concat_arrays([empty, *(gaps if result is None else result for result in results)])


def _boolean(cells: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_string(cells.type):
        return pc.cast(cells, pa.bool_())
    small = pc.utf8_lower(cells)
    yes, no = (pc.is_in(small, value_set=pa.array(words)) for words in (_YES, _NO))
    if pc.any(pc.and_(pc.is_valid(small), pc.invert(pc.or_(yes, no)))).as_py():
        raise pa.ArrowInvalid("neither yes nor no")
    return pc.if_else(pc.is_valid(small), yes, pa.scalar(None, pa.bool_()))


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
