"""What node types that write one file have in common."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from kailash_studio.errors import NodeError
from kailash_studio.nodes.named_files import file_of
from kailash_studio.spec.context import Outputs, RunContext
from kailash_studio.spec.node import Effect, Execution
from kailash_studio.tables.table import Table


class FileWriting:
    """Before ``Node`` among the bases of a node type with the parameters ``path`` and ``if_exists``."""

    effect: ClassVar[Effect] = "idempotent"
    execution: ClassVar[Execution] = "thread"

    path: str
    if_exists: Literal["replace", "fail"]

    @classmethod
    def effects_of(cls, parameters: Mapping[str, Any]) -> list[str]:
        """Writes a file."""
        return [f"writes {file_of(parameters.get('path'))}"]

    def file_to_write(self, context: RunContext) -> Path:
        """Where to write.

        Raises:
            NodeError: There is a file already that must not be replaced.
        """
        path = context.path(self.path)
        if self.if_exists == "fail" and path.exists():
            raise NodeError(f"{path} is there already: remove it, or let it be replaced.")
        return path


class TableWriting(FileWriting):
    """The same, with an input ``rows`` and outputs ``file`` and ``row_count``."""

    def run(self, context: RunContext) -> Outputs:
        """Write, and say where."""
        path, rows = self.file_to_write(context), Table.of(context.inputs["rows"])
        self.write(rows, path)
        return {"file": str(path), "row_count": len(rows)}

    def first_rows(self, context: RunContext, most: int) -> Outputs:
        """The first rows that would be written."""
        return {"rows": Table.of(context.inputs["rows"])[:most]}

    def write(self, rows: Table, path: Path) -> None:
        """Write all rows."""
        raise NotImplementedError  # pragma: no cover - each node type has its own
