"""The header of the table: a click sorts, its menu hides columns, and a row of filters stands under the names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QPoint, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QGuiApplication, QKeyEvent
from PySide6.QtWidgets import QHeaderView, QLineEdit, QMenu, QTableView

from kailash_studio.desktop.panels.filter_text import HELP

_FILTER_HEIGHT = 36
_AFTER_MS = 250
_MARGIN = 4


class _Filter(QLineEdit):
    """The filter of one column; Escape empties it."""

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.text():
            self.clear()
        else:
            super().keyPressEvent(event)


@dataclass(frozen=True, slots=True)
class HeaderLook:
    """How a table is looked at, to be taken up again.

    Attributes:
        columns: Its columns; a table with others cannot be looked at so.
        sort: Columns with whether they descend.
        texts: Texts of the filters, by column.
        hidden: Columns that are not shown.
        order: Places of the columns, from left to right.
    """

    columns: tuple[str, ...]
    sort: tuple[tuple[str, bool], ...]
    texts: tuple[tuple[str, str], ...]
    hidden: frozenset[str]
    order: tuple[int, ...]


class TableHeader(QHeaderView):
    """Sorts, filters and hides columns; it knows them by their names.

    Signals:
        look_changed: Another sort or filter holds; ``sort`` and ``filters`` tell.
        hidden_changed: A column was hidden or shown again.
    """

    look_changed = Signal()
    hidden_changed = Signal()

    def __init__(self, view: QTableView) -> None:
        super().__init__(Qt.Orientation.Horizontal, view)
        self._view = view
        self._columns: list[str] = []
        self.sort: list[tuple[str, bool]] = []
        self.filtering = False
        self._fields: dict[int, _Filter] = {}
        self._held = False  # widths are being set: the filters are placed once, after the last
        self._texts: dict[str, str] = {}
        self.setAccessibleName("Columns")
        self.setSectionsClickable(True)
        self.setSectionsMovable(True)
        self.setHighlightSections(False)
        self.setDefaultSectionSize(150)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self._later = QTimer(self, singleShot=True, interval=_AFTER_MS)
        self._later.timeout.connect(self.look_changed)
        self.sectionClicked.connect(self._clicked)
        self.customContextMenuRequested.connect(self._open_menu)
        self.sectionResized.connect(self._place)
        self.sectionMoved.connect(self._place)
        view.horizontalScrollBar().valueChanged.connect(self._place)

    # ------------------------------------------------------------------ what holds
    @property
    def filters(self) -> dict[str, str]:
        """The texts of the filters, by column; none while the row of filters is hidden."""
        return dict(self._texts) if self.filtering else {}

    def look(self) -> HeaderLook:
        """How the table is looked at."""
        order = tuple(self.logicalIndex(place) for place in range(self.count()))
        texts = tuple(self._texts.items())
        return HeaderLook(tuple(self._columns), tuple(self.sort), texts, frozenset(self.hidden), order)

    def start(self, columns: list[str], look: HeaderLook | None = None) -> None:
        """Begin with another table: nothing is sorted, filtered or hidden, but for what a look of its columns says."""
        self._later.stop()
        self._columns = columns
        self.sort, self._texts = (list(look.sort), dict(look.texts)) if look is not None else ([], {})
        for field in self._fields.values():
            field.hide()
            field.deleteLater()
        self._fields = {}
        hidden = look.hidden if look is not None else frozenset()
        with self.held():
            for column, name in enumerate(columns[: self.count()]):
                self.setSectionHidden(column, name in hidden)
            for place in range(self.count()):
                self.moveSection(self.visualIndex(look.order[place] if look is not None else place), place)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Place the filters after all that happens inside, not after each change of a width."""
        before, self._held = self._held, True
        try:
            yield
        finally:
            self._held = before
            self._place()

    def sort_by(self, column: str, descends: bool | None, *, add: bool = False) -> None:
        """Sort by a column; None: no longer by it. ``add`` keeps the other keys and this one's place."""
        keys = dict(self.sort) if add else {}
        if descends is None:
            keys.pop(column, None)
        else:
            keys[column] = descends
        self.sort = list(keys.items())
        self.look_changed.emit()

    def sort_from_keys(self, section: int, descends: bool, *, add: bool = False) -> None:
        """Sort by a column, or let go of it where it is sorted so already."""
        column = self._columns[section]
        self.sort_by(column, None if dict(self.sort).get(column) == descends else descends, add=add)

    def _clicked(self, section: int) -> None:
        column = self._columns[section]
        add = bool(QGuiApplication.keyboardModifiers() & Qt.KeyboardModifier.ShiftModifier)
        now = dict(self.sort).get(column)
        self.sort_by(column, {None: False, False: True, True: None}[now], add=add)

    # ------------------------------------------------------------------ filters
    def show_filters(self, shown: bool) -> None:
        """Show or hide the row of filters; hidden ones do not hold."""
        if shown == self.filtering:
            return
        self.filtering = shown
        self._view.updateGeometries()
        self.updateGeometries()
        if any(self._texts.values()):
            self.look_changed.emit()

    def field(self, column: int) -> QLineEdit:
        """The filter of a column."""
        found = self._fields.get(column)
        if found is None:
            name = self._columns[column]
            found = self._fields[column] = _Filter(self)
            found.setObjectName("column_filter")
            found.setPlaceholderText("Filter")
            found.setAccessibleName(f"Filter of {name}")
            found.setToolTip(HELP)
            found.setText(self._texts.get(name, ""))
            found.textChanged.connect(lambda text, name=name: self._typed(name, text))
            found.returnPressed.connect(self._entered)
        return found

    def _typed(self, column: str, text: str) -> None:
        if text.strip():
            self._texts[column] = text
        else:
            self._texts.pop(column, None)
        self._later.start()

    def _entered(self) -> None:
        self._later.stop()
        self.look_changed.emit()

    def in_sight(self) -> list[int]:
        """The columns in sight, from left to right."""
        found: list[int] = []
        width = self.viewport().width()
        for place in range(max(0, self.visualIndexAt(0)), self.count()):
            column = self.logicalIndex(place)
            if self.sectionViewportPosition(column) >= width:
                break
            if not self.isSectionHidden(column):
                found.append(column)
        return found

    def _place(self, *_: object) -> None:
        """Put the filters under the names of the columns in sight; those out of sight are not made."""
        if self._held or not (self.filtering or self._fields):
            return
        seen = [column for column in self.in_sight() if column < len(self._columns)] if self.filtering else []
        top = super().sizeHint().height()
        for column in seen:
            field = self.field(column)
            field.setGeometry(
                self.viewport().x() + self.sectionViewportPosition(column) + _MARGIN,
                top + _MARGIN,
                self.sectionSize(column) - 2 * _MARGIN,
                _FILTER_HEIGHT - 2 * _MARGIN,
            )
            field.show()
        for column in self._fields.keys() - set(seen):
            self._fields[column].hide()

    def sizeHint(self) -> QSize:
        """The names, and the row of filters."""
        size = super().sizeHint()
        if self.filtering:
            size.setHeight(size.height() + _FILTER_HEIGHT)
        return size

    def updateGeometries(self) -> None:
        """Keep the names above the filters."""
        self.setViewportMargins(0, 0, 0, _FILTER_HEIGHT if self.filtering else 0)
        super().updateGeometries()
        self._place()

    # ------------------------------------------------------------------ columns
    @property
    def hidden(self) -> list[str]:
        """The columns that are hidden."""
        return [name for column, name in enumerate(self._columns) if self.isSectionHidden(column)]

    def hide_column(self, column: str, hide: bool = True) -> None:
        """Hide a column or show it again; one always stays."""
        if hide and len(self.hidden) + 1 >= len(self._columns):
            return
        self.setSectionHidden(self._columns.index(column), hide)
        self._place()
        self.hidden_changed.emit()

    def _show_again(self, column: str, checked: bool = False) -> None:
        self.hide_column(column, False)

    def show_all(self) -> None:
        """Show every column."""
        with self.held():
            for column in range(self.count()):
                self.setSectionHidden(column, False)
        self.hidden_changed.emit()

    def _open_menu(self, at: QPoint) -> None:
        section = self.logicalIndexAt(at)
        if 0 <= section < len(self._columns):
            self.open_menu(section, self.mapToGlobal(at))

    def open_menu(self, section: int, at: QPoint, before: Sequence[QAction] = ()) -> QMenu:
        """Open the menu of a column at a place on the screen, with actions of the table before its own."""
        menu = self.menu(self._columns[section])
        if before:
            first = menu.actions()[0]
            menu.insertActions(first, list(before))
            menu.insertSeparator(first)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(at)
        return menu

    def menu(self, column: str) -> QMenu:
        """The menu of a column."""
        menu = QMenu(self)
        for text, enabled, do in (
            ("Sort ascending\tAlt+Up", True, lambda: self.sort_by(column, False)),
            ("Sort descending\tAlt+Down", True, lambda: self.sort_by(column, True)),
            ("Do not sort by it", column in dict(self.sort), lambda: self.sort_by(column, None, add=True)),
            ("Hide column", len(self.hidden) + 1 < len(self._columns), lambda: self.hide_column(column)),
        ):
            action = menu.addAction(text)
            action.setEnabled(enabled)
            action.triggered.connect(do)
        hidden = self.hidden
        if hidden:
            shown_again = menu.addMenu("Show column")
            for name in hidden:
                shown_again.addAction(name.replace("&", "&&")).triggered.connect(partial(self._show_again, name))
            menu.addAction("Show all columns").triggered.connect(self.show_all)
        return menu
