"""The palette: node types by category, with search; dragged onto the canvas, or added with Enter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QMimeData, QPoint, QSize, Qt, Signal
from PySide6.QtGui import QDrag, QFontMetricsF, QKeyEvent, QPainter, QPixmap
from PySide6.QtWidgets import QHeaderView, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

from kailash_studio.desktop.dialogs.chooser import score
from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import SearchField, label, panel_header

MIME = "application/x-kailash-node-type"
_TYPE = Qt.ItemDataRole.UserRole


@dataclass(frozen=True, slots=True)
class PaletteEntry:
    """A node type as the palette shows it."""

    type_name: str
    title: str
    category: str
    icon: str
    doc: str
    keywords: tuple[str, ...] = ()

    def points(self, query: str) -> int:
        """How well a search fits; 0: not at all."""
        best = max(score(query, self.title), score(query, self.type_name))
        words = max((score(query, word) for word in self.keywords), default=0)
        said = score(query, self.doc) if len(query) > 2 and query.lower() in self.doc.lower() else 0
        return max(best, words // 2, score(query, self.category) // 4, said // 8)


class Palette(QWidget):
    """The list of node types.

    Signals:
        add_requested: A node type is to be placed where there is room.
        let_go: It is placed by a double click: what is typed next is meant for it.
    """

    add_requested = Signal(str)
    let_go = Signal()

    def __init__(self, theme: Theme, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme, self._icons = theme, icons
        self._entries: Sequence[PaletteEntry] = ()
        self._broken: Sequence[tuple[str, str]] = ()
        self.search = SearchField(icons, "Filter nodes", self)
        self.search.textChanged.connect(self._fill)
        self.search.moved_down.connect(self._into_list)
        self.search.entered.connect(self._add_best)
        self.tree = _Tree(theme, icons, self)
        self.tree.itemDoubleClicked.connect(lambda item, _: self.let_go.emit() if item.data(0, _TYPE) else None)
        self.tree.itemActivated.connect(self._activated)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(panel_header("Nodes", self))
        field = QVBoxLayout()
        field.setContentsMargins(12, 4, 12, 8)
        field.addWidget(self.search)
        layout.addLayout(field)
        layout.addWidget(self.tree, 1)
        hint = label("Drag a node onto the canvas, or press Tab there.", "muted")
        hint.setWordWrap(True)
        hint.setContentsMargins(12, 8, 12, 10)
        layout.addWidget(hint)
        theme.changed.connect(self._repaint)

    def set_types(self, entries: Sequence[PaletteEntry], broken: Sequence[tuple[str, str]] = ()) -> None:
        """Show these types; ``broken`` are plugins that could not be loaded, with the reason."""
        self._entries, self._broken = entries, broken
        self._fill(self.search.text())

    def _repaint(self) -> None:
        self.search.repaint_icon()
        self._fill(self.search.text())

    def _fill(self, query: str) -> None:
        self.tree.clear()
        ranked = [(entry.points(query), entry) for entry in self._entries]
        found = [(points, entry) for points, entry in ranked if points]
        order: dict[str, int] = {}
        for points, entry in found:
            order[entry.category] = max(order.get(entry.category, 0), points)
        categories = sorted(order, key=lambda c: (-order[c], c)) if query else sorted(order)
        for category in categories:
            members = [(points, entry) for points, entry in found if entry.category == category]
            if query:
                members.sort(key=lambda item: -item[0])
            group = self._group(category, len(members))
            token = self._theme.category_colour(category)
            for _, entry in members:
                item = QTreeWidgetItem(group, [entry.title])
                item.setIcon(0, self._icons.icon(entry.icon, token))
                item.setToolTip(0, f"<b>{entry.type_name}</b><br>{entry.doc}")
                item.setData(0, _TYPE, entry.type_name)
            group.setExpanded(True)
        if self._broken and not query:
            group = self._group("Not loaded", len(self._broken))
            for name, reason in self._broken:
                item = QTreeWidgetItem(group, [name])
                item.setIcon(0, self._icons.icon("triangle-alert", "amber"))
                item.setToolTip(0, reason)
                item.setFlags(Qt.ItemFlag.ItemIsEnabled)
            group.setExpanded(True)
        if query and not found:
            item = QTreeWidgetItem(self.tree, [f"No node type fits “{query}”."])
            item.setFlags(Qt.ItemFlag.NoItemFlags)
        first = self._first()
        if query and first is not None:
            self.tree.setCurrentItem(first)

    def _group(self, category: str, count: int) -> QTreeWidgetItem:
        group = QTreeWidgetItem(self.tree, [f"{category}   {count}"])
        group.setFlags(Qt.ItemFlag.ItemIsEnabled)
        group.setFont(0, self._theme.font(13))
        group.setForeground(0, self._theme.colour("text2"))
        return group

    def _first(self) -> QTreeWidgetItem | None:
        group = self.tree.topLevelItem(0)
        return group.child(0) if group is not None and group.childCount() else None

    def _into_list(self) -> None:
        first = self._first()
        if first is not None:
            self.tree.setFocus()
            self.tree.setCurrentItem(first)

    def _add_best(self) -> None:
        item = self.tree.currentItem() or self._first()
        if item is not None:
            self._activated(item)

    def _activated(self, item: QTreeWidgetItem) -> None:
        type_name = item.data(0, _TYPE)
        if type_name:
            self.add_requested.emit(type_name)

    def item_of(self, type_name: str) -> QTreeWidgetItem | None:
        """The row of a node type, when it is shown."""
        for index in range(self.tree.topLevelItemCount()):
            group = self.tree.topLevelItem(index)
            for row in range(group.childCount() if group is not None else 0):
                child = group.child(row) if group is not None else None
                if child is not None and child.data(0, _TYPE) == type_name:
                    return child
        return None


class _Tree(QTreeWidget):
    """The tree; what is dragged from it is the name of a node type."""

    def __init__(self, theme: Theme, icons: Icons, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme, self._icons = theme, icons
        self.setHeaderHidden(True)
        self.setIconSize(QSize(16, 16))
        self.setIndentation(14)
        self.setDragEnabled(True)
        self.setAccessibleName("Node types")
        self.setUniformRowHeights(True)
        self.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)  # a title is cut, its tooltip has it

    def startDrag(self, supported: Qt.DropAction) -> None:
        """Drag a node type, with its icon and title under the cursor."""
        item = self.currentItem()
        if item is None or not item.data(0, _TYPE):
            return
        drag = QDrag(self)
        drag.setMimeData(self.mimeData([item]))
        pixmap = self._card(item)
        drag.setPixmap(pixmap)
        drag.setHotSpot(QPoint(16, 18))
        drag.exec(Qt.DropAction.CopyAction)

    def mimeData(self, items: Iterable[QTreeWidgetItem]) -> QMimeData:
        """What a drag carries: the name of the node type."""
        data = QMimeData()
        data.setData(MIME, next(iter(items)).data(0, _TYPE).encode("utf-8"))
        return data

    def _card(self, item: QTreeWidgetItem) -> QPixmap:
        ratio = self.devicePixelRatioF()
        font = self._theme.font(13)
        width = round(QFontMetricsF(font).horizontalAdvance(item.text(0))) + 56
        pixmap = QPixmap(round(width * ratio), round(36 * ratio))
        pixmap.setDevicePixelRatio(ratio)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(self._theme.colour("accent"))
        painter.setBrush(self._theme.colour("node", 235))
        painter.drawRoundedRect(1, 1, width - 2, 34, 8, 8)
        item.icon(0).paint(painter, 12, 10, 16, 16)
        painter.setFont(font)
        painter.setPen(self._theme.colour("text"))
        painter.drawText(38, 1, width - 46, 34, Qt.AlignmentFlag.AlignVCenter, item.text(0))
        painter.end()
        return pixmap

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter adds the current node type."""
        item = self.currentItem()
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and item is not None:
            self.itemActivated.emit(item, 0)
        else:
            super().keyPressEvent(event)
