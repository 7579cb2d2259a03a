"""The header of the table: a click sorts, its menu hides columns, and a row of filters stands under the names."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QPoint, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent
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

    def start(self, columns: list[str]) -> None:
        """Begin with another table: nothing is sorted, filtered or hidden."""
        self._later.stop()
        self._columns, self.sort, self._texts = columns, [], {}
        for field in self._fields.values():
            field.hide()
            field.deleteLater()
        self._fields = {}
        for column in range(self.count()):
            self.setSectionHidden(column, False)
            self.moveSection(self.visualIndex(column), column)
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

    def _place(self, *_: object) -> None:
        """Put the filters under the names of the columns in sight; those out of sight are not made."""
        width, top = self.viewport().width(), super().sizeHint().height()
        for column in range(min(self.count(), len(self._columns))):
            left, size = self.sectionViewportPosition(column), self.sectionSize(column)
            seen = self.filtering and not self.isSectionHidden(column) and left < width and left + size > 0
            if seen:
                field = self.field(column)
                field.setGeometry(
                    self.viewport().x() + left + _MARGIN,
                    top + _MARGIN,
                    size - 2 * _MARGIN,
                    _FILTER_HEIGHT - 2 * _MARGIN,
                )
                field.show()
            elif column in self._fields:
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
        for name in self.hidden:
            self.hide_column(name, False)

    def _open_menu(self, at: QPoint) -> None:
        section = self.logicalIndexAt(at)
        if 0 <= section < len(self._columns):
            menu = self.menu(self._columns[section])
            menu.aboutToHide.connect(menu.deleteLater)
            menu.popup(self.mapToGlobal(at))

    def menu(self, column: str) -> QMenu:
        """The menu of a column."""
        menu = QMenu(self)
        for text, enabled, do in (
            ("Sort ascending", True, lambda: self.sort_by(column, False)),
            ("Sort descending", True, lambda: self.sort_by(column, True)),
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
