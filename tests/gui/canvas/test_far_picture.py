"""From far, what changes is painted onto what was painted before: it must look as if all of it were painted anew.

Connections have one colour here: which of two colours is above where they cross is left open.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtCore import QCoreApplication
from PySide6.QtGui import QImage

from kailash_studio.desktop.canvas import Canvas, ConnectionView, NodeState, NodeView
from kailash_studio.desktop.canvas.metrics import FAR

_STATES: tuple[Any, ...] = ("queued", "running", "succeeded", "failed", "recovered", "idle")


def picture(canvas: Canvas) -> QImage:
    return canvas.viewer.viewport().grab().toImage()


class Change:
    """Random changes of a canvas; cards stand on a grid, so that none covers another."""

    def __init__(self, canvas: Canvas, seed: int, node: Callable[..., NodeView], line: Callable[..., ConnectionView]):
        self._canvas, self._random, self._node, self._line = canvas, random.Random(seed), node, line
        self._free = [(column * 260.0, row * 200.0) for column in range(14) for row in range(14)]
        self._random.shuffle(self._free)
        self._count = 0

    def views(self, count: int) -> list[NodeView]:
        """New nodes."""
        made = []
        for _ in range(count):
            self._count += 1
            made.append(self._node(f"n{self._count}", *self._free.pop()))
        return made

    def connection(self) -> ConnectionView:
        """Between any two."""
        a, b = self._random.sample(sorted(self._canvas.store.cards), 2)
        return self._line(a, b)

    def one(self) -> None:
        """Any change."""
        canvas, cards = self._canvas, sorted(self._canvas.store.cards)
        chosen = self._random.choice(cards)
        what = self._random.choice(["add", "many", "remove", "move", "connect", "cut", "states", "states", "dress"])
        if what == "add":
            canvas.put_node(self.views(1)[0])
        elif what == "many":
            canvas.put_many(self.views(3), [self.connection(), self.connection()])
        elif what == "remove" and len(cards) > 10:
            canvas.remove_node(chosen)
        elif what == "move":
            canvas.move_node(chosen, *self._free.pop())
        elif what == "connect":
            canvas.put_connection(self.connection())
        elif what == "cut" and canvas.store.lines:
            canvas.remove_connection(self._random.choice(sorted(canvas.store.lines)))
        elif what == "dress":
            card = canvas.store.cards[chosen]
            canvas.put_node(self._node(chosen, card.left, card.top, problem=self._random.choice(["", "error"])))
        else:
            some = self._random.sample(cards, min(5, len(cards)))
            canvas.set_states({node: NodeState(self._random.choice(_STATES)) for node in some})


@pytest.mark.parametrize("seed", range(12))
def test_what_is_painted_onto_the_picture_is_what_would_be_painted_anew(
    canvas: Canvas, node: Callable[..., NodeView], line: Callable[..., ConnectionView], seed: int
) -> None:
    change = Change(canvas, seed, node, line)
    canvas.put_many(change.views(40), [])
    canvas.put_many([], [change.connection() for _ in range(30)])
    canvas.fit()
    assert canvas.zoom() < FAR
    before = picture(canvas)
    for number in range(60):
        change.one()
        if number % 3:
            QCoreApplication.processEvents()  # it is painted after each change, or two together
    onto = picture(canvas)
    canvas.store.far.restyle()
    anew = picture(canvas)
    assert onto == anew
    assert onto != before


def test_the_colours_of_another_theme_are_taken(canvas: Canvas, node: Any, theme: Any) -> None:
    canvas.put_many([node("a", 0, 0), node("b", 9000, 6000)], [])
    canvas.fit()
    assert canvas.zoom() < FAR
    before = picture(canvas)
    theme.set_name("light")
    assert picture(canvas) != before
    theme.set_name("dark")
    assert picture(canvas) == before
