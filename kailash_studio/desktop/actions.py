"""The window's actions, declared once: menus, toolbar, shortcuts and the command palette are made from this table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu

from kailash_studio.desktop.icons import Icons


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
    """

    name: str
    menu: str
    text: str
    icon: str = ""
    keys: tuple[str, ...] = ()
    tip: str = ""
    separated: bool = False


MENUS = ("File", "Edit", "View", "Graph", "Run", "Help")

ACTIONS = (
    ActionDeclaration("new", "File", "New", "file-plus", ("Ctrl+N",), "Start an empty workflow."),
    ActionDeclaration("open", "File", "Open…", "folder-open", ("Ctrl+O",), "Open a workflow file."),
    ActionDeclaration("example", "File", "Open example…", "book-open", (), "Open one of the shipped examples."),
    ActionDeclaration("capsule", "File", "Open capsule…", "package", (), "Open a failed run that was kept in a file."),
    ActionDeclaration("save", "File", "Save", "save", ("Ctrl+S",), "Save the workflow.", separated=True),
    ActionDeclaration("save_as", "File", "Save as…", "save-all", ("Ctrl+Shift+S",), "Save under another name."),
    ActionDeclaration("quit", "File", "Quit", "log-out", ("Ctrl+Q",), "Close the window.", separated=True),
    ActionDeclaration("undo", "Edit", "Undo", "undo-2", ("Ctrl+Z",), "Take the last change back."),
    ActionDeclaration("redo", "Edit", "Redo", "redo-2", ("Ctrl+Shift+Z", "Ctrl+Y"), "Do it again."),
    ActionDeclaration("cut", "Edit", "Cut", "scissors", ("Ctrl+X",), "Copy the selected nodes and remove them.", True),
    ActionDeclaration("copy", "Edit", "Copy", "copy", ("Ctrl+C",), "Copy the selected nodes."),
    ActionDeclaration("paste", "Edit", "Paste", "clipboard", ("Ctrl+V",), "Add the copied nodes."),
    ActionDeclaration("duplicate", "Edit", "Duplicate", "copy-plus", ("Ctrl+D",), "Add a copy of the selected nodes."),
    ActionDeclaration("delete", "Edit", "Delete", "trash-2", ("Del",), "Remove the selected nodes or connection."),
    ActionDeclaration("select_all", "Edit", "Select all", "box-select", ("Ctrl+A",), "Select all nodes.", True),
    ActionDeclaration("rename", "Edit", "Rename", "pencil", ("F2",), "Rename the selected node."),
    ActionDeclaration("zoom_in", "View", "Zoom in", "zoom-in", ("Ctrl++", "Ctrl+="), "Show less, larger."),
    ActionDeclaration("zoom_out", "View", "Zoom out", "zoom-out", ("Ctrl+-",), "Show more, smaller."),
    ActionDeclaration("zoom_reset", "View", "Actual size", "scan", ("Ctrl+0",), "Zoom to 100 %."),
    ActionDeclaration("fit", "View", "Show all", "maximize", ("Ctrl+1",), "Bring all nodes into view."),
    ActionDeclaration(
        "earlier", "View", "Event before", "chevron-left", ("Alt+Left",), "Show the past run one event earlier.", True
    ),
    ActionDeclaration(
        "later", "View", "Event after", "chevron-right", ("Alt+Right",), "Show the past run one event later."
    ),
    ActionDeclaration(
        "present", "View", "Back to the workflow", "corner-down-left", ("Esc",), "Leave the past run that is shown."
    ),
    ActionDeclaration("theme", "View", "Light or dark", "sun-moon", (), "Change between the two themes.", True),
    ActionDeclaration(
        "commands", "View", "Commands…", "search", ("Ctrl+K", "Ctrl+Shift+P"), "Find any action or node."
    ),
    ActionDeclaration("add", "Graph", "Add node…", "plus", ("Ctrl+Shift+N",), "Choose a node type and place a node."),
    ActionDeclaration("connect", "Graph", "Connect…", "cable", ("Ctrl+L",), "Connect the selected node to another."),
    ActionDeclaration(
        "fallback", "Graph", "Fallback…", "shield-check", ("Ctrl+B",), "Choose what takes over when the node fails."
    ),
    ActionDeclaration(
        "unfold", "Graph", "Show inside", "expand", ("Ctrl+E",), "See a sub-workflow from inside, or as one card.", True
    ),
    ActionDeclaration(
        "group", "Graph", "Make sub-workflow", "group", ("Ctrl+G",), "Make one node of the selected ones."
    ),
    ActionDeclaration(
        "ungroup", "Graph", "Take apart", "ungroup", ("Ctrl+Shift+G",), "Put what is inside of it in its place."
    ),
    ActionDeclaration("arrange", "Graph", "Arrange", "workflow", ("Ctrl+Shift+A",), "Lay the graph out afresh.", True),
    ActionDeclaration("sql", "Graph", "Edit SQL…", "database", ("F4",), "Edit the selected node's SQL in a window."),
    ActionDeclaration("run", "Run", "Run", "play", ("F5", "Ctrl+R"), "Run the workflow."),
    ActionDeclaration(
        "run_failed", "Run", "Run from the failure", "refresh-cw", ("Ctrl+F5",), "Call what has no result that counts."
    ),
    ActionDeclaration(
        "run_from", "Run", "Run from here", "circle-play", ("Alt+F5",), "Call the selected node and what it feeds."
    ),
    ActionDeclaration(
        "run_only", "Run", "Run only this", "square-dashed", ("Alt+Shift+F5",), "Call the selected node alone."
    ),
    ActionDeclaration(
        "run_safe", "Run", "Safe preview", "eye", ("Ctrl+Shift+F5",), "Run all but what changes something outside."
    ),
    ActionDeclaration(
        "fault", "Run", "Fault…", "triangle-alert", (), "Choose what goes wrong here in a test run.", True
    ),
    ActionDeclaration(
        "run_test", "Run", "Test run", "shuffle", ("Ctrl+Alt+R",), "Run with the faults that were put in; it is marked."
    ),
    ActionDeclaration("pin", "Run", "Pin", "pin", ("Ctrl+P",), "Keep what the selected node gave; or let go of it."),
    ActionDeclaration("stop", "Run", "Stop", "square", ("Shift+F5",), "Stop the run."),
    ActionDeclaration(
        "step", "Run", "Step", "step-forward", ("F10",), "Go on to what comes next, over sub-workflows.", True
    ),
    ActionDeclaration(
        "step_into", "Run", "Step into", "arrow-down-to-dot", ("F11",), "Go on to what comes next, into sub-workflows."
    ),
    ActionDeclaration(
        "step_out", "Run", "Step out", "arrow-up-from-dot", ("Shift+F11",), "Go on to what follows the sub-workflow."
    ),
    ActionDeclaration("pause", "Run", "Pause", "pause", ("Ctrl+F6",), "Start no further node; what runs goes on."),
    ActionDeclaration("run_to", "Run", "Run to here", "log-in", ("Ctrl+F10",), "Stop before the selected node."),
    ActionDeclaration(
        "breakpoint",
        "Run",
        "Breakpoint",
        "circle-dot",
        ("F6",),
        "Stop runs before the selected node, or where a value comes by.",
    ),
    ActionDeclaration(
        "debugger", "Run", "Show debugger", "bug", ("Ctrl+F9",), "Show what stands still, and breakpoints."
    ),
    ActionDeclaration("data", "Run", "Show data", "table-2", ("F7",), "Show the rows of the selected node.", True),
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
    ),
    ActionDeclaration("pools", "Run", "Show pools", "database", (), "Show the connection pools, live."),
    ActionDeclaration(
        "connections", "File", "Connections…", "plug-zap", (), "Save and test database connections.", True
    ),
    ActionDeclaration("breakers", "Run", "Show breakers", "zap", (), "Show the circuit breakers."),
    ActionDeclaration(
        "attach", "Run", "Attach to a run…", "link", (), "Look on, or debug, a run of another process here.", True
    ),
    ActionDeclaration("detach", "Run", "Detach", "unlink", (), "Let go of the other process; it goes on."),
    ActionDeclaration(
        "restart", "Run", "Restart engine", "rotate-cw", (), "End the engine process and start anew.", True
    ),
    ActionDeclaration("reference", "Help", "Node reference", "book-text", ("F1",), "Help on the selected node's type."),
    ActionDeclaration(
        "crash_report", "Help", "Show crash report", "bug", (), "Show what was written when the window failed.", True
    ),
    ActionDeclaration("about", "Help", "About", "info", (), "Version and licences."),
)

OF_ANY_LIST = ("cut", "copy", "paste", "delete", "select_all")
OF_NODES = (*OF_ANY_LIST, "rename", "duplicate")
"""What the window does with nodes. The first are what a list or a table does with its own rows as well."""


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
        keys = [QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText) for key in declared.keys[:1]]
        action.setToolTip(" ".join([declared.tip, *(f"({key})" for key in keys)]))
        action.setStatusTip(declared.tip)
        if declared.icon:
            action.setIcon(icons.icon(declared.icon))
        action.triggered.connect(lambda _checked=False, call=handlers[declared.name]: (before(), call()))
        if declared.separated:
            menus[declared.menu].addSeparator()
        menus[declared.menu].addAction(action)
        actions[declared.name] = action
    return actions
