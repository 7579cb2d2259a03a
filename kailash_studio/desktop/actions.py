"""The window's actions, declared once: menus, toolbar, shortcuts and the command palette are made from this table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu

from kailash_studio.desktop.icons import Icons

Need = Literal[
    "workflow", "past run", "pair of runs", "node", "one node", "sub-workflow", "something inside", "no run",
    "no run, or one that waits", "running", "last run", "real run", "undo", "redo", "attached", "own engine",
]  # fmt: skip
_CHANGING = ("Edit", "Graph")
_GOING_ON: tuple[Need, ...] = ("no run", "last run", "real run")  # what going on from a run needs


@dataclass(frozen=True, slots=True)
class ActionDeclaration:
    """One action.

    Attributes:
        name: How the program refers to it.
        menu: Menu that it is in.
        text: What the menu and the palette say.
        icon: Lucide icon name.
        keys: Shortcuts; the first is shown.
        tip: One sentence for tooltip and status bar.
        separated: A line above it in the menu.
        needs: What has to hold for it; ``readiness`` knows when it does, and what to say when it does not.
    """

    name: str
    menu: str
    text: str
    icon: str = ""
    keys: tuple[str, ...] = ()
    tip: str = ""
    separated: bool = False
    needs: tuple[Need, ...] = ()

    def all_needs(self) -> tuple[Need, ...]:
        """Also that of all actions that change the open workflow, which is not seen behind a past run."""
        return ("workflow", *self.needs) if self.menu in _CHANGING else self.needs


MENUS = ("File", "Edit", "View", "Graph", "Run", "Help")

ACTIONS = (
    ActionDeclaration("new", "File", "New", "file-plus", ("Ctrl+N",), "Start an empty workflow."),
    ActionDeclaration("open", "File", "Open…", "folder-open", ("Ctrl+O",), "Open a workflow file."),
    ActionDeclaration("example", "File", "Open example…", "book-open", (), "Open one of the shipped examples."),
    ActionDeclaration("capsule", "File", "Open capsule…", "package", (), "Open a failed run that was kept in a file."),
    ActionDeclaration("save", "File", "Save", "save", ("Ctrl+S",), "Save the workflow.", separated=True),
    ActionDeclaration("save_as", "File", "Save as…", "save-all", ("Ctrl+Shift+S",), "Save under another name."),
    ActionDeclaration(
        "connections", "File", "Connections…", "plug-zap", (), "Save and test database connections.", True
    ),
    ActionDeclaration("quit", "File", "Quit", "log-out", ("Ctrl+Q",), "Close the window.", separated=True),
    ActionDeclaration("undo", "Edit", "Undo", "undo-2", ("Ctrl+Z",), "Take the last change back.", needs=("undo",)),
    ActionDeclaration("redo", "Edit", "Redo", "redo-2", ("Ctrl+Shift+Z", "Ctrl+Y"), "Do it again.", needs=("redo",)),
    ActionDeclaration(
        "cut", "Edit", "Cut", "scissors", ("Ctrl+X",), "Copy the selected nodes and remove them.", True, needs=("node",)
    ),
    ActionDeclaration("copy", "Edit", "Copy", "copy", ("Ctrl+C",), "Copy the selected nodes.", needs=("node",)),
    ActionDeclaration("paste", "Edit", "Paste", "clipboard", ("Ctrl+V",), "Add the copied nodes."),
    ActionDeclaration(
        "duplicate", "Edit", "Duplicate", "copy-plus", ("Ctrl+D",), "Add a copy of the selected nodes.", needs=("node",)
    ),
    ActionDeclaration("delete", "Edit", "Delete", "trash-2", ("Del",), "Remove the selected nodes or connection."),
    ActionDeclaration("select_all", "Edit", "Select all", "box-select", ("Ctrl+A",), "Select all nodes.", True),
    ActionDeclaration("rename", "Edit", "Rename", "pencil", ("F2",), "Rename the selected node.", needs=("node",)),
    ActionDeclaration("zoom_in", "View", "Zoom in", "zoom-in", ("Ctrl++", "Ctrl+="), "Show less, larger."),
    ActionDeclaration("zoom_out", "View", "Zoom out", "zoom-out", ("Ctrl+-",), "Show more, smaller."),
    ActionDeclaration("zoom_reset", "View", "Actual size", "scan", ("Ctrl+0",), "Zoom to 100 %."),
    ActionDeclaration("fit", "View", "Show all", "maximize", ("Ctrl+1",), "Bring all nodes into view."),
    ActionDeclaration(
        "earlier",
        "View",
        "Event before",
        "chevron-left",
        ("Alt+Left",),
        "Show the past run one event earlier.",
        True,
        needs=("past run",),
    ),
    ActionDeclaration(
        "later",
        "View",
        "Event after",
        "chevron-right",
        ("Alt+Right",),
        "Show the past run one event later.",
        needs=("past run",),
    ),
    ActionDeclaration(
        "present",
        "View",
        "Back to the workflow",
        "corner-down-left",
        ("Esc",),
        "Leave the past run that is shown.",
        needs=("past run",),
    ),
    ActionDeclaration("theme", "View", "Light or dark", "sun-moon", (), "Change between the two themes.", True),
    ActionDeclaration(
        "commands", "View", "Commands…", "search", ("Ctrl+K", "Ctrl+Shift+P"), "Find any action or node."
    ),
    ActionDeclaration("add", "Graph", "Add node…", "plus", ("Ctrl+Shift+N",), "Choose a node type and place a node."),
    ActionDeclaration(
        "connect",
        "Graph",
        "Connect…",
        "cable",
        ("Ctrl+L",),
        "Connect the selected node to another.",
        needs=("one node",),
    ),
    ActionDeclaration(
        "fallback",
        "Graph",
        "Fallback…",
        "shield-check",
        ("Ctrl+B",),
        "Choose what takes over when the node fails.",
        needs=("one node",),
    ),
    ActionDeclaration(
        "unfold",
        "Graph",
        "Show inside",
        "expand",
        ("Ctrl+E",),
        "See a sub-workflow from inside, or as one card.",
        True,
        needs=("something inside",),
    ),
    ActionDeclaration(
        "group",
        "Graph",
        "Make sub-workflow",
        "group",
        ("Ctrl+G",),
        "Make one node of the selected ones.",
        needs=("node",),
    ),
    ActionDeclaration(
        "ungroup",
        "Graph",
        "Take apart",
        "ungroup",
        ("Ctrl+Shift+G",),
        "Put what is inside of it in its place.",
        needs=("sub-workflow",),
    ),
    ActionDeclaration("arrange", "Graph", "Arrange", "workflow", ("Ctrl+Shift+A",), "Lay the graph out afresh.", True),
    ActionDeclaration("sql", "Graph", "Edit SQL…", "database", ("F4",), "Edit the selected node's SQL in a window."),
    ActionDeclaration(
        "run", "Run", "Run", "play", ("F5", "Ctrl+R"), "Run the workflow.", needs=("no run, or one that waits",)
    ),
    ActionDeclaration(
        "run_failed",
        "Run",
        "Run from the failure",
        "refresh-cw",
        ("Ctrl+F5",),
        "Call what has no result that counts.",
        needs=_GOING_ON,
    ),
    ActionDeclaration(
        "run_from",
        "Run",
        "Run from here",
        "circle-play",
        ("Alt+F5",),
        "Call the selected node and what it feeds.",
        needs=(*_GOING_ON, "node"),
    ),
    ActionDeclaration(
        "run_only",
        "Run",
        "Run only this",
        "square-dashed",
        ("Alt+Shift+F5",),
        "Call the selected node alone.",
        needs=(*_GOING_ON, "node"),
    ),
    ActionDeclaration(
        "run_safe",
        "Run",
        "Safe preview",
        "eye",
        ("Ctrl+Shift+F5",),
        "Run all but what changes something outside.",
        needs=("no run",),
    ),
    ActionDeclaration(
        "fault", "Run", "Fault…", "triangle-alert", (), "Choose what goes wrong here in a test run.", True
    ),
    ActionDeclaration(
        "run_test",
        "Run",
        "Test run",
        "shuffle",
        ("Ctrl+Alt+R",),
        "Run with the faults that were put in; it is marked.",
        needs=("no run",),
    ),
    ActionDeclaration("pin", "Run", "Pin", "pin", ("Ctrl+P",), "Keep what the selected node gave; or let go of it."),
    ActionDeclaration("stop", "Run", "Stop", "square", ("Shift+F5",), "Stop the run.", needs=("running",)),
    ActionDeclaration(
        "step",
        "Run",
        "Step",
        "step-forward",
        ("F10",),
        "Go on to what comes next, over sub-workflows.",
        True,
        needs=("running",),
    ),
    ActionDeclaration(
        "step_into",
        "Run",
        "Step into",
        "arrow-down-to-dot",
        ("F11",),
        "Go on to what comes next, into sub-workflows.",
        needs=("running",),
    ),
    ActionDeclaration(
        "step_out",
        "Run",
        "Step out",
        "arrow-up-from-dot",
        ("Shift+F11",),
        "Go on to what follows the sub-workflow.",
        needs=("running",),
    ),
    ActionDeclaration(
        "pause", "Run", "Pause", "pause", ("Ctrl+F6",), "Start no further node; what runs goes on.", needs=("running",)
    ),
    ActionDeclaration(
        "run_to",
        "Run",
        "Run to here",
        "log-in",
        ("Ctrl+F10",),
        "Stop before the selected node.",
        needs=(
            "workflow",
            "one node",
        ),
    ),
    ActionDeclaration(
        "breakpoint",
        "Run",
        "Breakpoint",
        "circle-dot",
        ("F6",),
        "Stop runs before the selected node, or where a value comes by.",
        needs=("workflow",),
    ),
    ActionDeclaration(
        "debugger", "Run", "Show debugger", "bug", ("Ctrl+F9",), "Show what stands still, and breakpoints."
    ),
    ActionDeclaration(
        "data", "Run", "Show data", "table-2", ("F7",), "Show the rows of the selected node.", True, needs=("node",)
    ),
    ActionDeclaration("problems", "Run", "Show problems", "triangle-alert", ("F8",), "Show what is to be mended."),
    ActionDeclaration("dead_letters", "Run", "Show dead letters", "inbox", ("F9",), "Show what nodes have given up."),
    ActionDeclaration("runs", "Run", "Show runs", "history", ("Ctrl+H",), "Show past runs, to open and compare them."),
    ActionDeclaration("timeline", "Run", "Show timeline", "activity", ("Ctrl+T",), "Show the run over time."),
    ActionDeclaration(
        "compare",
        "Run",
        "Compare runs",
        "split",
        ("Ctrl+Shift+D",),
        "Compare two selected runs, or one and the one before.",
        needs=("pair of runs",),
    ),
    ActionDeclaration("pools", "Run", "Show pools", "database", (), "Show the connection pools, live."),
    ActionDeclaration("breakers", "Run", "Show breakers", "zap", (), "Show the circuit breakers."),
    ActionDeclaration(
        "attach", "Run", "Attach to a run…", "link", (), "Look on, or debug, a run of another process here.", True
    ),
    ActionDeclaration(
        "detach", "Run", "Detach", "unlink", (), "Let go of the other process; it goes on.", needs=("attached",)
    ),
    ActionDeclaration(
        "restart",
        "Run",
        "Restart engine",
        "rotate-cw",
        (),
        "End the engine process and start anew.",
        True,
        needs=("own engine",),
    ),
    ActionDeclaration(
        "reference",
        "Help",
        "Node reference",
        "book-text",
        ("F1",),
        "Help on the selected node's type.",
        needs=(
            "workflow",
            "node",
        ),
    ),
    ActionDeclaration(
        "crash_report", "Help", "Show crash report", "bug", (), "Show what was written when the window failed.", True
    ),
    ActionDeclaration("about", "Help", "About", "info", (), "Version and licences."),
)

OF_ANY_LIST = ("cut", "copy", "paste", "delete", "select_all")
OF_NODES = (*OF_ANY_LIST, "rename", "duplicate")
"""What the window does with nodes. The first are what a list or a table does with its own rows as well."""


def tip_of(declared: ActionDeclaration, why_not: str = "") -> str:
    """What the tooltip of an action says: what it does, its key, and why it is off."""
    keys = [QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText) for key in declared.keys[:1]]
    tip = " ".join([declared.tip, *(f"({key})" for key in keys)])
    return f"{tip}\n{why_not}" if why_not else tip


def make_actions(
    window: QMainWindow, icons: Icons, handlers: Mapping[str, Callable[[], object]], before: Callable[[], object]
) -> dict[str, QAction]:
    """The actions of the table, in the window's menu bar, calling their handlers.

    Args:
        window: Whose they are.
        icons: Icons.
        handlers: What each of them does, by name.
        before: Called before each of them: what is being typed is taken over.
    """
    menus: dict[str, QMenu] = {}
    for title in MENUS:
        menus[title] = window.menuBar().addMenu(f"&{title}")
        menus[title].setToolTipsVisible(True)
        menus[title].setObjectName(f"menu_{title.lower()}")
    actions = {}
    for declared in ACTIONS:
        action = QAction(declared.text, window)
        action.setObjectName(f"action_{declared.name}")
        action.setShortcuts([QKeySequence(key) for key in declared.keys])
        action.setToolTip(tip_of(declared))
        action.setStatusTip(declared.tip)
        if declared.icon:
            action.setIcon(icons.icon(declared.icon))
        action.triggered.connect(lambda _checked=False, call=handlers[declared.name]: (before(), call()))
        if declared.separated:
            menus[declared.menu].addSeparator()
        menus[declared.menu].addAction(action)
        actions[declared.name] = action
    return actions
