"""What node types that make one table of another have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from kailash_studio.errors import TableError
from kailash_studio.spec.context import Outputs, RunContext
from kailash_studio.spec.node import Effect, Execution
from kailash_studio.tables.table import Table


class TableChange:
    """Before ``Node`` among the bases of a node type with an input ``rows`` and an output ``data``.

    It runs in a thread: Arrow computes without Python's lock, so the engine goes on meanwhile.
    """

    category: ClassVar[str] = "Tables"
    execution: ClassVar[Execution] = "thread"
    effect: ClassVar[Effect] = "pure"

    def run(self, context: RunContext) -> Outputs:
        """The changed table; what has neither rows nor columns (an empty list) stays that."""
        table = Table.of(context.inputs["rows"])
        return {"data": refused_by_arrow(self.change, table.arrow) if table.column_names else table}

    def change(self, arrow: Any) -> Table:
        """Make the new table of a ``pyarrow.Table``."""
        raise NotImplementedError  # pragma: no cover - each node type has its own


def refused_by_arrow(work: Any, *arguments: Any) -> Any:
    """Call something, with what Arrow refuses turned into an error of ours.

    Raises:
        TableError: Arrow cannot do it with columns of these types.
    """
    import pyarrow as pa

    try:
        return work(*arguments)
    except pa.ArrowMemoryError as error:
        raise MemoryError(str(error)) from None
    except pa.ArrowException as error:
        said = str(error).partition("\n")[0].rstrip(".")
        raise TableError(f"The table cannot be changed so: {said}; cast or leave out the column.") from None
