"""Takes the picture of docs/tables.md: ``python packaging/make_table_picture.py [FOLDER]``.

Opens the window on the sample positions, sorts them in the data panel and shows the profile of their columns and the
preview of the node that is selected. On a display or under ``xvfb-run -a``.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from picture_taking import ROOT, TURN, opened, run_once, take, until
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDockWidget

from kailash_studio import WorkflowBuilder
from kailash_studio.desktop.theme import Theme
from kailash_studio.workflow.workflow import Workflow


def main() -> int:
    """Write the picture."""
    return take(_sit, own_home=True)


async def _sit(theme: Theme, there: Path, folder: Path) -> None:
    async with opened(theme) as window:
        file = there / "Risk" / "largest.kailash.json"
        file.parent.mkdir()
        _workflow().save(file)
        window.session.open(file)
        window.session.approve()
        bottom = window.findChild(QDockWidget, "dock_bottom")
        window.resizeDocks([bottom], [430], Qt.Orientation.Vertical)
        window.docks.bottom.setSizes([720, 380])
        for _ in range(2):  # so that the times are those of an engine that is warm
            await run_once(window)
        window.canvas.zoom_out()
        viewer, card = window.canvas.viewer, window.canvas.store.cards["largest"].view
        middle = viewer.mapFromScene(QPointF(card.x + 60, card.y + 20))
        QTest.mouseClick(viewer.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, middle)
        await until(lambda: window.rows.caption.whole.startswith("1,000 rows"))
        window.rows.profiled.setChecked(True)
        window.rows.view.header.sort_by("quantity", True)
        await until(lambda: window.rows.profiles.cards and window.inspector.preview.caption.whole)
        await asyncio.sleep(10 * TURN)
        window.grab().save(str(folder / "table_profile.png"))


def _workflow() -> Workflow:
    builder = WorkflowBuilder("Largest positions")
    builder.add_node("CSVReaderNode", "positions", path=str(ROOT / "resources" / "sample_data" / "positions.csv"))
    builder.add_node("SortRowsNode", "largest", by=["cost_basis desc"], limit=1_000)
    builder.add_node("AggregateNode", "by_symbol", group_by=["symbol"], measures=["cost = sum(cost_basis)"])
    builder.add_connection("positions", "data", "largest", "rows")
    builder.add_connection("largest", "data", "by_symbol", "rows")
    workflow = builder.build()
    workflow.positions |= {"positions": (0, 0), "largest": (330, 0), "by_symbol": (660, 0)}
    return workflow


if __name__ == "__main__":
    sys.exit(main())
