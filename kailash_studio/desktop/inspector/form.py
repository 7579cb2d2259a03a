"""The form: a row for each parameter, generated from its declaration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QScrollArea, QVBoxLayout, QWidget

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.inspector.field import Field
from kailash_studio.desktop.inspector.fields import CodeField
from kailash_studio.desktop.inspector.group import Group
from kailash_studio.desktop.inspector.row import NO_DRAFTS, Row
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import label
from kailash_studio.spec.form import FormRow
from kailash_studio.spec.parameter import reference


class Form(QScrollArea):
    """The form of one node.

    Signals:
        changed: A parameter's name and its new value.
        reset: A parameter's name, to take its default again.
        large_asked: A parameter's name, to edit it in a window of its own.
        noted: What is typed and not committed has changed; the name, ``retry/max_delay`` in a group.
    """

    changed = Signal(str, object)
    reset = Signal(str)
    large_asked = Signal(str)
    noted = Signal(str)

    def __init__(self, theme: Theme, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme, self._icons = theme, icons
        self._rows: dict[str, Row | Group] = {}
        self._key: object = None
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def show_rows(
        self,
        key: object,
        rows: Sequence[FormRow],
        given: Mapping[str, Any],
        problems: Mapping[str, str],
        *,
        nothing: str = "",
        drafts: Mapping[str, str] = NO_DRAFTS,
        live: bool = False,
    ) -> None:
        """Show a node's values.

        Args:
            key: Whose they are. With the same key and rows the editors stay, and what is being typed is left alone.
            rows: The rows.
            given: Values that the document holds; others show their default.
            problems: Sentence by parameter.
            nothing: What to say where there are no rows.
            drafts: Texts that are no value yet, by parameter.
            live: Whether a pause in typing commits.
        """
        same = key == self._key and [row.row for row in self._rows.values()] == list(rows)
        same = same and all(r.refers == (reference(given.get(n)) is not None) for n, r in self._rows.items())
        if not same:
            self._build(key, rows, given, nothing)
        for row in self._rows.values():
            if isinstance(row, Row):
                row.field.live = live
            row.show_value(given, problems, fresh=not same, drafts=drafts)
            row.setVisible(_matters(row.row, rows, given))

    def _build(self, key: object, rows: Sequence[FormRow], given: Mapping[str, Any], nothing: str) -> None:
        for field in self._fields():
            field.blockSignals(True)  # what they lose the focus with is nothing for another node
        self._key = key
        body = QWidget()
        layout = QVBoxLayout(body)
        layout.setContentsMargins(12, 12, 12, 16)
        layout.setSpacing(10)
        self._rows = {}
        for declared in rows:
            row = self._make(declared, given.get(declared.name))
            self._rows[declared.name] = row
            layout.addWidget(row)
        if not rows:
            remark = label(nothing or "There is nothing to set here.", "muted", body)
            remark.setWordWrap(True)
            layout.addWidget(remark)
        layout.addStretch(1)
        old = self.takeWidget()
        self.setWidget(body)
        if old is not None:
            old.deleteLater()  # not at once, as setWidget does it: an edit in one of its fields may have led here

    def _make(self, declared: FormRow, value: Any) -> Row | Group:
        name = declared.name
        if declared.kind == "group":
            group = Group(declared, self._theme, self._icons)
            group.changed.connect(lambda changed: self.changed.emit(name, changed))
            group.noted.connect(lambda inner: self.noted.emit(f"{name}/{inner}"))
            return group
        row = Row(declared, value, self._theme, self._icons)
        row.field.committed.connect(lambda committed: self.changed.emit(name, committed))
        row.field.noted.connect(lambda: self.noted.emit(name))
        row.reset.clicked.connect(lambda _checked=False: self._reset(name))
        if isinstance(row.field, CodeField):
            row.field.large_asked.connect(lambda: self.large_asked.emit(name))
        return row

    def _reset(self, name: str) -> None:
        """The default, whatever is typed."""
        row = self.row(name)
        row.field.show_value(row.row.default)
        self.reset.emit(name)

    def offer_columns(self, columns: Mapping[str, Sequence[str]]) -> None:
        """Offer the names of the columns of each input where they are meant."""
        for row in self._rows.values():
            if isinstance(row, Row) and row.row.columns_of:
                row.offer_columns(columns.get(row.row.columns_of, ()))

    # ------------------------------------------------------------------ what is typed
    def forget(self) -> None:
        """Nobody's values are shown now; what is typed here goes."""
        self._key = None

    def take_over(self) -> None:
        """Commit what is typed in the fields."""
        for field in self._fields():
            if field.has_more():
                field.take_over()

    def has_more(self) -> bool:
        """Whether something typed is not committed; what is no value is a draft."""
        return self._key is not None and any(f.has_more() and f.draft() is None for f in self._fields())

    def draft(self, name: str) -> str | None:
        """The text of a field that is no value yet; ``retry/max_delay`` is that of a row of a group."""
        outer, _, inner = name.partition("/")
        row = self._rows[outer]
        return (row.rows[inner] if isinstance(row, Group) else row).field.draft()

    def _fields(self) -> list[Field]:
        rows = [
            inner for row in self._rows.values() for inner in (row.rows.values() if isinstance(row, Group) else [row])
        ]
        return [row.field for row in rows]

    def focus_field(self, name: str) -> bool:
        """Bring a row into view and put the cursor into it; ``retry/max_delay`` is a row of a group."""
        outer, _, inner = name.partition("/")
        row = self._rows.get(outer)
        if row is None:
            return False
        self.ensureWidgetVisible(row)
        if isinstance(row, Group):
            row.focus_inside(inner)
        else:
            row.field.setFocus(Qt.FocusReason.OtherFocusReason)
        return True

    def row(self, name: str) -> Row:
        """A row by its parameter's name."""
        row = self._rows[name]
        assert isinstance(row, Row), f"{name} is a group"
        return row

    def group(self, name: str) -> Group:
        """A group by its parameter's name."""
        group = self._rows[name]
        assert isinstance(group, Group), f"{name} is no group"
        return group

    def has_group(self, name: str) -> bool:
        """Whether a group of that name is shown."""
        return isinstance(self._rows.get(name), Group)


def _matters(row: FormRow, rows: Sequence[FormRow], given: Mapping[str, Any]) -> bool:
    if row.shown_when is None or row.name in given:
        return True
    other, values = row.shown_when
    default = next((r.default for r in rows if r.name == other), None)
    return given.get(other, default) in values
