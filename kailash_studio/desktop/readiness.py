"""Which actions can be taken now, and why the others cannot: what each needs is declared with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QKeyCombination, QObject
from PySide6.QtGui import QKeySequence

from kailash_studio.desktop.actions import ACTIONS, ActionDeclaration, Need, tip_of
from kailash_studio.workflow.sub_workflows import is_sub_workflow, parent_of

if TYPE_CHECKING:
    from kailash_studio.desktop.window import MainWindow

WHY: dict[Need, str] = {
    "workflow": "A past run is shown: go back to the workflow first (Esc).",
    "past run": "No past run is shown: open one from the list of runs.",
    "pair of runs": "Select two runs in the list of runs, or one that has a run before it.",
    "node": "Select a node first.",
    "one node": "Select one node first.",
    "sub-workflow": "Select a sub-workflow first.",
    "something inside": "Select a sub-workflow first, or a node inside of one.",
    "no run": "A run is under way: stop it, or wait for its end.",
    "no run, or one that waits": "A run is under way: pause it to let it go on from there, or stop it.",
    "running": "No run is under way.",
    "last run": "There is no run to go on from yet: press Run.",
    "real run": "",  # the run says why not
    "undo": "There is nothing to undo.",
    "redo": "There is nothing to redo.",
    "attached": "This window is attached to no other process.",
    "own engine": "The engine belongs to another process: detach first.",
}


class Readiness(QObject):
    """Enables the actions of a window, and explains those that are off: in tips, in the palette, and at their keys."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._actions = window.actions_by_name
        self._met: dict[Need, Callable[[], bool]] = {
            "workflow": lambda: not self._looking(),
            "past run": self._looking,
            "pair of runs": lambda: window.history.list.pair() is not None,
            "node": lambda: self._looking() or bool(window.canvas.selection()),
            "one node": lambda: len(window.canvas.selection()) == 1,
            "sub-workflow": lambda: self._all_are(lambda node: is_sub_workflow(window.session.workflow, node)),
            "something inside": lambda: self._all_are(
                lambda node: is_sub_workflow(window.session.workflow, node) or bool(parent_of(node))
            ),
            "no run": lambda: not window.runs.running,
            "no run, or one that waits": lambda: not window.runs.running or window.runs.waits_for_somebody,
            "running": lambda: window.runs.running,
            "last run": lambda: window.runs.current is not None,
            "real run": lambda: not self._unreal(),
            "undo": lambda: bool(window.session.history.undo_label),
            "redo": lambda: bool(window.session.history.redo_label),
            "attached": lambda: window.engine.attached is not None,
            "own engine": lambda: window.engine.attached is None,
        }
        for told in (
            window.canvas.selection_changed,
            window.session.changed,
            window.session.opened,
            window.session.saved_changed,
            window.runs.changed,
            window.engine.state_changed,
            window.history.past.opened,
            window.history.past.left,
            window.history.list.list.itemSelectionChanged,
        ):
            told.connect(lambda *_: self.update())
        self.update()

    def _looking(self) -> bool:
        return self._window.history.past.looking

    def _all_are(self, fitting: Callable[[str], bool]) -> bool:
        chosen = self._window.canvas.selection()
        return bool(chosen) and all(map(fitting, chosen))

    def _unreal(self) -> str:
        run = self._window.runs.current
        return run.unreal if run is not None else ""

    def _why(self, missing: Need | None) -> str:
        return "" if missing is None else WHY[missing] or self._unreal()

    def update(self) -> None:
        """Look at everything anew."""
        met = {need: test() for need, test in self._met.items()}
        for declared in ACTIONS:
            missing = next((need for need in declared.all_needs() if not met[need]), None)
            action = self._actions[declared.name]
            action.setEnabled(missing is None)
            action.setToolTip(tip_of(declared, self._why(missing)))
            action.setStatusTip(self._why(missing) or declared.tip)

    def why_not(self, declared: ActionDeclaration) -> str:
        """Why an action cannot be taken now; empty when it can."""
        return self._why(next((need for need in declared.all_needs() if not self._met[need]()), None))

    def why_no_key(self, pressed: QKeyCombination) -> str:
        """Why a key does nothing now, though it is that of an action."""
        sequence = QKeySequence(pressed)
        for declared in ACTIONS:
            if any(QKeySequence(key) == sequence for key in declared.keys):
                return self.why_not(declared)
        return ""
