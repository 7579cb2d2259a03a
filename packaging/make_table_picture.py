"""Takes the picture of docs/tables.md: ``python packaging/make_table_picture.py [FOLDER]``.

Opens the window on the sample positions, sorts them in the data panel and shows the profile of their columns and the
preview of the node that is selected. On a display or under ``xvfb-run -a``.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDockWidget

from kailash_studio import WorkflowBuilder
from kailash_studio.desktop.app import make_application, run_loop
from kailash_studio.desktop.settings import Settings
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.window import MainWindow
from kailash_studio.spec.registry import installed_node_types
from kailash_studio.workflow.workflow import Workflow

ROOT = Path(__file__).resolve().parents[1]
_TURN = 0.05


def main() -> int:
    """Write the picture."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"
    with tempfile.TemporaryDirectory() as there:
        os.environ["KAILASH_STUDIO_HOME"] = there
        app = make_application(sys.argv[:1])
        theme = Theme("dark")
        theme.apply(app)
        return run_loop(app, _sit(theme, Path(there), folder))


async def _sit(theme: Theme, there: Path, folder: Path) -> int:
    window = MainWindow(theme, Settings(), installed_node_types())
    window.resize(1720, 1000)
    window.show()
    window.start([])
    await _until(lambda: window.engine.state == "ready")
    file = there / "Risk" / "largest.kailash.json"
    file.parent.mkdir()
    _workflow().save(file)
    window.session.open(file)
    window.session.approve()
    bottom = window.findChild(QDockWidget, "dock_bottom")
    window.resizeDocks([bottom], [430], Qt.Orientation.Vertical)
    window.docks.bottom.setSizes([720, 380])
    for _ in range(2):  # so that the times are those of an engine that is warm
        window.runs.start()
        await _until(lambda: window.runs.current is not None and not window.runs.running)
    window.canvas.zoom_out()
    viewer, card = window.canvas.viewer, window.canvas.store.cards["largest"].view
    middle = viewer.mapFromScene(QPointF(card.x + 60, card.y + 20))
    QTest.mouseClick(viewer.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, middle)
    await _until(lambda: window.rows.caption.whole.startswith("1,000 rows"))
    window.rows.profiled.setChecked(True)
    window.rows.view.header.sort_by("quantity", True)
    await _until(lambda: window.rows.profiles.cards and window.inspector.preview.caption.whole)
    await asyncio.sleep(10 * _TURN)
    window.grab().save(str(folder / "table_profile.png"))
    window.close_without_asking()
    await window.closed
    window.dispose()
    return 0


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


async def _until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - Qt's state has no event to wait for
            await asyncio.sleep(_TURN)


if __name__ == "__main__":
    sys.exit(main())
