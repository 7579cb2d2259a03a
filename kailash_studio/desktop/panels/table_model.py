"""A table model whose rows are fetched in pages when they come into view; only the last pages stay in memory."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from html import escape
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal

from kailash_studio.desktop.theme import Theme
from kailash_studio.errors import StudioError

PAGE = 200
KEPT_PAGES = 50
NUMBERS = frozenset({"integer", "number", "decimal"})

MOST_ASKED = 6
"""Pages on the way at once: who scrolls on does not wait for those in between."""

Fetch = Callable[..., Awaitable[dict[str, Any]]]
"""Gives a page: offset, limit, and the words of a look (``sort``, ``filter``) where there is one."""
_SAMPLED = 40
_IN_TOOLTIP = 1_000
_HEADER_HELP = "A click sorts, with Shift by one more column; Alt+Up and Alt+Down in the table as well."
Index = QModelIndex | QPersistentModelIndex
_NO_INDEX = QModelIndex()


class PagedTable(QAbstractTableModel):
    """Rows of one table, by pages.

    Signals:
        failed: A page could not be fetched; the sentence.
    """

    failed = Signal(str)

    def __init__(
        self, theme: Theme, fetch: Fetch, first: dict[str, Any], parent: QObject, look: dict[str, Any] | None = None
    ) -> None:
        super().__init__(parent)
        self._theme, self._fetch = theme, fetch
        self.columns: list[str] = first["columns"]
        self.types: list[str] = first["types"]
        self.total: int = first["total"]
        self.page_rows: int = first.get("limit", PAGE)  # fewer where the table is wide
        self.look: dict[str, Any] = look or {}
        self._pages: OrderedDict[int, list[list[str | None]]] = OrderedDict({0: first["rows"]})
        self._asked: dict[int, asyncio.Task[None]] = {}

    def rowCount(self, parent: Index = _NO_INDEX) -> int:
        """All rows of the table."""
        return 0 if parent.isValid() else self.total

    def columnCount(self, parent: Index = _NO_INDEX) -> int:
        """Its columns."""
        return 0 if parent.isValid() else len(self.columns)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """The text of a cell, or a placeholder while its page is on the way."""
        if role == Qt.ItemDataRole.DisplayRole:
            text = self.cell(index.row(), index.column())
            return "null" if text is None else text
        if role == Qt.ItemDataRole.ToolTipRole:
            return tooltip(self.cell(index.row(), index.column()))
        if role == Qt.ItemDataRole.TextAlignmentRole:
            right = self.types[index.column()] in NUMBERS
            side = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.FontRole and self.types[index.column()] in NUMBERS:
            return self._theme.font(12, mono=True)
        if role == Qt.ItemDataRole.ForegroundRole and self.cell(index.row(), index.column()) is None:
            return self._theme.colour("text3")
        return None

    def cell(self, row: int, column: int) -> str | None:
        """The text of a cell; None for null, "…" while it is on the way."""
        number = row // self.page_rows
        page = self._pages.get(number)
        if page is None:
            self._ask(number)
            return "…"
        self._pages.move_to_end(number)
        inner = row - number * self.page_rows
        return page[inner][column] if inner < len(page) else "…"

    def sample(self, column: int) -> list[str]:
        """Texts of a column that are there already."""
        page = next(iter(self._pages.values()), [])
        return ["null" if row[column] is None else str(row[column]) for row in page[:_SAMPLED]]

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Column names, with the type as a tooltip; row numbers from 1."""
        if orientation == Qt.Orientation.Horizontal:
            if role == Qt.ItemDataRole.DisplayRole:
                return self.columns[section] + self._sort_mark(self.columns[section])
            if role == Qt.ItemDataRole.ToolTipRole:
                return f"{self.columns[section]}: {self.types[section]}. {_HEADER_HELP}"
            if role == Qt.ItemDataRole.TextAlignmentRole:
                right = self.types[section] in NUMBERS
                side = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
                return int(side | Qt.AlignmentFlag.AlignVCenter)
        elif role == Qt.ItemDataRole.DisplayRole:
            return f"{section + 1:,}"
        return None

    def _sort_mark(self, column: str) -> str:
        keys = [name for name, _ in self.look.get("sort", [])]
        if column not in keys:
            return ""
        place = keys.index(column)
        arrow = "↓" if self.look["sort"][place][1] else "↑"
        return f"  {arrow}{place + 1 if len(keys) > 1 else ''}"

    def show(self, look: dict[str, Any], first: dict[str, Any]) -> None:
        """Show the same table under another sort or filter, from its first page."""
        self.stop()
        self.beginResetModel()
        self.look, self.total = look, first["total"]
        self._pages = OrderedDict({0: first["rows"]})
        self.endResetModel()

    def _ask(self, number: int) -> None:
        if number in self._asked:
            return
        while len(self._asked) >= MOST_ASKED:
            self._asked.pop(next(iter(self._asked))).cancel()
        self._asked[number] = asyncio.ensure_future(self._load(number))

    async def _load(self, number: int) -> None:
        try:
            page = await self._fetch(number * self.page_rows, self.page_rows, **self.look)
        except StudioError as error:
            self.failed.emit(str(error))
            return
        finally:
            if self._asked.get(number) is asyncio.current_task():
                del self._asked[number]
        self._pages[number] = page["rows"]
        while len(self._pages) > KEPT_PAGES:
            self._pages.popitem(last=False)
        last = min(self.total, (number + 1) * self.page_rows) - 1
        self.dataChanged.emit(self.index(number * self.page_rows, 0), self.index(last, len(self.columns) - 1), [])

    def stop(self) -> None:
        """Give up on pages that are on the way."""
        for task in list(self._asked.values()):
            task.cancel()
        self._asked.clear()


def tooltip(text: str | None) -> str:
    """A cell's text as a tooltip, which breaks it where it is wide and takes no sign of it for markup."""
    if text is None:
        return "null"
    shown = text if len(text) <= _IN_TOOLTIP else text[:_IN_TOOLTIP] + "…"
    return f'<p style="white-space: pre-wrap">{escape(shown)}</p>' if shown.strip() else ""
