"""Edits that need a choice or the clipboard: add, connect, cut, copy, paste, delete; their menus and lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QMimeData, QObject, QPoint
from PySide6.QtGui import QAction, QCursor, QGuiApplication
from PySide6.QtWidgets import QMenu, QMessageBox

from kailash_studio import __version__
from kailash_studio.desktop.actions import ACTIONS
from kailash_studio.desktop.canvas import Canvas
from kailash_studio.desktop.dialogs.chooser import Choice, choose
from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.inserting import Inserting
from kailash_studio.desktop.panels.palette import Palette, PaletteEntry
from kailash_studio.desktop.session import Session
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.unfolding import Unfolding, around_of
from kailash_studio.errors import DocumentError
from kailash_studio.spec.port import Ports
from kailash_studio.spec.reference import summary
from kailash_studio.spec.registry import Registry
from kailash_studio.workflow.sub_workflows import BORDER, parent_of

if TYPE_CHECKING:
    from kailash_studio.desktop.window import MainWindow

FRAGMENT_MIME = "application/x-kailash-workflow-fragment"
_PASTE_STEP = 32.0


class Editing(QObject):
    """Edits of the open workflow that start from a menu, a key or the palette."""

    def __init__(
        self,
        session: Session,
        canvas: Canvas,
        unfolding: Unfolding,
        icons: Icons,
        theme: Theme,
        window: MainWindow,
    ) -> None:
        super().__init__(window)
        self._session, self._canvas, self._icons, self._theme = session, canvas, icons, theme
        self._unfolding = unfolding
        self._inserting = Inserting(session, canvas, unfolding, window.say, self)
        self._window = window
        self._actions: dict[str, QAction] = {}
        self._connection = ""  # the selected connection
        self._pastes = 0
        self._copied_in = ""  # the sub-workflow that the clipboard's nodes come from
        self.locked = False  # the open workflow is not seen: only commands are offered
        canvas.quick_add_requested.connect(self.choose_node_type_at)
        canvas.connection_dropped_on_canvas.connect(self.choose_node_for_port)
        canvas.fallback_dropped_on_canvas.connect(self.choose_fallback_at)
        canvas.delete_requested.connect(self.delete)
        canvas.connection_selected.connect(self._connection_selected)
        canvas.context_menu_requested.connect(self._context_menu)

    def use_actions(self, actions: dict[str, QAction]) -> None:
        """The window's actions, for menus."""
        self._actions = actions

    def paint_action(self, name: str, action: QAction) -> None:
        """Give an action its icon in the present theme."""
        declared = next(item for item in ACTIONS if item.name == name)
        if declared.icon:
            action.setIcon(self._icons.icon(declared.icon))

    # ------------------------------------------------------------------ node types
    def fill_palette(self, palette: Palette) -> None:
        """Show the node types in the palette."""
        broken = [(f.place.removeprefix("plugins/"), f.sentence) for f in self._session.registry.findings]
        palette.set_types(palette_entries(self._session.registry), broken)
        palette.add_requested.connect(self._add_beside)
        palette.let_go.connect(self._canvas.setFocus)

    def _add(self, type_name: str, x: float, y: float, parent: str) -> str:
        """Place a node somewhere, in a sub-workflow or in none, and select it; empty where it cannot stand."""
        place = self._unfolding.into(self._session.workflow, parent, (x, y))
        try:
            node_id = self._session.add_node(type_name, place, parent=parent)
        except DocumentError as error:
            self._window.say(str(error))
            return ""
        self._canvas.select([node_id])
        return node_id

    def _add_beside(self, type_name: str) -> None:
        if not self._inserting.add_on_selected(type_name):
            self._add(type_name, *self._canvas.add_position(), self._here())

    def _here(self) -> str:
        """The sub-workflow that the selection is in: that is where something new belongs."""
        chosen = self._canvas.selection()
        return parent_of(chosen[-1]) if chosen else ""

    def choose_node_type(self) -> None:
        """Choose a node type from a list and place a node where there is room."""
        choose(self._window, "Add a node…", self._type_choices(), self._add_beside)

    def choose_node_type_at(self, x: float, y: float) -> None:
        """Choose a node type from a list and place a node there."""
        parent = self._canvas.frame_at(x, y)

        def add(name: str) -> None:
            if not self._inserting.add_on_selected(name):
                self._add(name, x, y, parent)

        choose(self._window, "Add a node…", self._type_choices(), add)

    def _type_choices(self) -> list[Choice]:
        return [
            Choice(
                node_type.title,
                summary(node_type),
                node_type.type_name(),
                self._icons.icon(node_type.icon, self._theme.category_colour(node_type.category)),
            )
            for node_type in self._session.registry
            if not node_type.placed_by
        ]

    def choose_node_for_port(self, node_id: str, port: str, is_output: bool, x: float, y: float) -> None:
        """Choose a node to place at the loose end of a connection, from the types that have a port that fits."""
        from kailash_studio.spec.port import fits

        own = self._session.ports(node_id)
        if own is None:
            return
        kind = (own.outputs if is_output else own.inputs)[port].type
        choices = []
        for choice in self._type_choices():
            ports = self._session.registry.get(choice.value).ports_of({})
            able = self._fitting(ports, is_output, lambda other: fits(kind, other) if is_output else fits(other, kind))
            if able:
                choices.append(
                    Choice(choice.text, f"{able[0]}    {choice.detail}", (choice.value, able[0]), choice.icon)
                )

        def add(chosen: tuple[str, str]) -> None:
            type_name, other_port = chosen
            new_id = self._add(type_name, x, y, parent_of(node_id))
            if not new_id:
                return
            ends = (node_id, port, new_id, other_port) if is_output else (new_id, other_port, node_id, port)
            reason = self._session.connect_ports(*ends)
            if reason:
                self._window.say(reason)

        choose(self._window, f"Add a node that fits {node_id}.{port}…", choices, add)

    @staticmethod
    def _fitting(ports: Ports, is_output: bool, fitting: Any) -> list[str]:
        if is_output:
            able = [(not port.required, name) for name, port in ports.inputs.items() if fitting(port.type)]
            return [name for _, name in sorted(able, key=lambda item: item[0])]
        return [name for name, port in ports.outputs.items() if fitting(port.type)]

    # ------------------------------------------------------------------ connections
    def choose_connection(self) -> None:
        """Choose from the connections that the selected node can make: the way to connect by keyboard."""
        chosen = self._canvas.selection()
        if len(chosen) != 1:
            self._window.say("Select one node first, then choose what it is connected to.")
            return
        choices = self._possible_connections(chosen[0])
        if not choices:
            self._window.say(f"No other node takes what {chosen[0]} gives, or gives what it takes.")
            return

        def connect(ends: tuple[str, str, str, str]) -> None:
            reason = self._session.connect_ports(*ends)
            if reason:
                self._window.say(reason)

        choose(self._window, f"Connect {chosen[0]}…", choices, connect)

    def choose_fallback(self) -> None:
        """Choose the node that takes over when the selected one fails."""
        chosen = self._canvas.selection()
        if len(chosen) != 1:
            self._window.say("Select one node first, then choose what takes over when it fails.")
            return
        x, y = self._canvas.add_position()
        self.choose_fallback_at(chosen[0], x, y)

    def choose_fallback_at(self, node_id: str, x: float, y: float) -> None:
        """Choose a node that takes over when this one fails: one that is there, or a new one placed there."""
        session = self._session
        icon = self._icons.icon("cable", "red")
        choices = [
            Choice(other, "takes over when it fails", ("node", other), icon)
            for other in session.workflow.nodes
            if session.fallback_refusal(node_id, other) is None
        ]
        choices += [Choice(f"New {c.text}", c.detail, ("type", c.value), c.icon) for c in self._type_choices()]

        def take(chosen: tuple[str, str]) -> None:
            kind, name = chosen
            fallback = name if kind == "node" else self._add(name, x, y, parent_of(node_id))
            if fallback:
                self._canvas.fallback_drawn.emit(node_id, fallback)

        choose(self._window, f"What takes over when {node_id} fails…", choices, take)

    def _possible_connections(self, node_id: str) -> list[Choice]:
        session = self._session
        own = session.ports(node_id)
        if own is None:
            return []
        choices = []
        icon = self._icons.icon("cable")
        for other_id in session.workflow.nodes:
            other = session.ports(other_id)
            if other is None or other_id == node_id:
                continue
            pairs = [(node_id, output, other_id, name) for output in own.outputs for name in other.inputs]
            pairs += [(other_id, output, node_id, name) for output in other.outputs for name in own.inputs]
            for ends in pairs:
                exists = f"{ends[0]}.{ends[1]}>{ends[2]}.{ends[3]}" in session.workflow.connections
                if not exists and session.refusal(*ends) is None:
                    choices.append(Choice(f"{ends[0]}.{ends[1]}  →  {ends[2]}.{ends[3]}", "", ends, icon))
        return choices

    # ------------------------------------------------------------------ selection and clipboard
    def _connection_selected(self, key: str) -> None:
        self._connection = key

    def _movable(self) -> list[str]:
        """The selected nodes without those at the border of a sub-workflow, which go with it."""
        chosen, nodes = self._canvas.selection(), self._session.workflow.nodes
        staying = [n for n in chosen if nodes[n].type in BORDER and not any(a in chosen for a in around_of(n))]
        if staying:
            self._window.say(f"{staying[0]} is a part of {parent_of(staying[0])} and goes with it.")
        return [node_id for node_id in chosen if node_id not in staying]

    def copy(self) -> None:
        """Put the selected nodes on the clipboard, as text that can be pasted into a message too."""
        chosen = self._movable()
        if not chosen:
            return
        self._copied_in = self._here()
        text = self._session.copied(chosen)
        data = QMimeData()
        data.setData(FRAGMENT_MIME, text.encode("utf-8"))
        data.setText(text)
        QGuiApplication.clipboard().setMimeData(data)
        self._pastes = 0

    def cut(self) -> None:
        """Copy the selected nodes and remove them."""
        self.copy()
        self._session.remove(self._movable())

    def paste(self) -> None:
        """Add the nodes of the clipboard, a step beside those that were pasted before."""
        data = QGuiApplication.clipboard().mimeData()
        raw = bytes(data.data(FRAGMENT_MIME).data()).decode("utf-8") if data.hasFormat(FRAGMENT_MIME) else data.text()
        self._pastes += 1
        parent = self._here() if self._canvas.selection() or not self._unfolding.is_open(self._copied_in) else None
        self._paste(raw, _PASTE_STEP * self._pastes, self._copied_in if parent is None else parent)

    def duplicate(self) -> None:
        """Add a copy of the selected nodes, without the clipboard."""
        chosen = self._movable()
        if chosen:
            self._copied_in = self._here()
            self._paste(self._session.copied(chosen), _PASTE_STEP, self._copied_in)

    def _paste(self, text: str, step: float, parent: str) -> None:
        try:
            fresh = self._session.paste(text, (step, step), parent=parent, near=parent not in {"", self._copied_in})
            self._canvas.select(fresh)
        except DocumentError as error:
            self._window.say(str(error))

    def enclose(self) -> None:
        """Make a sub-workflow of the selected nodes."""
        try:
            self._canvas.select([self._session.enclose(self._canvas.selection())])
        except DocumentError as error:
            self._window.say(str(error))

    def take_apart(self) -> None:
        """Put what is inside of the selected sub-workflows in their place."""
        chosen = self._canvas.selection()
        if not chosen:
            self._window.say("Select a sub-workflow first, to take it apart.")
        inner: list[str] = []
        try:
            for node_id in chosen:
                inner += self._session.take_apart(node_id)
        except DocumentError as error:
            self._window.say(str(error))
        if inner:
            self._canvas.select(inner)

    def delete(self) -> None:
        """Remove the selected nodes, or the selected connection."""
        chosen = self._canvas.selection()
        if chosen:
            self._session.remove(self._movable())
        elif self._connection:
            self._canvas.connection_delete_requested.emit(self._connection)
            self._connection = ""

    # ------------------------------------------------------------------ menus and lists
    def _context_menu(self, where: QPoint, node_id: str, key: str) -> None:
        menu = QMenu(self._window)
        if node_id:
            if node_id not in self._canvas.selection():
                self._canvas.select([node_id])
            names = [
                "data",
                "run_from",
                "run_only",
                "run_to",
                "",
                "breakpoint",
                "pin",
                "fault",
                "",
                "connect",
                "fallback",
                "rename",
                "",
                "unfold",
                "group",
                "ungroup",
                "",
                "cut",
                "copy",
                "duplicate",
                "delete",
                "",
                "reference",
            ]
        elif key:
            self._connection = key
            self._canvas.select_connection(key)
            names = ["breakpoint", "", "delete"]
        else:
            names = ["add", "paste", "select_all", "", "arrange", "fit"]
        for name in names:
            if name:
                menu.addAction(self._actions[name])
            else:
                menu.addSeparator()
        self._window.popup(menu, where if not where.isNull() else QCursor.pos())

    def choose_command(self) -> None:
        """The command palette: every action, every node of the workflow, every node type."""
        choices = [
            Choice(
                self._actions[item.name].text().removesuffix("…"),
                f"{item.keys[0] if item.keys else ''}    {item.tip}".strip(),
                ("action", item.name),
                self._icons.icon(item.icon) if item.icon else None,
                self._window.readiness.why_not(item),
            )
            for item in ACTIONS
            if item.name != "commands"
        ]
        pin = self._icons.icon("circle-dot", "accent")
        if not self.locked:
            choices += [
                Choice(node_id, "Go to this node", ("node", node_id), pin) for node_id in self._session.workflow.nodes
            ]
            choices += [Choice(f"Add {c.text}", c.detail, ("type", c.value), c.icon) for c in self._type_choices()]

        def follow(chosen: tuple[str, str]) -> None:
            kind, name = chosen
            if kind == "action":
                self._actions[name].trigger()
            elif kind == "node":
                self._canvas.select([name])
                self._canvas.center_on(name)
            else:
                self._add_beside(name)

        choose(self._window, "Search nodes, commands…", choices, follow)

    def about(self) -> None:
        """Version and licences."""
        box = QMessageBox(self._window)
        box.setWindowTitle("About Kailash Studio")
        box.setText(f"<b>Kailash Studio {__version__}</b>")
        box.setInformativeText(
            "Draw a workflow, run it, and run the same file on a server.\n\n"
            "Fonts: Inter and JetBrains Mono (OFL). Icons: Lucide (ISC). Window: Qt for Python (LGPL), NodeGraphQt."
        )
        box.finished.connect(box.deleteLater)
        box.open()


def palette_entries(registry: Registry) -> list[PaletteEntry]:
    """The node types as palette entries."""
    return [
        PaletteEntry(
            type_name=node_type.type_name(),
            title=node_type.title,
            category=node_type.category,
            icon=node_type.icon,
            doc=summary(node_type),
            keywords=node_type.keywords,
        )
        for node_type in registry
        if not node_type.placed_by
    ]
