"""Copies cells of a table to the clipboard: the engine makes the lines, since few of them are in the window."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from kailash_studio.desktop.panels.table_grid import Chosen
from kailash_studio.errors import NodeError
from kailash_studio.runtime.table_copy import MAX_CELL, quoted

MOST_CELLS = 1_000_000
MOST_LETTERS = 50_000_000
_INSTEAD = "select fewer, or let a FileWriterNode, ExcelWriterNode or ParquetWriterNode write them to a file"

Ask = Callable[..., Awaitable[dict[str, Any]]]
"""Gives lines: offset, limit, columns, and the words of a look."""


async def lines_of(ask: Ask, chosen: Chosen, look: dict[str, Any], told: Callable[[str], None]) -> tuple[str, str]:
    """The selected cells under their names, as lines.

    Args:
        ask: Asks the engine for some of them.
        chosen: What is selected.
        look: How the table is looked at.
        told: Hears how far it is.

    Returns:
        The text, and what is to be said about it.

    Raises:
        NodeError: It is too much for a clipboard.
        EngineError: There is no such value any more.
    """
    cells = chosen.rows * len(chosen.columns)
    if cells > MOST_CELLS:
        raise NodeError(f"Nothing was copied: {cells:,} cells are more than {MOST_CELLS:,}; {_INSTEAD}.")
    pieces = ["\t".join(map(quoted, chosen.columns))]
    done = letters = cut = 0
    while done < chosen.rows:
        piece = await ask(chosen.first + done, chosen.rows - done, chosen.columns, **look)
        if not piece["rows"]:
            break  # the table has become shorter; what is said counts the rows that came
        pieces.append(piece["text"])
        done += piece["rows"]
        cut += piece["cut"]
        letters += len(piece["text"])
        if letters > MOST_LETTERS:
            raise NodeError(
                f"Nothing was copied: the cells are longer than {MOST_LETTERS:,} letters after {done:,} of "
                f"{chosen.rows:,} rows; {_INSTEAD}."
            )
        told(f"Copying: {done:,} of {chosen.rows:,} rows; Escape stops it")
    said = f"Copied {done:,} row{'s' * (done != 1)}"
    if cut:
        said += f"; {cut:,} cell{'s' * (cut != 1)} of more than {MAX_CELL:,} letters had to be cut"
    return "\n".join(pieces), said
