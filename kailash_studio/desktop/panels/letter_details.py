"""What a dead letter was given and what was tried; its inputs can be changed for the replay."""

from __future__ import annotations

import json
import time
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.widgets.basics import ElidedLabel, label


class LetterDetails(QWidget):
    """The letter that is chosen, or the newest of a group.

    Signals:
        replay_wanted: The inputs that were changed, by name; all else is as it was.
    """

    replay_wanted = Signal(object)  # a dict would come out of Qt with its keys, and those inside, sorted

    def __init__(self, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._given: dict[str, Any] = {}
        self.said = ElidedLabel("muted", self)
        self.inputs = QPlainTextEdit(self)
        self.inputs.setAccessibleName("Inputs of the chosen letter, as JSON")
        self.inputs.setPlaceholderText("Select a letter to see what it was given and what was tried.")
        self.wrong = label("", "error_text", self)
        self.wrong.setWordWrap(True)
        self.replay = QPushButton(icons.icon("rotate-cw"), "Replay with these inputs", self)
        self.replay.setToolTip(
            "Run the work again with the inputs as you have changed them; what you left is as it was."
        )
        row = QHBoxLayout()
        row.addWidget(self.wrong, 1)
        row.addWidget(self.replay)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 6)
        layout.setSpacing(6)
        layout.addWidget(self.said)
        layout.addWidget(self.inputs, 1)
        layout.addLayout(row)
        self.inputs.textChanged.connect(self._changed)
        self.replay.clicked.connect(lambda: self.replay_wanted.emit(self.edited()))
        self.show_nothing()

    def show_nothing(self) -> None:
        """No letter is chosen."""
        self._show({}, "", readable=False)

    def show_text(self, text: str) -> None:
        """Show sentences instead of a letter."""
        self._show({}, text, readable=False)

    def show_letter(self, letter: dict[str, Any], alike: int) -> None:
        """Show a letter; ``alike``: how many failed like it and are chosen with it."""
        tried = [f"attempt {a['attempt']}: {a['error']}" for a in letter["attempt_log"]]
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(letter["timestamp"]))
        head = f"newest of {alike:,} · " if alike > 1 else ""
        head += f"{letter['node']} of {letter['workflow'] or 'a workflow without a name'} · "
        head += f"{len(tried)} attempt{'s' * (len(tried) != 1)} · run {letter['run_id']}"
        note = f"{letter['note']} ({letter['replays']} failed replays)" if letter["replays"] else letter["note"]
        where = f"given up at {when}"
        self.said.setText(head)
        self.said.setToolTip("\n".join([head, where, *([note] if note else []), *tried]))
        inputs = letter["inputs"]
        if isinstance(inputs, dict):
            self._show(inputs, json.dumps(inputs, indent=2, ensure_ascii=False), readable=True)
        else:
            self._show({}, str(inputs), readable=False)
        self.said.setVisible(True)

    def edited(self) -> dict[str, Any]:
        """The inputs that differ from those that the letter had.

        Raises:
            ValueError: The text is not a JSON object, or has an input that the node did not get.
        """
        found = json.loads(self.inputs.toPlainText())
        if not isinstance(found, dict):
            raise ValueError('the inputs are an object: {"name": value}')
        unknown = sorted(found.keys() - self._given.keys())
        if unknown:
            raise ValueError(f"the node got no {unknown[0]}: it got {', '.join(self._given) or 'nothing'}")
        return {name: value for name, value in found.items() if value != self._given[name]}

    def _show(self, given: dict[str, Any], text: str, *, readable: bool) -> None:
        self._given = given
        self.said.setVisible(False)
        self.inputs.setReadOnly(not readable)
        self.inputs.setPlainText(text)
        self._changed()

    def _changed(self) -> None:
        wrong, edited = "", {}
        if not self.inputs.isReadOnly():
            try:
                edited = self.edited()
            except ValueError as error:
                where = f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else str(error)
                wrong = f"These inputs cannot be read, {where}."
        self.wrong.setText(wrong)
        self.replay.setVisible(bool(edited) or bool(wrong))
        self.replay.setEnabled(bool(edited))
