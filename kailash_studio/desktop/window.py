"""The main window: puts the parts together and says which part answers which action."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, QPoint, Qt, QTimer
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QKeyEvent
from PySide6.QtWidgets import QApplication, QMainWindow, QMenu, QVBoxLayout, QWidget

from kailash_studio.desktop.actions import make_actions
from kailash_studio.desktop.attach_link import AttachLink
from kailash_studio.desktop.breakpoints import Breakpoints
from kailash_studio.desktop.canvas import Canvas
from kailash_studio.desktop.canvas_link import CanvasLink
from kailash_studio.desktop.capsule_link import CapsuleLink
from kailash_studio.desktop.crash_link import CrashLink
from kailash_studio.desktop.debug_link import DebugLink
from kailash_studio.desktop.dialogs.connections import ConnectionsDialog
from kailash_studio.desktop.docks import Docks, Tab
from kailash_studio.desktop.documents import Documents
from kailash_studio.desktop.editing import Editing
from kailash_studio.desktop.engine import Engine
from kailash_studio.desktop.faults import Faults
from kailash_studio.desktop.history import History
from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.inspector import Inspector
from kailash_studio.desktop.inspector_link import InspectorLink
from kailash_studio.desktop.notice import Notice
from kailash_studio.desktop.operations_link import OperationsLink
from kailash_studio.desktop.panels.breakers import Breakers
from kailash_studio.desktop.panels.dead_letters import DeadLetters
from kailash_studio.desktop.panels.debugger import Debugger
from kailash_studio.desktop.panels.log import LogLine, RunLog
from kailash_studio.desktop.panels.palette import Palette
from kailash_studio.desktop.panels.pools import Pools
from kailash_studio.desktop.panels.problems import Problems
from kailash_studio.desktop.panels.table import RowsPanel
from kailash_studio.desktop.pins import Pins
from kailash_studio.desktop.preview_link import PreviewLink
from kailash_studio.desktop.readiness import Readiness
from kailash_studio.desktop.recent_menu import RecentMenu
from kailash_studio.desktop.rerun_link import RerunLink
from kailash_studio.desktop.rows_link import RowsLink
from kailash_studio.desktop.runs import Runs
from kailash_studio.desktop.session import Session
from kailash_studio.desktop.settings import Settings
from kailash_studio.desktop.sql_link import SqlLink
from kailash_studio.desktop.status import RunBar, StatusLine
from kailash_studio.desktop.status_link import StatusLink
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.unfolding import Unfolding
from kailash_studio.spec.policy import Resilience
from kailash_studio.spec.registry import Registry
from kailash_studio.workflow.sub_workflows import entered

_SAY_MS = 8000


class MainWindow(QMainWindow):
    """The window of one workflow. ``closed`` is done when it has closed in order."""

    def __init__(self, theme: Theme, settings: Settings, registry: Registry) -> None:
        super().__init__()
        self.setObjectName("main_window")
        self.setAcceptDrops(True)
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.theme, self.settings = theme, settings
        self.icons = Icons(theme)
        self.session = Session(registry, self)
        self.engine = Engine(self)
        self.canvas = Canvas(theme, self.icons)
        self.palette_panel = Palette(theme, self.icons)
        self.inspector = Inspector(theme, self.icons)
        self.problems = Problems(theme, self.icons)
        self.log = RunLog(theme, self.icons)
        self.rows = RowsPanel(theme, self.icons)
        self.dead_letters = DeadLetters(theme, self.icons)
        self.breakers = Breakers(theme, self.icons)
        self.debugger = Debugger(theme, self.icons)
        self.pools = Pools(theme, self.icons)
        self.documents = Documents(self.session, settings, self)
        self.runs = Runs(self.session, self.engine, self.canvas, self)
        self.breakpoints = Breakpoints(self.session, settings, self)
        self.debug_link = DebugLink(
            self.engine, self.runs, self.canvas, self.session, self.breakpoints, self.debugger, self.say, self
        )
        self._make_strips()
        self._make_debugging()
        self.history = History(self)
        self.unfolding = Unfolding(registry)
        self.editing = Editing(self.session, self.canvas, self.unfolding, self.icons, theme, self)
        self.actions_by_name = make_actions(self, self.icons, self._handlers(), self.session.settle)
        self.editing.use_actions(self.actions_by_name)
        self.bar = RunBar(theme, self.icons, self.actions_by_name, self)
        self.line = StatusLine(theme, self)
        self._lay_out()
        self.canvas_link = CanvasLink(
            self.session, self.canvas, self.breakpoints, self.pins, self.faults, self.unfolding, self.say, self
        )
        self.attach_link = AttachLink(
            self.session,
            self.engine,
            self.runs,
            self.documents,
            self.attachment,
            self.icons,
            self.canvas_link.drawn,
            self.say,
            self,
        )
        self.inspector_link = InspectorLink(self.session, self.canvas, self.runs, self.inspector, self.say, self)
        self.preview_link = PreviewLink(self.session, self.canvas, self.engine, self.runs, self.inspector.preview, self)
        self.preview_link.columns_known.connect(self.inspector.set_columns)
        self.rows_link = RowsLink(self.session, self.canvas, self.runs, self.rows, self)
        self.operations_link = OperationsLink(
            self.engine, self.runs, self.session, self.dead_letters, self.breakers, self.pools, self.say, self
        )
        self.operations_link.connections_known.connect(self.session.know_connections)
        self.operations_link.connections_known.connect(self.inspector_link.offer_connections)
        self.sql_link = SqlLink(
            self.session,
            self.engine,
            self.inspector,
            theme,
            self.icons,
            self.say,
            self._shown_run,
            [self.actions_by_name[name] for name in ("save", "save_as", "run", "stop")],
            self,
        )
        self.editing.fill_palette(self.palette_panel)
        self._connect()
        self.status_link = StatusLink(self)
        self.operations_link.counted.connect(self.status_link.show_operations)
        self.history.connect_with(self.actions_by_name, self.inspector)
        self.readiness = Readiness(self)
        self.status_link.show()

    # ------------------------------------------------------------------ putting together
    def _shown_run(self) -> str:
        return self.runs.current.run_id if self.runs.current is not None else ""

    def _make_debugging(self) -> None:
        self.pins = Pins(self.session, self.engine, self.runs, self.pinned, self.say, self)
        self.faults = Faults(self.session, self.say, self)
        self.capsule_link = CapsuleLink(
            self.session, self.engine, self.runs, self.documents, self.played, self.say, self
        )
        self.rerun_link = RerunLink(self.session, self.engine, self.canvas, self.runs, self.failure, self.say, self)
        self.pins.kept.connect(self.rerun_link.look_at_grounds)

    def _make_strips(self) -> None:
        theme, icons = self.theme, self.icons
        self.notice = Notice(theme, icons, "circle-alert", "red", self, can_close=False)
        self.attachment = Notice(theme, icons, "link", "accent", self, can_close=False)
        self.failure = Notice(theme, icons, "circle-x", "red", self)
        self.pinned = Notice(theme, icons, "pin", "purple", self)
        self.played = Notice(theme, icons, "package", "accent", self, can_close=False)
        self.crashed = Notice(theme, icons, "bug", "amber", self)
        self.crash_link = CrashLink(theme, self.crashed, self.say, self)

    def _lay_out(self) -> None:
        self.setMinimumSize(900, 560)
        self.resize(1440, 900)
        middle = QWidget(self)
        layout = QVBoxLayout(middle)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        for strip in (self.notice, self.crashed, self.attachment, self.played, self.failure, self.pinned):
            layout.addWidget(strip)
        layout.addWidget(self.history.place, 1)
        self.setCentralWidget(middle)
        self.addToolBar(self.bar)
        self.setStatusBar(self.line)
        history = self.history
        self.docks = Docks(
            self,
            self.icons,
            self.actions_by_name,
            left=self.palette_panel,
            right=history.side,
            data=[
                Tab(self.rows, "table-2", "Data"),
                Tab(self.debugger, "bug", "Debugger"),
                Tab(self.pools, "database", "Pools"),
                Tab(history.timeline, "activity", "Timeline"),
                Tab(history.comparison, "split", "Comparison"),
            ],
            report=[
                Tab(self.log, "scroll-text", "Log"),
                Tab(self.problems, "triangle-alert", "Problems"),
                Tab(self.dead_letters, "inbox", "Dead letters"),
                Tab(self.breakers, "zap", "Breakers"),
                Tab(history.list, "history", "Runs"),
            ],
        )
        for panel in (history.timeline, history.comparison):
            self.docks.hide(panel)
        self.docks.restore(self.settings)

    def _handlers(self) -> dict[str, Callable[[], object]]:
        canvas, documents, runs, editing = self.canvas, self.documents, self.runs, self.editing
        return {
            "new": documents.new,
            "open": documents.ask_open,
            "example": documents.open_example,
            "capsule": self.capsule_link.choose,
            "save": documents.save,
            "save_as": documents.save_as,
            "quit": self.close,
            "undo": self.session.undo,
            "redo": self.session.redo,
            "cut": editing.cut,
            "copy": editing.copy,
            "paste": editing.paste,
            "duplicate": editing.duplicate,
            "delete": editing.delete,
            "select_all": lambda: canvas.select(list(canvas.store.cards)),
            "rename": self.inspector.focus_name,
            "zoom_in": lambda: self.history.canvas().zoom_in(),
            "zoom_out": lambda: self.history.canvas().zoom_out(),
            "zoom_reset": lambda: self.history.canvas().zoom_reset(),
            "fit": lambda: self.history.canvas().fit(),
            "theme": self.change_theme,
            "commands": editing.choose_command,
            "add": editing.choose_node_type,
            "connect": editing.choose_connection,
            "fallback": editing.choose_fallback,
            "arrange": self.arrange,
            "unfold": lambda: self.canvas_link.unfold_or_fold(canvas.selection()),
            "group": editing.enclose,
            "ungroup": editing.take_apart,
            "sql": lambda: self.sql_link.open_chosen(canvas.selection()),
            "run": self.run_or_go_on,
            "step": self.debug_link.step,
            "step_into": lambda: self.debug_link.step("into"),
            "step_out": lambda: self.debug_link.step("out"),
            "pause": self.debug_link.pause,
            "run_to": self.debug_link.run_to,
            "breakpoint": self.debug_link.toggle,
            "debugger": self.show_debugger,
            "run_failed": self.rerun_link.from_failure,
            "run_from": self.rerun_link.from_here,
            "run_only": self.rerun_link.only_this,
            "run_safe": self.rerun_link.preview,
            "fault": lambda: self.faults.choose(canvas.selection(), self),
            "run_test": self.run_test,
            "pin": lambda: self.pins.toggle(canvas.selection()),
            "stop": runs.stop,
            "data": self.show_data,
            "problems": self.show_problems,
            "dead_letters": lambda: self.docks.show(self.dead_letters),
            "breakers": lambda: self.docks.show(self.breakers),
            "pools": self.show_pools,
            "runs": lambda: self.docks.show(self.history.list),
            **self.history.handlers(),
            "connections": self.show_connections,
            "attach": self._attach,
            "detach": self._detach,
            "restart": self.restart_engine,
            "reference": self.inspector.show_help,
            "crash_report": self.crash_link.show,
            "about": editing.about,
        }

    def _connect(self) -> None:
        runs, canvas = self.runs, self.canvas
        runs.changed.connect(self._run_changed)
        runs.said.connect(self.say)
        runs.problems_asked.connect(self.show_problems)
        runs.logged.connect(lambda lines: self.log.append([LogLine(*line) for line in lines]))
        self.problems.jump.connect(self.jump)
        self.debug_link.stopped.connect(self._stopped)
        self.rerun_link.data_wanted.connect(self._show_inputs)
        self.operations_link.jump.connect(self.jump)
        self.history.timeline_shown.connect(lambda asked: self.docks.show_wide(self.history.timeline, focus=asked))
        self.history.compared.connect(lambda: self.docks.show_wide(self.history.comparison))
        self.debugger.node_wanted.connect(lambda node: self.jump(f"nodes/{node}"))
        self.documents.said.connect(self.say)
        self.bar.search_asked.connect(self.editing.choose_command)
        canvas.zoom_changed.connect(lambda zoom: self.line.show_plain("zoom", f"{zoom:.0%}"))
        canvas.drag_message.connect(self._drag_message)
        file_menu = self.findChild(QMenu, "menu_file")
        if file_menu is not None:
            file_menu.insertMenu(self.actions_by_name["save"], RecentMenu(self.documents, self.settings, self))
        self.line.show_plain("zoom", f"{canvas.zoom():.0%}")

    def start(self, files: Sequence[Path]) -> None:
        """What happens once the window is on the screen: the engine, the file, what an earlier window left."""
        QTimer.singleShot(0, self.engine.start)
        QTimer.singleShot(0, Resilience.model)  # a tenth of a second, now rather than at the first click
        if files:
            self.documents.open(files[0])
        self.documents.offer_leftovers()
        self.crash_link.offer()

    # ------------------------------------------------------------------ actions of the window itself
    def say(self, sentence: str) -> None:
        """Show a sentence in the status line for a while, and in the log."""
        self.line.showMessage(sentence, _SAY_MS)
        self.log.append([LogLine(time.time(), "warning", "", sentence)])

    def _drag_message(self, reason: str) -> None:
        if reason:
            self.line.showMessage(reason)
        else:
            self.line.clearMessage()

    def change_theme(self) -> None:
        """Change between dark and light, and remember it."""
        self.theme.set_name("light" if self.theme.name == "dark" else "dark")
        self.settings.theme = self.theme.name
        self.settings.save()
        for name, action in self.actions_by_name.items():
            self.editing.paint_action(name, action)
        self.status_link.show()

    def arrange(self) -> None:
        """Lay the graph out afresh and show all of it."""
        self.session.arrange()
        self.canvas.fit()

    def show_data(self) -> None:
        """Show the data of the selected node."""
        chosen = self.history.canvas().selection()
        if chosen and not self.history.past.looking:
            self.rows_link.show_node(chosen[0])
        self.docks.show(self.rows)

    def _show_inputs(self, node: str) -> None:
        self.rows_link.show_inputs(node)
        self.docks.show(self.rows, focus=False)

    def run_or_go_on(self) -> None:
        """Run the workflow; a run that is paused or stands still goes on."""
        self.history.past.leave()
        if self.runs.waits_for_somebody:
            self.debug_link.go_on()
        else:
            self.runs.start()

    def _attach(self) -> None:
        self.attach_link.choose()

    def _detach(self) -> None:
        self.attach_link.detach()

    def run_test(self) -> None:
        """Run with the faults that were put in."""
        if not self.faults.scenario.faults:
            self.say("There is no fault yet: select a node, and Run > Fault.")
        else:
            self.runs.start(scenario=self.faults.scenario.to_plain())

    def show_pools(self) -> None:
        """Show the connection pools of the engine, with room for their lines."""
        self.docks.show_wide(self.pools)

    def show_connections(self) -> None:
        """Save, change and test connections to databases."""
        dialog = ConnectionsDialog(self.engine, self.icons, self)
        dialog.finished.connect(lambda _: self.operations_link.ask_connections())
        dialog.open()

    def show_debugger(self) -> None:
        """Show what stands still, with room for its values."""
        self.docks.show_wide(self.debugger)

    def _run_changed(self) -> None:
        if not self.runs.running:
            self.sql_link.run_ended()

    def _stopped(self) -> None:
        """A node stands still: show it, with what it was given."""
        self.show_debugger()
        stopped = self.runs.stopped()
        if stopped:
            newest = max(stopped, key=lambda node: int(stopped[node]["stop"]))
            if not self.unfolding.shows(newest) and stopped[newest]["when"] == "before":
                newest = entered(self.session.workflow, newest)  # a sub-workflow stands still before its inside
            self.canvas.select([newest])
            self.canvas.show_node(newest)

    def show_problems(self) -> None:
        """Show what is to be mended."""
        self.docks.show(self.problems)

    def restart_engine(self) -> None:
        """End the engine process, whatever it is doing, and start another."""
        self.engine.kill()
        self.runs.clear()
        self.notice.hide()
        self.engine.start()

    def jump(self, place: str) -> None:
        """Show the place of a finding: select its node and go to its field."""
        self.history.past.leave()
        parts = place.split("/")
        workflow = self.session.workflow
        if parts[0] == "nodes" and len(parts) > 1 and parts[1] in workflow.nodes:
            self.canvas.select([parts[1]])
            self.canvas.center_on(parts[1])
            if len(parts) > 3 and parts[2] in {"parameters", "resilience"}:
                self.inspector.focus_field("/".join(parts[3:]))
        elif parts[0] == "connections" and len(parts) > 1:
            connection = workflow.connections.get("/".join(parts[1:]))
            if connection is not None and connection.target in workflow.nodes:
                self.canvas.select([connection.target])
                self.canvas.center_on(connection.target)

    # ------------------------------------------------------------------ files dropped on the window
    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take workflow files from a file manager."""
        urls = event.mimeData().urls()
        if len(urls) == 1 and urls[0].toLocalFile().endswith(".json"):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open the dropped file."""
        self.documents.open(Path(event.mimeData().urls()[0].toLocalFile()))

    # ------------------------------------------------------------------ keys
    def keyPressEvent(self, event: QKeyEvent) -> None:
        """A key of an action that is off says why; nobody else has taken it."""
        why = self.readiness.why_no_key(event.keyCombination())
        if why and event.key() != Qt.Key.Key_Escape:  # which leaves much else than a past run
            self.line.showMessage(why, _SAY_MS)
        else:
            super().keyPressEvent(event)

    # ------------------------------------------------------------------ closing
    def closeEvent(self, event: QCloseEvent) -> None:
        """Ask about unsaved changes; nothing may be awaited here."""
        if self.closed.done():
            event.accept()
            return
        event.ignore()
        self.documents.when_saved(self.close_without_asking)

    def close_without_asking(self) -> None:
        """Close; unsaved changes are given up, or were saved."""
        if self.closed.done():
            return
        self.docks.keep(self.settings)
        self.settings.save()
        self.sql_link.close()
        self.documents.close()
        self.session.close()
        self.operations_link.close()
        self.preview_link.close()
        self.rerun_link.close()
        self.pins.close()
        self.canvas_link.close()
        self.history.close()
        self.runs.close()
        self.closed.set_result(None)
        self.hide()

    def dispose(self) -> None:
        """Take everything down in the order that Qt needs; the window is gone afterwards."""
        self.engine.stop()
        self.history.dispose()
        self.canvas.dispose()
        self.close()
        self.deleteLater()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)

    def contextMenuEvent(self, event: object) -> None:
        """No menu of docks and toolbars: they cannot be closed."""

    def popup(self, menu: QMenu, where: QPoint) -> None:
        """Show a menu; it deletes itself."""
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(where)
