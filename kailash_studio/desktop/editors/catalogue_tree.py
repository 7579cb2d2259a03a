"""The tables and columns of a database, to look at and to put names into a statement."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHeaderView, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import SearchField
from kailash_studio.services.sql_catalogue import Catalogue, Relation
from kailash_studio.services.sql_words import quoted

_MOST_SHOWN = 300
_NAME = Qt.ItemDataRole.UserRole
_RELATION = Qt.ItemDataRole.UserRole + 1


class CatalogueTree(QWidget):
    """Tables with their columns, filled when they are opened; a double click or Enter hands a name over.

    Signals:
        taken: A name as it is written in a statement.
    """

    taken = Signal(str)

    def __init__(self, theme: Theme, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme, self._icons = theme, icons
        self._catalogue: Catalogue | None = None
        self.search = SearchField(icons, "Filter tables and columns", self)
        self.search.textChanged.connect(lambda _: self._fill())
        self.tree = QTreeWidget(self)
        self.tree.setAccessibleName("Tables and columns")
        self.tree.setHeaderHidden(True)
        self.tree.setColumnCount(2)
        self.tree.setUniformRowHeights(True)
        self.tree.setIndentation(16)
        self.tree.header().setStretchLastSection(False)
        self.tree.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.tree.header().setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.tree.itemExpanded.connect(self._fill_columns)
        self.tree.itemActivated.connect(self._take)
        self.tree.setExpandsOnDoubleClick(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.search)
        layout.addWidget(self.tree, 1)

    def show_catalogue(self, catalogue: Catalogue) -> None:
        """Show a database's tables; what is open stays open."""
        self._catalogue = catalogue
        self._fill()

    def repaint_icons(self) -> None:
        """Take the icons and colours of the present theme."""
        self.search.repaint_icon()
        self._fill()

    def _fill(self) -> None:
        if self._catalogue is None:
            return
        wanted = self.search.text().strip().lower()
        found = [r for r in self._catalogue.relations if _fits(r, wanted)]
        opened = {item.data(0, _NAME) for item in self._tops() if item.isExpanded()}
        self.tree.clear()
        for relation in found[:_MOST_SHOWN]:
            name = self._name(relation)
            item = QTreeWidgetItem(self.tree, [relation.name, relation.schema])
            item.setIcon(0, self._icons.icon("eye" if relation.kind == "view" else "table", "amber"))
            item.setForeground(1, self._theme.colour("text3"))
            item.setToolTip(
                0, f"{relation.kind.capitalize()} {name}. A double click or Enter puts its name into the statement."
            )
            item.setData(0, _NAME, name)
            item.setData(0, _RELATION, relation)
            item.setChildIndicatorPolicy(QTreeWidgetItem.ChildIndicatorPolicy.ShowIndicator)
            item.setExpanded(name in opened or (bool(wanted) and len(found) <= 3) or len(found) == 1)
        if len(found) > _MOST_SHOWN:
            more = QTreeWidgetItem(self.tree, [f"{len(found) - _MOST_SHOWN:,} more: filter them"])
            more.setFlags(Qt.ItemFlag.NoItemFlags)

    def _name(self, relation: Relation) -> str:
        assert self._catalogue is not None  # it is filled from one
        near = self._catalogue.find(relation.name) is relation
        name = self._written(relation.name)
        return name if near else f"{self._written(relation.schema)}.{name}"

    def _written(self, name: str) -> str:
        assert self._catalogue is not None  # it is filled from one
        return quoted(name, self._catalogue.dialect)

    def _fill_columns(self, item: QTreeWidgetItem) -> None:
        relation = item.data(0, _RELATION)
        if relation is None or item.childCount():
            return
        for column in relation.columns:
            child = QTreeWidgetItem(item, [column.name, column.type])
            child.setForeground(1, self._theme.colour("text3"))
            child.setToolTip(0, f"{column.name}: {column.type}{', never null' if column.required else ''}")
            child.setData(0, _NAME, self._written(column.name))

    def _tops(self) -> list[QTreeWidgetItem]:
        found = (self.tree.topLevelItem(row) for row in range(self.tree.topLevelItemCount()))
        return [item for item in found if item is not None]

    def _take(self, item: QTreeWidgetItem, column: int) -> None:
        name = item.data(0, _NAME)
        if name:
            self.taken.emit(name)


def _fits(relation: Relation, wanted: str) -> bool:
    return wanted in f"{relation.schema}.{relation.name}".lower() or any(
        wanted in c.name.lower() for c in relation.columns
    )
