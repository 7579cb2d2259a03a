"""What a test run and a plan look like: a table of texts, and a tree with costs as bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QRectF,
    Qt,
    Signal,
)
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence, QPainter
from PySide6.QtWidgets import (
    QHeaderView,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from kailash_studio.desktop.theme import Theme

Index = QModelIndex | QPersistentModelIndex
_NO_INDEX = QModelIndex()
_SHARE = Qt.ItemDataRole.UserRole
_LANE_MARGIN, _LANE_HEIGHT, _LANE_FOOT = 12, 3, 3  # px


class ResultModel(QAbstractTableModel):
    """The first rows of a statement, all of them here: a test run fetches few."""

    def __init__(self, theme: Theme, found: Mapping[str, Any], parent: QObject) -> None:
        super().__init__(parent)
        self._theme = theme
        self.columns: Sequence[str] = found["columns"]
        self._types: Sequence[str] = found["types"]
        self._numeric: Sequence[bool] = found["numeric"]
        self.rows: Sequence[Sequence[str | None]] = found["rows"]

    def rowCount(self, parent: Index = _NO_INDEX) -> int:
        """The rows."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = _NO_INDEX) -> int:
        """The columns."""
        return 0 if parent.isValid() else len(self.columns)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Texts; numbers at the right."""
        text = self.rows[index.row()][index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return "null" if text is None else text.replace("\n", " ⏎ ")
        if role == Qt.ItemDataRole.ToolTipRole and text is not None and len(text) > 40:
            return text
        numeric = self._numeric[index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if numeric else Qt.AlignmentFlag.AlignLeft
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.FontRole and numeric:
            return self._theme.font(12, mono=True)
        if role == Qt.ItemDataRole.ForegroundRole and text is None:
            return self._theme.colour("text3")
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Names, with the type as a tooltip; row numbers from 1."""
        if orientation == Qt.Orientation.Vertical:
            return f"{section + 1:,}" if role == Qt.ItemDataRole.DisplayRole else None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.columns[section]
        if role == Qt.ItemDataRole.ToolTipRole:
            return ": ".join(filter(None, (self.columns[section], self._types[section])))
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if self._numeric[section] else Qt.AlignmentFlag.AlignLeft
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        return None


class ResultTable(QTableView):
    """The first rows; Ctrl+C copies what is selected, as tabs and lines."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setAccessibleName("Result")
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setHorizontalScrollMode(QTableView.ScrollMode.ScrollPerPixel)
        self.setSelectionMode(QTableView.SelectionMode.ContiguousSelection)
        self.verticalHeader().setDefaultSectionSize(28)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.horizontalHeader().setHighlightSections(False)

    def show_rows(self, found: Mapping[str, Any]) -> None:
        """Show what a test run gave."""
        old = self.model()
        self.setModel(ResultModel(self._theme, found, self))
        if old is not None:
            old.deleteLater()
        metrics = self.fontMetrics()
        for column, name in enumerate(found["columns"]):
            texts = [str(row[column] or "")[:60] for row in found["rows"][:40]]
            widest = max(map(metrics.horizontalAdvance, [name, *texts]))
            self.setColumnWidth(column, max(72, min(360, widest + 34)))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Copy."""
        if not event.matches(QKeySequence.StandardKey.Copy):
            super().keyPressEvent(event)
            return
        model, chosen = self.model(), self.selectionModel()
        if isinstance(model, ResultModel) and chosen is not None and not chosen.selection().isEmpty():
            block = chosen.selection().first()
            columns = range(block.left(), block.right() + 1)
            lines = ["\t".join(model.columns[column] for column in columns)]
            for row in range(block.top(), block.bottom() + 1):
                cells = (model.rows[row][column] or "" for column in columns)
                lines.append("\t".join(cell.replace("\t", " ").replace("\n", " ") for cell in cells))
            QGuiApplication.clipboard().setText("\n".join(lines))


class _Bar(QStyledItemDelegate):
    """A number with a bar below its digits, in a lane that stands for the whole: the step's own part of it."""

    def __init__(self, theme: Theme, parent: QObject) -> None:
        super().__init__(parent)
        self._theme = theme

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        super().paint(painter, option, index)
        share = index.data(_SHARE)
        if share is None:
            return
        lane = QRectF(option.rect.adjusted(_LANE_MARGIN, 0, -3, -_LANE_FOOT))
        lane.setTop(lane.bottom() - _LANE_HEIGHT)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        for colour, width in (
            (self._theme.colour("border2", 110), lane.width()),
            (self._theme.colour("red" if share > 0.5 else "amber" if share > 0.2 else "blue"), lane.width() * share),
        ):
            painter.setBrush(colour)
            lane.setWidth(max(width, _LANE_HEIGHT) if width else 0.0)
            painter.drawRoundedRect(lane, _LANE_HEIGHT / 2, _LANE_HEIGHT / 2)
        painter.restore()


class PlanTree(QTreeWidget):
    """A plan as a tree; what costs most stands out, and is chosen.

    Signals:
        details_chosen: The conditions and keys of the step that was chosen, a list of lines.
    """

    details_chosen = Signal(object)
    _COLUMNS = ("Step", "Own cost", "Cost", "Rows", "Real rows", "Own time")

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._items: list[QTreeWidgetItem] = []
        self.setAccessibleName("Plan")
        self.setHeaderLabels(list(self._COLUMNS))
        self.setItemDelegateForColumn(1, _Bar(theme, self))
        self.setItemDelegateForColumn(5, _Bar(theme, self))
        self.setUniformRowHeights(True)
        for column, width in enumerate((300, 96, 84, 84, 92, 104)):
            self.setColumnWidth(column, width)
        self.header().setStretchLastSection(False)
        self.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.currentItemChanged.connect(self._choose)
        theme.changed.connect(self._colour)
        for column in range(1, 6):
            self.headerItem().setTextAlignment(column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)

    def _choose(self, item: QTreeWidgetItem | None) -> None:
        self.details_chosen.emit(item.data(0, _SHARE) if item is not None else [])

    def show_plan(self, plan: Mapping[str, Any]) -> None:
        """Show a plan, ``PlanStep.to_plain``."""
        self.clear()
        self._items = []
        total = plan["cost"] or 0.0
        seconds = plan["seconds"] or 0.0
        self._add(self.invisibleRootItem(), plan, total, seconds)
        self._colour()
        self.expandAll()
        measured = plan["seconds"] is not None
        for column in range(1, 6):  # a database tells some of it
            self.setColumnHidden(column, not any(item.text(column) for item in self._items))
        top = max(self._items, key=lambda item: item.data(5 if measured else 1, _SHARE) or 0.0)
        self.setCurrentItem(top)

    def _colour(self) -> None:
        """Let numbers that are far from what was expected stand out."""
        for item in self._items:
            if item.data(4, _SHARE):
                item.setForeground(4, self._theme.colour("amber"))

    def _add(self, parent: QTreeWidgetItem, step: Mapping[str, Any], total: float, seconds: float) -> None:
        rows, real = step["rows"], step["actual_rows"]
        own_seconds = step["own_seconds"]
        cells = (
            step["title"],
            _number(step["own_cost"]),
            _number(step["cost"]),
            _number(rows),
            _number(real),
            f"{own_seconds * 1000:,.2f} ms" if own_seconds is not None else "",
        )
        item = QTreeWidgetItem(parent, list(cells))
        for column in range(1, 6):
            item.setTextAlignment(column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            item.setFont(column, self._theme.font(12, mono=True))
        item.setData(0, _SHARE, list(step["details"]))
        self._items.append(item)
        item.setToolTip(0, "\n".join([step["title"], *step["details"]]))
        for column, own, whole, what in ((1, step["own_cost"], total, "cost"), (5, own_seconds, seconds, "time")):
            if whole and own is not None:
                item.setData(column, _SHARE, own / whole)
                item.setToolTip(column, f"{own / whole:.0%} of the plan's {what}")
        if rows is not None and real is not None and not 0.1 <= max(rows, 1) / max(real, 1) <= 10:
            item.setData(4, _SHARE, True)
            item.setToolTip(4, "Far from what the planner expects: ANALYZE the table, or look at the condition.")
        for child in step["children"]:
            self._add(item, child, total, seconds)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.2f}" if value != int(value) and value < 1000 else f"{value:,.0f}"
