"""An analyst at the real window: draws a workflow by mouse and keyboard, runs it, reads the result and saves.

``python analyst.py FILE PICTURES`` on an X display with a window manager. Prints what the window showed as JSON.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hands import Hands, at, middle, until
from PySide6.QtCore import QPoint, QPointF
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit, QPushButton
from sitting import sit

from kailash_studio.desktop.window import MainWindow

QUERY = "SELECT client_name, count(*) AS portfolios FROM portfolios GROUP BY client_name ORDER BY 2 DESC, 1 LIMIT 5"
CODE = 'def top(rows): return {"result": [{"client": r["client_name"], "n": r["portfolios"]} for r in rows]}'


class Analyst:
    """One sitting at the window."""

    def __init__(self, window: MainWindow, file: Path, pictures: Path) -> None:
        self.window, self.file, self.pictures = window, file, pictures
        self.hands = Hands()
        self.nodes = window.session.workflow.nodes

    async def work(self) -> dict[str, object]:
        window, hands = self.window, self.hands
        await until("the window is on the screen", lambda: window.isActiveWindow() and window.canvas.isVisible())
        await until("the engine is ready", lambda: window.engine.state == "ready")
        query = await self.place("AsyncSQLDatabaseNode", 160, 140)
        await self.fill(query, "query", QUERY)
        code = await self.place("PythonCodeNode", 480, 150)
        await self.fill(code, "code", CODE)
        writer = await self.place("FileWriterNode", 780, 160)
        await self.fill(writer, "path", "top_clients.csv")
        self.picture("placed")
        await self.refused(code, "result", "rows")
        await self.connect(query, "data", code, "rows")
        await self.connect(code, "result", writer, "data")
        assert sorted(window.session.workflow.connections) == [
            f"{query}.data>{code}.rows",
            f"{code}.result>{writer}.data",
        ]
        await hands.click(middle(window.bar.run_button))
        await until("the run has ended", lambda: window.runs.current is not None and not window.runs.running)
        run = window.runs.current
        assert run is not None
        await self.select(code)
        await until("the result is shown", lambda: window.rows.texts(5))
        self.picture("ran")
        shown = window.rows.texts(5)
        await self.save()
        result = {
            "state": run.state,
            "states": {node: state["state"] for node, state in run.states.items()},
            "shown": shown,
            "log": window.log.text(),
            "edited": window.session.dirty,
        }
        await self.undo_everything()
        await hands.key("ctrl+q")
        await until("a question about the changes", lambda: self.button("Discard"))
        discard = self.button("Discard")
        assert discard is not None
        await hands.click(middle(discard))
        await until("the window has closed", window.closed.done)
        return result

    async def place(self, type_name: str, x: int, y: int) -> str:
        """Drag a node type from the palette onto the canvas; the new node's id."""
        palette, before = self.window.palette_panel, set(self.nodes)
        item = palette.item_of(type_name)
        assert item is not None
        start = at(palette.tree.viewport(), palette.tree.visualItemRect(item).center())
        await self.hands.drag(start, at(self.window.canvas.viewer.viewport(), QPoint(x, y)))
        await until(f"a node of type {type_name}", lambda: len(self.nodes) == len(before) + 1)
        (made,) = set(self.nodes) - before
        return made

    async def fill(self, node: str, parameter: str, text: str) -> None:
        """Type a value into the inspector's field."""
        window, hands = self.window, self.hands
        await until(f"{node} is in the inspector", lambda: window.inspector.name.text() == node)
        window.inspector.tabs.setCurrentWidget(window.inspector.configure_tab)
        await hands.click_into(f"{node}.{parameter}", lambda: window.inspector.form.row(parameter).field)
        await hands.key("ctrl+a")
        await hands.type(text)
        await hands.key("ctrl+Return" if parameter != "path" else "Return")
        await until(f"{node}.{parameter} is set", lambda: self.nodes[node].parameters.get(parameter) == text)

    def port(self, node: str, kind: str, name: str) -> QPoint:
        """A port's place on the screen."""
        viewer = self.window.canvas.viewer
        card = self.window.canvas.store.cards[node]
        dot = card.port(kind, name)
        assert dot is not None, f"{node} has no port {name}"
        return at(viewer.viewport(), viewer.mapFromScene(QPointF(card.left + dot.x_offset, card.top + dot.y_offset)))

    async def connect(self, source: str, output: str, target: str, target_input: str) -> None:
        count = len(self.window.session.workflow.connections)
        await self.hands.drag(self.port(source, "out", output), self.port(target, "in", target_input))
        await until("a connection", lambda: len(self.window.session.workflow.connections) == count + 1)

    async def refused(self, node: str, output: str, its_input: str) -> None:
        """Draw a connection of a node with itself: the reason is shown, and nothing is connected."""
        seen: list[str] = []
        self.window.canvas.drag_message.connect(seen.append)
        await self.hands.drag(self.port(node, "out", output), self.port(node, "in", its_input))
        self.window.canvas.drag_message.disconnect(seen.append)
        assert any(seen), "no reason was shown for a connection of a node with itself"
        assert not self.window.session.workflow.connections

    async def select(self, node: str) -> None:
        viewer, card = self.window.canvas.viewer, self.window.canvas.store.cards[node]
        head = viewer.mapFromScene(QPointF(card.left + 80, card.top + 14))
        await self.hands.click(at(viewer.viewport(), head))
        await until(f"{node} is selected", lambda: self.window.canvas.selection() == [node])

    async def save(self) -> None:
        await self.hands.key("ctrl+s")
        await until("the file dialog", lambda: self.window.findChild(QFileDialog))
        dialog = self.window.findChild(QFileDialog)
        assert dialog is not None
        name = dialog.findChild(QLineEdit)
        assert name is not None
        await until("the file dialog is active", dialog.isActiveWindow)
        await self.hands.click(middle(name))
        await self.hands.key("ctrl+a")
        await self.hands.type(str(self.file))
        await self.hands.key("Return")
        await until("the file is there", self.file.exists)
        await until("no unsaved changes", lambda: not self.window.session.dirty)
        await until("the window is active again", self.window.isActiveWindow)

    async def undo_everything(self) -> None:
        """Every edit can be taken back with the keyboard."""
        window = self.window
        await self.hands.click(at(window.canvas.viewer.viewport(), QPoint(20, 20)))
        for _ in range(60):
            if not window.session.history.undo_label:
                break
            await self.hands.key("ctrl+z")
        assert not self.nodes
        assert not window.session.workflow.connections

    def button(self, text: str) -> QPushButton | None:
        for widget in QApplication.topLevelWidgets():
            for button in widget.findChildren(QPushButton):
                if button.isVisible() and button.text().replace("&", "").startswith(text):
                    return button
        return None

    def picture(self, name: str) -> None:
        self.window.grab().save(str(self.pictures / f"{name}.png"))


def main() -> int:
    file, pictures = Path(sys.argv[1]), Path(sys.argv[2])
    return sit(lambda window: Analyst(window, file, pictures).work(), [], pictures)


if __name__ == "__main__":
    sys.exit(main())
