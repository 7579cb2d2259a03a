"""What the canvas shows: states, labels, minimap, themes; and what stays behind when much comes and goes."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QCoreApplication, QPoint, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtTest import QTest

from kailash_studio.desktop.canvas import Badge, Canvas, NodeState
from kailash_studio.desktop.canvas.minimap import Minimap
from kailash_studio.desktop.theme import Theme

_ROOT = Path(__file__).parents[3]


def picture(canvas: Canvas) -> QImage:
    return canvas.viewer.viewport().grab().toImage()


def has_colour(image: QImage, colour: QColor, near: QPoint, reach: int = 8) -> bool:
    wanted = colour.rgb()
    return any(
        image.pixel(near.x() + dx, near.y() + dy) == wanted
        for dx in range(-reach, reach + 1)
        for dy in range(-reach, reach + 1)
    )


# ---------------------------------------------------------------------- states
@pytest.mark.parametrize(
    ("state", "token"),
    [("succeeded", "green"), ("failed", "red"), ("cancelled", "amber"), ("running", "accent")],
)
def test_a_state_is_shown_in_its_colour(pair: Canvas, hand: Any, theme: Theme, state: Any, token: str) -> None:
    sign = hand.pixel(214 - 28 + 9, 8 + 9)
    before = picture(pair)
    assert not has_colour(before, theme.colour(token), sign, reach=9)
    pair.set_states({"a": NodeState(state, "42 ms")})
    now = picture(pair)
    assert has_colour(now, theme.colour(token), sign, reach=9)
    pair.clear_run()
    assert picture(pair) == before


def test_states_of_nodes_that_are_gone_are_no_error(pair: Canvas) -> None:
    before = picture(pair)
    pair.set_states({"gone": NodeState("failed")})
    assert picture(pair) == before


def test_the_sign_of_a_running_node_turns_and_rests(pair: Canvas, qtbot: Any) -> None:
    pair.set_states({"a": NodeState("running")})
    first = pair.store.cards["a"].angle
    qtbot.waitUntil(lambda: pair.store.cards["a"].angle != first, timeout=3000)
    pair.set_states({"a": NodeState("succeeded")})
    assert not pair._turn.isActive()
    pair.set_states({"a": NodeState("running")})
    pair.hide()
    assert not pair._turn.isActive(), "nothing turns where nobody sees it"
    pair.show()
    assert pair._turn.isActive()


def test_skipped_branches_are_dimmed(pair: Canvas, line: Any) -> None:
    pair.put_connection(line("a", "b"))
    pair.set_states({"b": NodeState("skipped")})
    assert pair.store.lines["a.data>b.rows"].dimmed
    pair.clear_run()
    assert not pair.store.lines["a.data>b.rows"].dimmed


def test_a_label_is_a_pill_that_asks_for_its_rows(pair: Canvas, hand: Any, line: Any) -> None:
    hand.listen("output_activated")
    pair.put_connection(line("a", "b"))
    before, drawn = picture(pair), pair.store.lines["a.data>b.rows"]
    assert drawn.pill().isEmpty()
    pair.set_labels({"a.data>b.rows": "1,204", "gone": "7"})
    assert picture(pair) != before
    hand.click(drawn.pill().center().x(), drawn.pill().center().y())
    assert hand.heard["output_activated"] == [("a", "data")]


def test_what_changes_on_a_card_is_shown_in_place(pair: Canvas, node: Any, line: Any) -> None:
    """A port that goes takes its connection with it; the others stay."""
    pair.put_connection(line("a", "b"))
    pair.put_connection(line("a", "b", "error", "limit"))
    kept, before = pair.store.lines["a.data>b.rows"], picture(pair)
    pair.put_node(node("b", 400, 0, inputs=node("x").inputs[:1], badges=(Badge("exp x3", "rotate-cw", "amber"),)))
    assert list(pair.store.lines) == ["a.data>b.rows"]
    assert pair.store.lines["a.data>b.rows"] is kept
    assert picture(pair) != before


def test_a_card_shows_nothing_of_one_that_had_its_name(pair: Canvas, node: Any) -> None:
    """Pictures of cards are kept, and one that goes and comes back begins with a look that the first had as well."""
    marked = node("a", 0, 0, breakpoint="on")
    picture(pair)
    pair.put_node(marked)
    before = picture(pair)
    pair.remove_node("a")
    pair.put_node(marked)
    assert picture(pair) == before
    pair.remove_node("a")
    pair.put_node(node("a", 0, 0))
    assert picture(pair) != before


def test_a_problem_and_an_unknown_type_are_marked(pair: Canvas, hand: Any, node: Any, theme: Theme) -> None:
    pair.put_node(node("a", 0, 0, problem="error", problem_text="path is missing."))
    assert has_colour(picture(pair), theme.colour("red"), hand.pixel(4, 4))
    known = picture(pair)
    pair.put_node(node("b", 400, 0, known=False))
    assert picture(pair) != known


def test_a_connection_to_nowhere_is_an_error(pair: Canvas, line: Any) -> None:
    with pytest.raises(LookupError, match=r"a\.data>gone\.rows: a or gone is not on the canvas"):
        pair.put_connection(line("a", "gone"))
    assert pair.store.lines == {}


# ---------------------------------------------------------------------- the whole
def test_the_minimap_shows_all_and_moves_the_view(canvas: Canvas, node: Any) -> None:
    overview = canvas.findChild(Minimap)
    assert overview is not None
    assert not overview.isVisible()
    canvas.set_graph([node("a", 0, 0), node("b", 5000, 3000)], [])
    canvas.center_on("a")
    assert overview.isVisible()
    overview.grab()
    whole = overview._whole()
    scale, origin = overview._scale(whole)
    body = canvas.store.cards["b"].body()
    QTest.mouseClick(overview, Qt.MouseButton.LeftButton, pos=(body.center() * scale + origin).toPoint())
    assert canvas.viewer.visible().contains(body)


def test_a_picture_of_all_of_it(pair: Canvas) -> None:
    pair.viewer.pan(3000, 3000)
    image = pair.image()
    colours = {image.pixel(x, y) for x in range(0, image.width(), 7) for y in range(0, image.height(), 7)}
    assert image.width() == (400 + 214 + 80) * 2
    assert len(colours) > 5


def test_another_theme_repaints_everything(pair: Canvas, theme: Theme, line: Any) -> None:
    pair.put_connection(line("a", "b"))
    dark = picture(pair)
    theme.set_name("light")
    light = picture(pair)
    corner = QPoint(3, 3)
    assert light.pixelColor(corner) == theme.colour("canvas") or light.pixelColor(corner).lightness() > 200
    theme.set_name("dark")
    assert picture(pair) == dark
    assert light != dark


def test_the_same_picture_twice(canvas: Canvas, node: Any, line: Any) -> None:
    """Nothing of the look depends on time or on what was shown before."""
    graph = [node("a"), node("b", 400, 8)], [line("a", "b")]
    canvas.set_graph(*graph)
    canvas.fit()
    first = picture(canvas)
    canvas.set_graph([node("z", -900, 40)], [])
    canvas.fit()
    canvas.set_graph(*graph)
    canvas.fit()
    assert picture(canvas) == first


_ROUNDING = 6
"""Sum of the channels by which a smoothed edge may differ when it is painted under another clip."""


def _strength(one: QImage, other: QImage, x: int, y: int) -> int:
    a, b = one.pixelColor(x, y), other.pixelColor(x, y)
    return abs(a.red() - b.red()) + abs(a.green() - b.green()) + abs(a.blue() - b.blue())


def _stale(canvas: Canvas) -> list[tuple[int, int]]:
    """Where the screen, on which only parts were painted again, is not what a fresh picture is."""
    canvas._turn.stop()
    for _ in range(4):  # the scene collects what changed, the view asks for it, the window paints it
        QCoreApplication.processEvents()
    screen = canvas.screen().grabWindow(canvas.winId()).toImage()
    whole = canvas.grab().toImage()
    return [
        (x, y)
        for x in range(0, whole.width(), 3)
        for y in range(0, whole.height(), 3)
        if screen.pixel(x, y) != whole.pixel(x, y) and _strength(screen, whole, x, y) > _ROUNDING
    ]


STEPS: dict[str, Any] = {
    "a row of states": lambda c: c.set_states({f"n{i}": NodeState("failed") for i in range(12)}),
    "states here and there": lambda c: c.set_states({f"n{i}": NodeState("running") for i in (0, 31, 59)}),
    "a skipped branch": lambda c: c.set_states({"n14": NodeState("skipped")}),
    "a move": lambda c: c.move_node("n3", 1200.0, 900.0),
    "a node goes": lambda c: c.remove_node("n13"),
    "a connection goes": lambda c: c.remove_connection("n13.data>n14.rows"),
    "a label": lambda c: c.set_labels({"n1.data>n2.rows": "1,204"}),
    "a selection": lambda c: c.select(["n2", "n40"]),
    "no run": lambda c: c.clear_run(),
}


@pytest.mark.parametrize("zoom", [0.2, 0.35, 1.0])
def test_what_is_painted_in_parts_is_what_would_be_painted_whole(
    canvas: Canvas, node: Any, line: Any, zoom: float
) -> None:
    """The screen after each change, on which only parts were painted again, against a fresh picture."""
    nodes = [node(f"n{i}", i % 12 * 288.0, i // 12 * 168.0) for i in range(60)]
    canvas.set_graph(nodes, [line(f"n{i - 1}", f"n{i}") for i in range(1, 60)])
    canvas.fit()
    canvas.viewer.zoom_to(zoom)
    canvas._map.hide()
    for name, step in STEPS.items():
        step(canvas)
        assert _stale(canvas) == [], f"after {name}"


def test_the_words_on_an_empty_canvas_go_with_the_first_node_and_come_after_the_last(canvas: Canvas, node: Any) -> None:
    canvas._map.hide()
    assert _stale(canvas) == []
    bare = picture(canvas)
    canvas.put_node(node("a", -90, -220))  # above the words
    assert _stale(canvas) == []
    canvas.remove_node("a")
    assert _stale(canvas) == []
    assert picture(canvas) == bare


# ---------------------------------------------------------------------- much of it
def test_items_come_and_go_in_500_random_steps(canvas: Canvas, node: Any, line: Any) -> None:
    chance = random.Random(7)
    baseline = len(canvas.viewer.scene().items())
    nodes: set[str] = set()
    lines: dict[str, tuple[str, str]] = {}
    for step in range(500):
        kind = chance.random()
        if kind < 0.45 or len(nodes) < 2:
            name = f"n{chance.randrange(40)}"
            canvas.put_node(node(name, step * 8.0, 0.0))
            nodes.add(name)
        elif kind < 0.75:
            a, b = chance.sample(sorted(nodes), 2)
            canvas.put_connection(line(a, b))
            lines[f"{a}.data>{b}.rows"] = (a, b)
        elif kind < 0.9:
            name = chance.choice(sorted(nodes))
            canvas.remove_node(name)
            nodes.discard(name)
            lines = {key: ends for key, ends in lines.items() if name not in ends}
        elif lines:
            key = chance.choice(sorted(lines))
            canvas.remove_connection(key)
            del lines[key]
    assert canvas.store.cards.keys() == nodes
    assert canvas.store.lines.keys() == lines.keys()
    ports = 4 * len(nodes)
    assert len(canvas.viewer.scene().items()) == baseline + len(nodes) + ports + len(lines)
    assert len(canvas.store.graph.model.nodes) == len(nodes)
    canvas.clear()
    assert len(canvas.viewer.scene().items()) == baseline


def test_a_thousand_nodes_open_and_are_disposed(canvas: Canvas, node: Any, line: Any) -> None:
    nodes = [node(f"n{i}", i % 40 * 288.0, i // 40 * 168.0) for i in range(1000)]
    lines = [line(f"n{i - 1}", f"n{i}") for i in range(1, 1000)]
    lines += [line(f"n{max(0, i - 7)}", f"n{i}", "error", "limit") for i in range(1, 1000)]
    begun = time.process_time()
    canvas.set_graph(nodes, lines)
    canvas.fit()
    QCoreApplication.processEvents()
    used = time.process_time() - begun
    assert (len(canvas.store.cards), len(canvas.store.lines)) == (1000, 1998)
    assert canvas.viewer.visible().contains(canvas.store.extent())
    assert used < 3.0, f"{used:.2f} s of CPU"


def test_painting_keeps_none_alive(canvas: Canvas, node: Any) -> None:
    """PySide6 6.12.0 loses a reference to None at each call before Python 3.12; such a process aborts."""
    canvas.set_graph([node(f"n{i}", i % 20 * 240.0, i // 20 * 150.0) for i in range(300)], [])
    canvas.zoom_reset()
    before = sys.getrefcount(None)
    for step in range(20):
        canvas.viewer.pan(30 - step * 3, 10)
        canvas.viewer.viewport().repaint()
    QCoreApplication.processEvents()
    assert sys.getrefcount(None) > before - 50, "each of thousands of calls would have taken one"


_PROGRAM = """
import sys
from PySide6.QtCore import QCoreApplication, QEvent
from kailash_studio.desktop.app import make_application
from kailash_studio.desktop.canvas import Canvas, ConnectionView, NodeView, PortView
from kailash_studio.desktop.icons import Icons
from kailash_studio.desktop.theme import Theme

app = make_application([])
theme = Theme("dark")
theme.apply(app)
for _ in range(3):
    canvas = Canvas(theme, Icons(theme))
    canvas.show()
    port = (PortView("p"),)
    nodes = [NodeView(f"n{i}", "t", "T", "box", "Data", port, port, i * 40.0, i * 9.0) for i in range(60)]
    lines = [ConnectionView(f"c{i}", f"n{i}", "p", f"n{i + 1}", "p") for i in range(59)]
    canvas.set_graph(nodes, lines)
    canvas.fit()
    app.processEvents()
    canvas.dispose()
    if sys.argv[1] == "now":
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
print("the end")
"""


@pytest.mark.parametrize("when", ["now", "at exit"])
def test_a_process_that_used_canvases_ends_in_order(when: str, user_home: Path) -> None:
    """A graph that is left to the collector crashes after the last line; only the exit status tells."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-W", "error", "-c", _PROGRAM, when],
        env=os.environ | {"PYTHONPATH": str(_ROOT), "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "the end\n"), done.stderr
