"""Takes the README's picture: ``python packaging/make_screenshot.py [FILE]``, on a display or under ``xvfb-run -a``.

Opens the shipped portfolio workflow in the real window, runs it on the embedded database and grabs the window.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from kailash_studio.desktop.app import make_application, run_loop
from kailash_studio.desktop.settings import Settings
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.window import MainWindow
from kailash_studio.folders import resources
from kailash_studio.spec.registry import installed_node_types

ROOT = Path(__file__).resolve().parents[1]
_TURN = 0.05


def main() -> int:
    """Write the picture."""
    picture = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "portfolio_analysis.png"
    app = make_application(sys.argv[:1])
    theme = Theme("dark")
    theme.apply(app)

    async def sit() -> int:
        window = MainWindow(theme, Settings(), installed_node_types())
        window.resize(1840, 1080)
        window.show()
        window.start([resources() / "examples" / "portfolio_analysis.kailash.json"])
        await _until(lambda: window.engine.state == "ready")
        window.runs.start()
        await _until(lambda: window.runs.current is not None and not window.runs.running)
        window.canvas.select(["fetch_portfolios"])
        await _until(lambda: bool(window.rows.texts(1)))
        window.canvas.fit()
        await asyncio.sleep(4 * _TURN)
        window.grab().save(str(picture))
        window.close_without_asking()
        window.dispose()
        return 0

    return run_loop(app, sit())


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
        await asyncio.sleep(_TURN)


if __name__ == "__main__":
    sys.exit(main())
