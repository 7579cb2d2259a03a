"""A group of the form: a policy that is on or off, with rows of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.inspector.row import NO_DRAFTS, Row
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.widgets.basics import Switch, label
from kailash_studio.spec.form import FormRow


class Group(QWidget):
    """A switch in the head; the rows stand below while it is on.

    Signals:
        changed: The group's whole new value, or None when it was switched off.
        noted: What is typed in one of its rows has changed; its name.
    """

    changed = Signal(object)
    noted = Signal(str)

    def __init__(self, row: FormRow, theme: Theme, icons: Icons) -> None:
        super().__init__()
        self.row = row
        self.refers = False
        self._given: dict[str, Any] | None = None
        self._more = False
        self.switch = Switch(theme, self)
        self.switch.setAccessibleName(row.title)
        self.switch.setToolTip(row.doc)
        self.switch.clicked.connect(self._switched)
        title = label(row.title, "h2", self)
        title.setToolTip(row.doc)
        title.setBuddy(self.switch)
        head = QHBoxLayout()
        head.setContentsMargins(0, 0, 0, 0)
        head.addWidget(title, 1)
        head.addWidget(self.switch)
        self.body = QWidget(self)
        self._layout = QVBoxLayout(self.body)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(8)
        self.rows: dict[str, Row] = {}
        for inner in row.rows:
            made = Row(inner, None, theme, icons)
            made.field.live = True
            made.field.committed.connect(lambda value, name=inner.name: self._set(name, value))
            made.field.noted.connect(lambda name=inner.name: self.noted.emit(name))
            made.reset.clicked.connect(lambda _checked=False, name=inner.name: self._reset(name))
            self.rows[inner.name] = made
            self._layout.addWidget(made)
        self.more = QPushButton("More…", self.body)
        self.more.setObjectName("link")
        self.more.clicked.connect(self._show_more)
        self._layout.addWidget(self.more, 0, Qt.AlignmentFlag.AlignLeft)
        line = QWidget(self)
        line.setObjectName("line")
        line.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 2, 0, 2)
        layout.setSpacing(8)
        layout.addWidget(line)
        layout.addLayout(head)
        layout.addWidget(self.body)
        self.setFocusProxy(self.switch)

    def add_below(self, widget: QWidget) -> None:
        """Put something under the rows, shown with them."""
        self._layout.addWidget(widget)

    def show_value(
        self,
        given: Mapping[str, Any],
        problems: Mapping[str, str],
        *,
        fresh: bool,
        drafts: Mapping[str, str] = NO_DRAFTS,
    ) -> None:
        """Show what the document holds of this group; see ``Row.show_value``."""
        value = given.get(self.row.name)
        on = isinstance(value, dict)
        self._given = dict(value) if isinstance(value, dict) else None
        self.switch.setChecked(on)
        self.body.setVisible(on)
        inside = self._given or {}
        found, typed = self._of_rows(problems), self._of_rows(drafts)
        for name, row in self.rows.items():
            row.show_value(inside, found, fresh=fresh, drafts=typed)
            row.setVisible(not row.row.advanced or self._more or name in inside or name in found)
        hidden = any(row.row.advanced and not row.isVisibleTo(self.body) for row in self.rows.values())
        self.more.setVisible(hidden)

    def _of_rows(self, told: Mapping[str, str]) -> dict[str, str]:
        """What is told of its rows, by their names."""
        return {name.partition("/")[2]: said for name, said in told.items() if name.startswith(self.row.name + "/")}

    def focus_inside(self, name: str) -> None:
        """Go to one of its fields."""
        row = self.rows.get(name)
        if row is not None:
            row.show()
            row.field.setFocus(Qt.FocusReason.OtherFocusReason)
        else:
            self.switch.setFocus(Qt.FocusReason.OtherFocusReason)

    def _switched(self) -> None:
        self.changed.emit({} if self.switch.isChecked() else None)

    def _set(self, name: str, value: Any) -> None:
        self.changed.emit({**(self._given or {}), name: value})

    def _reset(self, name: str) -> None:
        self.changed.emit({key: value for key, value in (self._given or {}).items() if key != name})

    def _show_more(self) -> None:
        self._more = True
        for row in self.rows.values():
            row.show()
        self.more.hide()
