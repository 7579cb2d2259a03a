"""What GUI tests stand on: one application, windows that are taken down in order, and a watch on what they leave.

A test fails when it leaves a window, a running timer, a thread, a process or an asyncio task behind, when Python still
holds a window or canvas that was disposed, when Qt prints a warning, and when a slot raises.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable, Coroutine, Generator, Iterator
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
import shiboken6
from PySide6.QtCore import (
    QCoreApplication,
    QEvent,
    QMessageLogContext,
    QObject,
    QProcess,
    QThread,
    QTimer,
    QtMsgType,
    qInstallMessageHandler,
)
from PySide6.QtWidgets import QApplication, QWidget
from qasync import QEventLoop

from kailash_studio.desktop.app import make_application
from kailash_studio.desktop.canvas import Canvas
from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.settings import Settings
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.window import MainWindow
from kailash_studio.spec.registry import Registry, installed_node_types

T = TypeVar("T")
_PATIENCE = 10.0
_WATCHED = (QTimer, QThread, QProcess)
_FAILED = pytest.StashKey[bool]()
_OFFSCREEN = "This plugin does not support "
"""What the offscreen platform says of a window that is raised, grabs the keyboard or has a least size."""


def pytest_configure(config: pytest.Config) -> None:
    """Let the watch below hear Qt's messages until the end of the teardown; pytest-qt stops listening before it."""
    listening = config.pluginmanager.get_plugin("_qt_logging")
    if listening is not None:
        config.pluginmanager.unregister(listening)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember whether the test itself failed."""
    report = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    return report


# ---------------------------------------------------------------------- the watch
class Watch:
    """Hears Qt's messages, and knows what was alive before the test and must be gone after it."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self._mortal: list[tuple[str, weakref.ref[object]]] = []
        self._before = self._alive()

    def hear(self, kind: QtMsgType, context: QMessageLogContext, text: str | None) -> None:
        told = kind in (QtMsgType.QtWarningMsg, QtMsgType.QtCriticalMsg, QtMsgType.QtFatalMsg)
        if told and not (text or "").startswith(_OFFSCREEN):
            self.messages.append(f"Qt says: {context.category}: {text}")

    def must_die(self, *things: object) -> None:
        """After the test, Python must not hold these any more."""
        self._mortal += [(type(thing).__name__, weakref.ref(thing)) for thing in things]

    def _alive(self) -> dict[int, str]:
        alive = {id(w): f"top-level widget {_called(w)}" for w in QApplication.topLevelWidgets()}
        for thing in gc.get_objects():
            if not isinstance(thing, _WATCHED) or not shiboken6.isValid(thing):
                continue
            if isinstance(thing, QTimer) and thing.isActive():
                alive[id(thing)] = f"running timer of {_called(thing.parent())}"
            elif isinstance(thing, QThread) and thing.isRunning() and thing is not QThread.currentThread():
                alive[id(thing)] = f"running QThread {_called(thing)}"
            elif isinstance(thing, QProcess) and thing.state() != QProcess.ProcessState.NotRunning:
                alive[id(thing)] = f"running QProcess {thing.program()}"
        alive |= {id(thread): f"thread {thread.name}" for thread in threading.enumerate()}
        alive |= {child.pid: f"process {child.pid}" for child in psutil.Process().children(recursive=True)}
        return alive

    def leaks(self, *, failed: bool) -> list[str]:
        """What is left, after Qt and Python had their chance to clean up.

        Python's hold is not judged after a failed test, whose traceback holds its objects.
        """
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
        QCoreApplication.processEvents()
        gc.collect()
        after = self._alive()
        left = [f"left behind: {after[key]}" for key in after.keys() - self._before.keys()]
        if not failed:
            left += [f"still held by Python: {name}" for name, mortal in self._mortal if mortal() is not None]
        return left + self.messages


def _called(thing: QObject | None) -> str:
    return f"{type(thing).__name__} {thing.objectName()}".strip() if thing is not None else "nobody"


@pytest.fixture(scope="session")
def qapp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QApplication]:
    """The application, dressed once."""
    app = make_application(["kailash-studio"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KAILASH_STUDIO_HOME", str(tmp_path_factory.mktemp("dress")))
        Theme("dark", parent=app).apply(app)
    gc.collect()
    gc.freeze()  # what is there by now stays: looking through it after each test would take longer than the tests
    yield app
    app.clipboard().clear()  # offscreen, what a test copied would be destroyed after Python, which crashes


@pytest.fixture
def watch(qapp: QApplication, request: pytest.FixtureRequest) -> Iterator[Watch]:
    """Fails the test that leaves something behind; the folders whose tests work in this process ask for it in each."""
    watching = Watch()
    previous = qInstallMessageHandler(watching.hear)
    yield watching
    request.node.funcargs.clear()  # pytest's own hold on what the fixtures gave
    left = watching.leaks(failed=request.node.stash.get(_FAILED, False))
    qInstallMessageHandler(previous)
    if left:
        pytest.fail("\n".join(left), pytrace=False)


# ---------------------------------------------------------------------- what tests work with
Run = Callable[[Coroutine[Any, Any, T]], T]


@pytest.fixture
def loop(qapp: QApplication, watch: Watch) -> Iterator[QEventLoop]:
    """A loop that serves Qt and asyncio; no task may be left on it."""
    made = QEventLoop(qapp)
    asyncio.set_event_loop(made)
    yield made
    made.run_until_complete(asyncio.sleep(0))  # a task whose answer is there already gets the turn to end in
    pending = [task for task in asyncio.all_tasks(made) if not task.done()]
    asyncio.set_event_loop(None)
    watch.messages += [f"left behind: task {task.get_coro()!r}" for task in pending]
    for task in pending:
        task.cancel()
    made.close()


@pytest.fixture
def run(loop: QEventLoop) -> Run[Any]:
    """Runs a coroutine to its end, or fails."""

    def to_its_end(work: Coroutine[Any, Any, Any]) -> Any:
        return loop.run_until_complete(asyncio.wait_for(work, _PATIENCE))

    return to_its_end


@pytest.fixture(scope="session")
def registry() -> Registry:
    return installed_node_types()


@pytest.fixture
def theme(qapp: QApplication) -> Theme:
    return Theme("dark")


@pytest.fixture
def icons(theme: Theme) -> Icons:
    return Icons(theme)


@pytest.fixture
def shown(qapp: QApplication) -> Iterator[Callable[[QWidget], QWidget]]:
    """Shows a widget, and deletes it after the test."""
    widgets: list[QWidget] = []

    def show(widget: QWidget) -> QWidget:
        widgets.append(widget)
        widget.show()
        QCoreApplication.processEvents()
        return widget

    yield show
    for widget in widgets:
        if shiboken6.isValid(widget):
            widget.close()
            widget.deleteLater()


@pytest.fixture
def canvas(theme: Theme, icons: Icons, watch: Watch) -> Iterator[Canvas]:
    """A canvas on the screen, 1000 by 700."""
    made = Canvas(theme, icons)
    watch.must_die(made, made.viewer, made.store)
    made.resize(1000, 700)
    made.show()
    made.viewer.setFocus()
    QCoreApplication.processEvents()
    yield made
    made.dispose()


OpenWindow = Callable[..., MainWindow]


@pytest.fixture
def open_window(loop: QEventLoop, watch: Watch, registry: Registry, theme: Theme) -> Iterator[OpenWindow]:
    """Opens main windows without their engine process; all are closed and disposed after the test."""
    windows: list[MainWindow] = []

    def open_one(file: Path | None = None, settings: Settings | None = None) -> MainWindow:
        async def make() -> MainWindow:
            return MainWindow(theme, settings or Settings(), registry)

        window: MainWindow = loop.run_until_complete(make())
        windows.append(window)
        watch.must_die(window, window.session, window.canvas, window.inspector, window.palette_panel, window.rows)
        window.resize(1440, 900)
        window.show()
        if file is not None:
            window.documents.open(file)
        QCoreApplication.processEvents()
        return window

    yield open_one
    while windows:
        window = windows.pop()
        window.close_without_asking()
        window.dispose()


@pytest.fixture
def window(open_window: OpenWindow) -> MainWindow:
    """One main window with an empty workflow."""
    return open_window()
