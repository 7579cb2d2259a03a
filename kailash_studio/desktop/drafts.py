"""What is typed in the inspector and not in the workflow: it counts as unsaved, and is not lost without a word."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QObject, Signal

from kailash_studio.spec.finding import Finding
from kailash_studio.workflow.workflow import Workflow

_CODE = "KS-1260"


class Drafts(QObject):
    """Texts that were to be taken over and are no values yet, by their places; and whether more is being typed.

    Signals:
        changed: There are others.
    """

    changed = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._texts: dict[str, str] = {}
        self._typing = False

    def put(self, place: str, text: str | None, *, typing: bool) -> None:
        """Keep the text of a field, or none; ``typing``: whether any field holds what is not in the workflow."""
        before = dict(self._texts), self._typing
        if text is None:
            self._texts.pop(place, None)
        else:
            self._texts[place] = text
        self._typing = typing
        if before != (self._texts, self._typing):
            self.changed.emit()

    def clear(self) -> None:
        """Another workflow is open."""
        self._texts, self._typing = {}, False

    def follow(self, names: Mapping[str, str]) -> None:
        """Nodes have other ids."""
        for place in list(self._texts):
            node, slash, rest = place.removeprefix("nodes/").partition("/")
            if node in names:
                self._texts[f"nodes/{names[node]}{slash}{rest}"] = self._texts.pop(place)

    def of(self, node_id: str, section: str) -> dict[str, str]:
        """The texts of one node, by field; ``section`` is parameters or resilience."""
        start = f"nodes/{node_id}/{section}/"
        return {place.removeprefix(start): text for place, text in self._texts.items() if place.startswith(start)}

    def unsaved(self, workflow: Workflow) -> bool:
        """Whether there is something typed that the workflow does not hold."""
        return self._typing or bool(self.findings(workflow))

    def findings(self, workflow: Workflow) -> list[Finding]:
        """What is to be mended before what the panel says can run, or be saved."""
        found = []
        for place, text in self._texts.items():
            node, _, rest = place.removeprefix("nodes/").partition("/")
            if node in workflow.nodes:
                shown = text if len(text) <= 40 else f"{text[:40]}…"
                sentence = f"{node}: {rest.partition('/')[2]} is not JSON yet, and is not taken over: {shown}"
                found.append(Finding("error", _CODE, place, sentence))
        return found
