"""The large SQL editor: statement, values, tables, problems, first rows and plan, in a window of its own."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from html import escape
from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QKeyEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QCheckBox,
    QComboBox,
    QDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSplitter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from kailash_studio.desktop.editors.catalogue_tree import CatalogueTree
from kailash_studio.desktop.editors.parameter_grid import ParameterGrid
from kailash_studio.desktop.editors.sql import SqlEditor
from kailash_studio.desktop.editors.sql_outcome import SqlOutcome
from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import ElidedLabel, label, tab_as_laid_out
from kailash_studio.services.sql_catalogue import Catalogue
from kailash_studio.services.sql_text import Given

LIMITS = (50, 200, 1000)
_CHECK_AFTER_MS = 250
_TICK_MS = 100


class SqlWorkbench(QDialog):
    """The editor of one statement of one node. It asks nobody itself: whoever opened it hears its wishes.

    Signals:
        committed: The statement.
        values_changed: The values.
        check_wanted: The statement or its values rest for a moment: look at them.
        run_wanted: How many rows.
        explain_wanted: Whether to measure.
        cancel_wanted: Stop what is under way.
        catalogue_wanted: The tables should be read anew.
        closed: It was closed.
    """

    committed = Signal(str)
    values_changed = Signal(object)
    check_wanted = Signal()
    run_wanted = Signal(int)
    explain_wanted = Signal(bool)
    cancel_wanted = Signal()
    catalogue_wanted = Signal()
    closed = Signal()

    def __init__(self, theme: Theme, icons: Icons, title: str, field: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("sql_workbench")
        self.setWindowFlags(Qt.WindowType.Window)
        self.setWindowTitle(f"{title} · {field} - SQL")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._theme, self._icons = theme, icons
        self._busy_since: float | None = None
        self._busy_word = ""
        self._types: dict[str, str] = {}
        self._asked: list[str] = []
        self._given = Given()
        self._fixed: Collection[str] = ()
        self._declared: Mapping[str, Any] = {}
        self._check: Mapping[str, Any] | None = None
        self.editor = SqlEditor(theme, self)
        self.editor.committed.connect(self.committed)
        self.editor.run_asked.connect(self.run)
        self.editor.edited.connect(self._edited)
        self.editor.cursorPositionChanged.connect(self._show_place)
        self.grid = ParameterGrid(theme, self)
        self.grid.changed.connect(self._values_changed)
        self.grid.run_asked.connect(self.run)
        self.catalogue = CatalogueTree(theme, icons, self)
        self.catalogue.taken.connect(self.editor.insert_name)
        self.outcome = SqlOutcome(theme, icons, self)
        self.outcome.problems.jump.connect(self.editor.go_to)
        self._check_timer = QTimer(self, singleShot=True, interval=_CHECK_AFTER_MS)
        self._check_timer.timeout.connect(self.check_wanted)
        self._tick = QTimer(self, interval=_TICK_MS)
        self._tick.timeout.connect(self._show_seconds)
        self._make_parts(title, field)
        self._lay_out()
        self._repaint()
        theme.changed.connect(self._repaint)
        self.resize(1240, 800)
        self.setMinimumSize(760, 480)
        self.editor.setFocus()

    # ------------------------------------------------------------------ putting together
    def _make_parts(self, title: str, field: str) -> None:
        self._mark = QLabel(self)
        self._title = label(title, "h2", self)
        self._field = label(field, "muted", self)
        self.where = ElidedLabel("where", self)
        self.run_button = QPushButton(" Test run", self)
        self.run_button.setObjectName("primary")
        self.run_button.setToolTip("Show the first rows; nothing stays (Ctrl+Enter)")
        self.run_button.clicked.connect(self.run)
        self.limit = QComboBox(self)
        self.limit.setAccessibleName("Rows of a test run")
        for rows in LIMITS:
            self.limit.addItem(f"{rows:,} rows", rows)
        self.limit.setCurrentIndex(1)
        self.explain_button = QPushButton(" Explain", self)
        self.explain_button.setToolTip("Show the plan (Ctrl+Shift+E)")
        self.explain_button.setShortcut("Ctrl+Shift+E")
        self.explain_button.clicked.connect(self.explain)
        self.measure = QCheckBox("Measure", self)
        self.measure.setToolTip("Run the statement for real times and rows (ANALYZE); what it writes is rolled back.")
        self.cancel_button = QPushButton(" Cancel", self)
        self.cancel_button.setToolTip("Stop what the database is doing for this editor (Esc)")
        self.cancel_button.clicked.connect(self.cancel_wanted)
        self.refresh = QToolButton(self)
        self.refresh.setToolTip("Read the tables anew")
        self.refresh.setAccessibleName("Read the tables anew")
        self.refresh.clicked.connect(self.catalogue_wanted)
        for button in (self.run_button, self.explain_button, self.cancel_button):
            button.setAutoDefault(False)
        self.note = label("", "muted", self)
        self.note.setWordWrap(True)
        self.verdict = label("", "verdict", self)
        self.place = label("", "muted", self)

    def _lay_out(self) -> None:
        left = QSplitter(Qt.Orientation.Vertical, self)
        left.addWidget(self._panel(self.editor, self._strip(), margins=(12, 10, 12, 6)))
        left.addWidget(self._panel(self.outcome, margins=(0, 0, 0, 0)))
        left.setSizes([420, 320])
        left.setChildrenCollapsible(False)
        right = QSplitter(Qt.Orientation.Vertical, self)
        right.addWidget(self._panel(label("Parameters", "h2"), self.grid, self.note))
        right.addWidget(self._panel(self._tables_head(), self.catalogue))
        right.setSizes([260, 480])
        right.setChildrenCollapsible(False)
        middle = QSplitter(Qt.Orientation.Horizontal, self)
        middle.addWidget(left)
        middle.addWidget(right)
        middle.setStretchFactor(0, 1)
        middle.setSizes([900, 340])
        middle.setChildrenCollapsible(False)
        for splitter in (left, right, middle):
            splitter.setHandleWidth(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._head())
        layout.addWidget(middle, 1)
        tab_as_laid_out(layout)
        self._show_idle()

    @staticmethod
    def _panel(*widgets: QWidget, margins: tuple[int, int, int, int] = (12, 10, 12, 10)) -> QWidget:
        panel = QWidget()
        panel.setObjectName("panel")
        panel.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        layout = QVBoxLayout(panel)
        layout.setContentsMargins(*margins)
        layout.setSpacing(6)
        for widget in widgets:
            layout.addWidget(widget)
        return panel

    def _head(self) -> QWidget:
        head = QWidget(self)
        layout = QHBoxLayout(head)
        layout.setContentsMargins(12, 8, 12, 8)
        layout.setSpacing(8)
        for widget in (self._mark, self._title, self._field):
            layout.addWidget(widget)
        layout.addSpacing(8)
        layout.addWidget(self.where, 1)
        buttons: tuple[QWidget, ...] = (
            self.measure,
            self.explain_button,
            self.limit,
            self.cancel_button,
            self.run_button,
        )
        for button in buttons:
            layout.addWidget(button)
        return head

    def _strip(self) -> QWidget:
        strip = QWidget(self)
        layout = QHBoxLayout(strip)
        layout.setContentsMargins(2, 0, 2, 0)
        layout.addWidget(self.verdict)
        layout.addStretch(1)
        layout.addWidget(self.place)
        return strip

    def _tables_head(self) -> QWidget:
        head = QWidget(self)
        layout = QHBoxLayout(head)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(label("Tables", "h2"))
        layout.addStretch(1)
        layout.addWidget(self.refresh)
        return head

    # ------------------------------------------------------------------ the document
    def show_document(
        self, text: str, given: Given, declared: Mapping[str, Any], note: str, *, fixed: Collection[str] = ()
    ) -> None:
        """Show what the document holds.

        Args:
            text: The statement.
            given: Its values.
            declared: The workflow's parameters.
            note: A sentence about the values.
            fixed: Which cannot be changed here: ``$`` those with numbers, ``:`` those with names.
        """
        if not (self.editor.hasFocus() and self.editor.has_more()):
            before = self.editor.toPlainText()
            self.editor.show_text(text)
            if text != before:
                self._check_timer.start()
        if given != self._given or declared != self._declared:
            self._given, self._declared = given, declared
            self._check_timer.start()
        self._fixed = fixed
        self.note.setText(note)
        self.grid.setEnabled(not {"$", ":"} <= set(fixed))
        self._show_values()

    def text(self) -> str:
        """The statement as it stands, committed or not."""
        return self.editor.toPlainText()

    @property
    def given(self) -> Given:
        """The values as they stand."""
        return self._given

    def _edited(self) -> None:
        self._check_timer.start()

    def _values_changed(self, given: object) -> None:
        assert isinstance(given, Given)  # the signal's type says less
        self._given = given
        self.values_changed.emit(given)
        self._check_timer.start()

    def _show_values(self) -> None:
        self.grid.show_parameters(
            [(name, self._types.get(name, "")) for name in self._asked],
            self._given,
            self._declared,
            fixed=self._fixed,
            known=self._check is not None,
        )

    # ------------------------------------------------------------------ what the engine says
    def show_check(self, found: Mapping[str, Any]) -> None:
        """Show findings and the types of the values, ``sql_check``."""
        self._check = found
        findings: Sequence[dict[str, Any]] = found["findings"]
        self.editor.show_findings(findings)
        self._asked = [name for name, _ in found["parameters"]]
        self._types |= {name: kind for name, kind in found["parameters"] if kind}
        self._show_values()
        self.outcome.show_findings(findings)
        count = len(findings)
        errors = sum(finding["severity"] == "error" for finding in findings)
        if errors:
            self._say_verdict("red", findings[0]["sentence"] if count == 1 else f"{count} problems")
        elif count:
            self._say_verdict("amber", findings[0]["sentence"])
        elif found["asked"]:
            self._say_verdict("green", "The database takes this statement")
        else:
            self._say_verdict("text3", "Nothing wrong in sight; the database has not been asked")

    def _repaint(self) -> None:
        """Another theme holds: what was coloured by hand is coloured anew."""
        for button, icon, token in self._buttons():
            button.setIcon(self._icons.icon(icon, token))
        self._mark.setPixmap(self._icons.pixmap("database", "accent", 18, self.devicePixelRatioF()))
        self.outcome.repaint_icons()
        self.catalogue.repaint_icons()
        if self._check is not None:
            self.show_check(self._check)

    def _buttons(self) -> tuple[tuple[QAbstractButton, str, str], ...]:
        return (
            (self.run_button, "play", "on_accent"),
            (self.explain_button, "list-tree", "text2"),
            (self.cancel_button, "square", "red"),
            (self.refresh, "refresh-cw", "text2"),
        )

    def _say_verdict(self, token: str, text: str) -> None:
        self.verdict.setText(f'<span style="color:{self._theme.colour(token).name()}">●</span>&nbsp; {escape(text)}')

    def show_catalogue(self, catalogue: Catalogue) -> None:
        """Complete from a database's tables, and list them."""
        self.editor.set_catalogue(catalogue)
        self.catalogue.show_catalogue(catalogue)

    def show_where(self, token: str, text: str) -> None:
        """Say which database it is, and how it is."""
        self.where.setText(text)
        self.where.setProperty("state", token)
        self.where.style().polish(self.where)

    def show_result(self, found: Mapping[str, Any]) -> None:
        """Show the first rows, ``sql_try``."""
        self._show_idle()
        self.outcome.show_rows(found)

    def show_plan(self, found: Mapping[str, Any]) -> None:
        """Show a plan, ``sql_explain``."""
        self._show_idle()
        self.outcome.show_plan(found)

    def show_failure(self, sentence: str) -> None:
        """Say why there is no result."""
        self._show_idle()
        self.outcome.show_nothing()
        self.outcome.show_failure(sentence)

    def show_busy(self, word: str) -> None:
        """Something is under way; its seconds are counted, and it can be cancelled."""
        self._busy_since, self._busy_word = time.monotonic(), word
        self.run_button.hide()
        self.cancel_button.show()
        self.explain_button.setEnabled(False)
        self.outcome.show_waiting(0 if word == "Running" else 1)
        self._tick.start()
        self._show_seconds()

    def show_cancelled(self) -> None:
        """What was under way was called off."""
        self._show_idle()
        self.outcome.show_nothing()
        self.outcome.say("Cancelled")

    @property
    def busy(self) -> bool:
        """Whether something is under way."""
        return self._busy_since is not None

    def _show_idle(self) -> None:
        self._busy_since = None
        self._tick.stop()
        self.cancel_button.hide()
        self.run_button.show()
        self.explain_button.setEnabled(True)

    def _show_seconds(self) -> None:
        if self._busy_since is not None:
            self.outcome.say(f"{self._busy_word} … {time.monotonic() - self._busy_since:.1f} s")

    def _show_place(self) -> None:
        cursor = self.editor.textCursor()
        self.place.setText(f"Line {cursor.blockNumber() + 1}, column {cursor.positionInBlock() + 1}")

    # ------------------------------------------------------------------ what the person does
    def settle(self) -> None:
        """Hand over what is typed: the statement, and the value that is being written."""
        self.editor.commit()
        self.grid.settle()

    def run(self) -> None:
        """Ask for a test run."""
        if not self.busy:
            self.editor.commit()
            self.run_wanted.emit(self.limit.currentData())

    def explain(self) -> None:
        """Ask for the plan."""
        if not self.busy:
            self.editor.commit()
            self.explain_wanted.emit(self.measure.isChecked())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape cancels what is under way and never closes; Ctrl+Enter tests; Enter alone is the editor's."""
        if event.key() == Qt.Key.Key_Escape:
            if self.busy:
                self.cancel_wanted.emit()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
                self.run()
        else:
            super().keyPressEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        """What is typed is committed first."""
        self.editor.commit()
        self._check_timer.stop()
        self._tick.stop()
        self.closed.emit()
        super().closeEvent(event)
