"""Somebody on call at the real window while a service dies and comes back; each step leaves a picture.

``python on_call.py PICTURES`` on an X display with a window manager. Prints what the window showed as JSON.
The pictures of ``docs/outage.md`` are made by this script.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from fakes.web_server import Reply, Request, serving
from hands import Hands, at, middle, until
from PySide6.QtCore import QPoint, QPointF
from sitting import sit

from kailash_studio import WorkflowBuilder
from kailash_studio.desktop.window import MainWindow

ORDERS = (
    'def orders():\n    return [{"symbol": s, "shares": n} for s, n in (("MSFT", 120), ("AMZN", 40), ("IBM", 75))]\n'
)
CACHE = 'def last_known():\n    return [{"symbol": "MSFT", "price": 28.8}, {"symbol": "AMZN", "price": 128.8}]\n'
PRICES = [{"symbol": "MSFT", "price": 29.1}, {"symbol": "AMZN", "price": 130.2}, {"symbol": "IBM", "price": 125.6}]
BREAKER_SECONDS = 3.0


class Service:
    """A service that can die and come back at the same address."""

    def __init__(self) -> None:
        self._up = contextlib.ExitStack()
        self.booked: Counter[str] = Counter()
        self.url = ""
        self.start()

    def _answer(self, request: Request) -> Reply:
        headers = {"Content-Type": "application/json", "Connection": "close"}
        if request.method == "POST":
            self.booked[request.headers["Idempotency-Key"]] += 1
        return 200, headers, json.dumps(PRICES if request.method == "GET" else {"booked": True}).encode()

    def start(self) -> None:
        port = int(self.url.rpartition(":")[2]) if self.url else 0
        self.url = self._up.enter_context(serving(self._answer, port)).url

    def die(self) -> None:
        self._up.close()


def workflow(url: str, folder: Path) -> Path:
    """Prices with retries and a breaker; a booking that must not be lost; a cache that nothing leads to yet."""
    builder = WorkflowBuilder("night_orders")
    builder.add_node("PythonCodeNode", "orders", code=ORDERS)
    builder.add_node("HTTPRequestNode", "prices", url=f"{url}/prices", allow_private=True)
    builder.add_node("PythonCodeNode", "last_known", code=CACHE)
    builder.add_node("TableViewNode", "report")
    builder.add_node(
        "HTTPRequestNode", "book", url=f"{url}/book", method="POST", allow_private=True, idempotency_key=True
    )
    builder.add_connection("prices", "data", "report", "rows")
    builder.add_connection("orders", "result", "book", "body")
    builder.configure_retry("prices", max_retries=3, strategy="exponential", base_delay=0.5, jitter="none")
    builder.configure_circuit_breaker("prices", failure_threshold=6, success_threshold=1, timeout=BREAKER_SECONDS)
    builder.configure_retry("book", max_retries=1, strategy="immediate")
    built = builder.build()
    places = {"prices": (0, 0), "report": (320, 0), "last_known": (0, 216), "orders": (0, 352), "book": (320, 320)}
    built.positions.update({node: (float(x), float(y)) for node, (x, y) in places.items()})
    file = folder / "night_orders.kailash.json"
    file.write_text(built.to_json(), encoding="utf-8")
    return file


class OnCall:
    """One night at the window."""

    def __init__(self, window: MainWindow, service: Service, pictures: Path) -> None:
        self.window, self.service, self.pictures = window, service, pictures
        self.hands = Hands()
        self.seen: dict[str, object] = {}

    async def work(self) -> dict[str, object]:
        window, hands, service = self.window, self.hands, self.service
        await until("the window is on the screen", lambda: window.isActiveWindow() and window.canvas.isVisible())
        await until("the engine is ready", lambda: window.engine.state == "ready")
        window.session.approve()  # the file was not made here; its trust is another test's
        await self.draw_fallback("prices", "last_known")
        self.seen["healthy"] = await self.run()
        self.picture("1_healthy")

        service.die()
        await hands.click(middle(window.bar.run_button))
        await until("a retry is shown", lambda: self.note("prices") == "try 3")
        self.picture("2_retrying")
        await self.ended()
        self.seen["down"] = self.states()
        await self.select("prices")
        window.inspector.tabs.setCurrentWidget(window.inspector.policies)
        self.picture("3_recovered")
        self.seen["open"] = await self.run()
        await hands.click(self.tab(window.breakers))
        await until("the breaker is open", lambda: self.breaker() == "open")
        self.picture("4_open")
        self.seen["refused"] = await self.run()
        self.seen["why"] = window.runs.whys.get("book", "")

        service.start()
        await until("the breaker may probe", self.may_probe)
        self.seen["back"] = await self.run()
        await until("the breaker is closed", lambda: self.breaker() == "closed")
        self.seen["changes"] = [change[1] for change in self.told]
        self.picture("5_closed")

        letters = window.dead_letters
        await hands.click(self.tab(letters))
        await until("the letters are listed", lambda: letters.list.topLevelItemCount() == 1)
        await self.click_row()
        await until("what it was given is shown", letters.details.inputs.toPlainText)
        self.seen["letters"] = letters.caption.text()
        self.picture("6_letters")
        await hands.click(middle(letters.replay))
        await until("the replay has ended", lambda: "Replayed 3 of 3" in letters.progress.toolTip())
        await until("no letter waits", lambda: letters.stack.currentIndex() == 1)
        self.seen["replayed"] = letters.progress.toolTip()
        self.picture("7_replayed")
        self.seen["booked"] = sorted(service.booked.values())
        return self.seen

    async def draw_fallback(self, node: str, fallback: str) -> None:
        viewer, cards = self.window.canvas.viewer, self.window.canvas.store.cards
        start = at(viewer.viewport(), viewer.mapFromScene(cards[node].failure_point()))
        end = at(viewer.viewport(), viewer.mapFromScene(cards[fallback].body().center()))
        await self.hands.drag(start, end, halfway=lambda: self.picture("0_fallback"))
        nodes = self.window.session.workflow.nodes
        await until("the fallback is set", lambda: nodes[node].resilience.get("fallback") == fallback)

    async def select(self, node: str) -> None:
        viewer, card = self.window.canvas.viewer, self.window.canvas.store.cards[node]
        await self.hands.click(at(viewer.viewport(), viewer.mapFromScene(QPointF(card.left + 80, card.top + 14))))
        await until(f"{node} is selected", lambda: self.window.canvas.selection() == [node])

    async def run(self) -> dict[str, str]:
        await self.hands.click(middle(self.window.bar.run_button))
        await self.ended()
        return self.states()

    async def ended(self) -> None:
        runs = self.window.runs
        await until("the run has ended", lambda: runs.current is not None and not runs.running)
        run = runs.current
        assert run is not None
        unfinished = {"succeeded": False}.get(run.state, True)
        await until("the reasons are known", lambda: not unfinished or runs.whys)

    def states(self) -> dict[str, str]:
        run = self.window.runs.current
        assert run is not None
        return {node: state["state"] for node, state in run.states.items()}

    def note(self, node: str) -> str:
        return self.window.canvas.store.cards[node].state.note

    @property
    def told(self) -> list[list[object]]:
        """The changes of the breaker as the panel shows them."""
        return self.window.breakers.told[0]["changes"] if self.window.breakers.told else []

    def breaker(self) -> str:
        return self.window.breakers.told[0]["state"] if self.window.breakers.told else ""

    def may_probe(self) -> bool:
        opened = [float(str(wall)) for wall, after in self.told if after == "open"]
        return bool(opened) and time.time() - opened[-1] > BREAKER_SECONDS + 0.1

    async def click_row(self) -> None:
        tree = self.window.dead_letters.list
        item = tree.topLevelItem(0)
        assert item is not None
        await self.hands.click(at(tree.viewport(), tree.visualItemRect(item).center()))

    def tab(self, panel: object) -> QPoint:
        tabs = self.window.docks.report_tabs
        number = next(i for i in range(tabs.count()) if tabs.widget(i) is panel)
        return at(tabs.tabBar(), tabs.tabBar().tabRect(number).center())

    def picture(self, name: str) -> None:
        self.window.grab().save(str(self.pictures / f"outage_{name}.png"))


def main() -> int:
    pictures = Path(sys.argv[1])
    service = Service()
    file = workflow(service.url, pictures)
    try:
        return sit(lambda window: OnCall(window, service, pictures).work(), [file], pictures)
    finally:
        service.die()


if __name__ == "__main__":
    sys.exit(main())
