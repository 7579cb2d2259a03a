"""What is written when the window meets an error of its own, or dies of one: a file a process, the last few kept.

A report holds versions, the system, and tracebacks without local values. The sentence of an error is left out where it
may quote a value; known secrets and passwords in addresses are hidden in the rest. Nothing is ever sent.
"""

from __future__ import annotations

import asyncio
import faulthandler
import linecache
import os
import platform
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import PySide6
from PySide6.QtCore import QMessageLogContext, QObject, QtMsgType, Signal, qInstallMessageHandler, qVersion

from kailash_studio import __version__
from kailash_studio.errors import StudioError
from kailash_studio.folders import FileLock, user_data
from kailash_studio.services.credentials.chain import default_chain
from kailash_studio.services.credentials.redaction import Redactor, without_userinfo

_KEPT = 5
_MOST_ERRORS = 20  # of one process: what fails in each turn of a timer would fill the disk
_MOST_LINKS = 8
_ABOUT_CODE = (AttributeError, ImportError, NameError, NotImplementedError, RecursionError, RuntimeError, TypeError)
"""Errors whose sentences are Python's and Qt's own words about code."""


class CrashReports(QObject):
    """The reports of this user's windows, and the one that this process writes once it has begun.

    Signals:
        written: The first error of this process was written down.
    """

    written = Signal()

    def __init__(self, folder: Path | None = None) -> None:
        """Nothing is opened yet; ``folder``: by default in the user's data."""
        super().__init__()
        self._folder = folder or user_data() / "crashes"
        self._stream: TextIO | None = None
        self._lock: FileLock | None = None
        self._errors = 0
        self._guard = threading.Lock()
        self._qt_before: Any = None
        self._undo: list[Callable[[], object]] = []

    # ------------------------------------------------------------------ the file of this process
    def begin(self) -> None:
        """Open a file and listen for everything that goes wrong, from here to ``end``."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.running"
        self._lock = FileLock(path.with_suffix(".lock"))
        self._lock.take()
        self._stream = path.open("w", encoding="utf-8", errors="backslashreplace")
        path.chmod(0o600)
        self._stream.write("\n".join(_head()) + "\n")
        self._stream.flush()
        faulthandler.enable(self._stream)
        before, before_in_threads = sys.excepthook, threading.excepthook
        sys.excepthook = self._raised
        threading.excepthook = lambda args: self._raised(args.exc_type, args.exc_value, args.exc_traceback)
        self._qt_before = qInstallMessageHandler(self._qt_says)
        self._undo = [
            faulthandler.disable,
            lambda: setattr(sys, "excepthook", before),
            lambda: setattr(threading, "excepthook", before_in_threads),
            lambda: qInstallMessageHandler(self._qt_before),
        ]

    def end(self) -> None:
        """The window has closed in order: what was written is kept, an empty report is not."""
        if self._stream is None or self._lock is None:
            return
        for undo in self._undo:
            undo()
        self._undo = []
        path = Path(self._stream.name)
        self._stream.close()
        self._stream = None
        self._settle(path)
        self._lock.close()
        path.with_suffix(".lock").unlink(missing_ok=True)

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Write down what nobody has caught in a loop's tasks and callbacks."""

        def caught(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            error = context.get("exception")
            if error is None:
                loop.default_exception_handler(context)
            else:
                # asyncio's own message names a callback with its arguments, which may be values
                self.add(error, "in a task" if context.keys() & {"task", "future"} else "in a callback")

        loop.set_exception_handler(caught)

    def add(self, error: BaseException, where: str = "") -> None:
        """Write an error down; ``where``: in what, if that is known."""
        with self._guard:
            self._errors += 1
            count = self._errors
            if self._stream is None or count > _MOST_ERRORS:
                return
            text = _hidden("\n".join([f"\n{time.strftime('%H:%M:%S')} {where}".rstrip(), *_lines(error, [])]))
            if count == _MOST_ERRORS:
                text += "\n\nFurther errors are not written down."
            self._stream.write(text + "\n")
            self._stream.flush()
        if sys.stderr is not None:
            sys.stderr.write(text + "\n")
        if count == 1:
            self.written.emit()

    # ------------------------------------------------------------------ the files of all
    def left(self) -> bool:
        """Whether a window has crashed since this was last asked; files of windows that live are not touched."""
        crashed = False
        for path in sorted(self._folder.glob("*.running")):
            lock = FileLock(path.with_suffix(".lock"))
            if lock.take():
                crashed = self._settle(path) or crashed
                path.with_suffix(".lock").unlink(missing_ok=True)
            lock.close()
        for old in self._all()[_KEPT:]:
            old.unlink(missing_ok=True)
        return crashed

    def newest(self) -> Path | None:
        """The report to show: that of this process when it has one, else the newest; None where there is none."""
        if self._stream is not None and self._errors:
            return Path(self._stream.name)
        return next(iter(self._all()), None)

    def _all(self) -> list[Path]:
        return sorted(self._folder.glob("*.txt"), reverse=True)

    @staticmethod
    def _settle(path: Path) -> bool:
        """Make a report of a process's file, or remove one that says nothing; whether it says something."""
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        said = len(lines) > len(list(_head()))
        if said:
            path.replace(path.with_suffix(".txt"))
        else:
            path.unlink(missing_ok=True)
        return said

    # ------------------------------------------------------------------ who calls
    def _raised(self, kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None or issubclass(kind, SystemExit | KeyboardInterrupt):
            sys.__excepthook__(kind, error or kind(), trace)
        else:
            self.add(error)
            for name in ("last_exc", "last_value", "last_traceback"):  # Python keeps them, and all that they hold
                if hasattr(sys, name):
                    delattr(sys, name)

    def _qt_says(self, kind: QtMsgType, context: QMessageLogContext, text: str | None) -> None:
        """Qt's own words go where they went before; what it dies of is written down too."""
        if kind == QtMsgType.QtFatalMsg and self._stream is not None:
            self._stream.write(_hidden(f"\nQt gives up: {text}\n"))
            self._stream.flush()
        if self._qt_before is not None:
            self._qt_before(kind, context, text)
        elif sys.stderr is not None:
            sys.stderr.write(f"{text}\n")


def _head() -> Iterator[str]:
    yield f"Kailash Studio {__version__}"
    yield f"Python {platform.python_version()}, PySide {PySide6.__version__}, Qt {qVersion()}"
    session = os.environ.get("QT_QPA_PLATFORM") or os.environ.get("XDG_SESSION_TYPE") or "its own windows"
    yield f"{platform.platform()}, {session}"
    yield f"Started {time.strftime('%Y-%m-%d %H:%M:%S %z')}"


def _lines(error: BaseException, seen: list[BaseException]) -> Iterator[str]:
    """An error as Python prints it, the causes first, without the sentences that may quote values."""
    seen.append(error)
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and cause not in seen and len(seen) < _MOST_LINKS:
        yield from _lines(cause, seen)
        yield "which led to"
    linecache.checkcache()
    yield "Traceback (most recent call last):"
    for frame in traceback.format_tb(error.__traceback__):
        yield frame.rstrip("\n")
    yield f"{type(error).__module__}.{type(error).__qualname__}{_said(error)}"
    for inner in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        if inner not in seen and len(seen) < _MOST_LINKS:
            yield "of which"
            yield from _lines(inner, seen)


def _said(error: BaseException) -> str:
    if type(error) in _ABOUT_CODE:
        return f": {error}"
    if isinstance(error, OSError) and error.errno:
        return f": {os.strerror(error.errno)}"
    if isinstance(error, StudioError):
        return f" {error.code} (its sentence is left out: it may quote values)"
    return " (its sentence is left out: it may quote values)" if str(error) else ""


def _hidden(text: str) -> str:
    """A text without the secrets that can be known at once, passwords in addresses, and the person's own folder."""
    redactor = Redactor()
    for name, value in _secrets():
        redactor.hide(name, value)
    home = str(Path.home())
    return without_userinfo(redactor.text(text)).replace(home, "~" if len(home) > 1 else home)


def _secrets() -> Iterator[tuple[str, str]]:
    """What every place but the keyring holds: that one may wait for a person."""
    passphrase = os.environ.get("KAILASH_SECRETS_PASSPHRASE")
    if passphrase:
        yield "KAILASH_SECRETS_PASSPHRASE", passphrase
    try:
        providers = [one for one in default_chain().providers if one.name != "keyring" and not one.problem()]
        for provider in providers:
            for name in provider.names():
                value = provider.get(name)
                if value:
                    yield name, value
    except StudioError:
        return  # a place that cannot be read gives nothing that could be hidden
