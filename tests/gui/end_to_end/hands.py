"""A person's hands on an X display: real mouse and key events through the X server, with the places of widgets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from PySide6.QtCore import QPoint, QPointF
from PySide6.QtWidgets import QApplication, QWidget

_STEPS = 8
_PATIENCE = 30.0
_AGAIN = 2.0


class Hands:
    """Moves the pointer, presses buttons and keys. Coordinates are pixels of the screen."""

    async def _do(self, *words: str) -> None:
        process = await asyncio.create_subprocess_exec("xdotool", *words)
        status = await process.wait()
        assert status == 0, f"xdotool {' '.join(words)}: status {status}"

    async def move(self, point: QPoint) -> None:
        await self._do("mousemove", "--sync", str(point.x()), str(point.y()))

    async def click(self, point: QPoint, times: int = 1) -> None:
        await self.move(point)
        await self._do("click", "--repeat", str(times), "--delay", "40", "1")
        await settle()

    async def click_into(self, what: str, find: Callable[[], QWidget]) -> None:
        """Click a field until it has the keyboard; as a person does, again if it moved away under the pointer.

        Args:
            what: Its name, for the message.
            find: Gives the field, which may be built anew meanwhile.

        Raises:
            AssertionError: It does not take the keyboard.
        """
        deadline = time.monotonic() + _PATIENCE
        while not has_keyboard(find()):
            assert time.monotonic() < deadline, f"waited {_PATIENCE:g} s in vain: {what} takes the keyboard"
            await self.click(await steady(what, find))
            soon = time.monotonic() + _AGAIN
            while not has_keyboard(find()) and time.monotonic() < soon:
                await asyncio.sleep(0.02)

    async def drag(self, start: QPoint, end: QPoint, halfway: Callable[[], None] | None = None) -> None:
        """Press, move in steps as a hand does, and let go."""
        await self.move(start)
        await self._do("mousedown", "1")
        for step in range(1, _STEPS + 1):
            part = start + (end - start) * step / _STEPS
            await self._do("mousemove", str(part.x()), str(part.y()))
            await settle()
        if halfway is not None:
            halfway()
        await self._do("mouseup", "1")
        await settle()

    async def key(self, *names: str) -> None:
        await self._do("key", "--delay", "20", *names)
        await settle()

    async def type(self, text: str) -> None:
        await self._do("type", "--delay", "2", text)
        await settle()


def middle(widget: QWidget) -> QPoint:
    """The middle of a widget, on the screen."""
    return widget.mapToGlobal(widget.rect().center())


def at(widget: QWidget, point: QPointF | QPoint) -> QPoint:
    """A point of a widget, on the screen."""
    return widget.mapToGlobal(point.toPoint() if isinstance(point, QPointF) else point)


def has_keyboard(field: QWidget) -> bool:
    """Whether what is typed goes into a field or a part of it."""
    focus = QApplication.focusWidget()
    return focus is not None and (focus is field or field.isAncestorOf(focus))


async def steady(what: str, find: Callable[[], QWidget]) -> QPoint:
    """The middle of a widget once it stands still: a form that is being filled moves its rows, or makes them anew."""
    deadline = time.monotonic() + _PATIENCE
    before, place = QPoint(), middle(find())
    while place != before or not find().isVisible():
        assert time.monotonic() < deadline, f"waited {_PATIENCE:g} s in vain: {what} stands still"
        await settle()
        before, place = place, middle(find())
    return place


async def settle() -> None:
    """Let events that are under way arrive: two turns of the X server and of the loop."""
    app = QApplication.instance()
    for _ in range(2):
        await asyncio.sleep(0.02)
        assert app is not None
        app.sendPostedEvents()


async def until(what: str, condition: Callable[[], object]) -> None:
    """Wait for a condition, with a deadline."""
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited {_PATIENCE:g} s in vain: {what}"
        await asyncio.sleep(0.02)
