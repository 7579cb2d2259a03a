"""Takes the README's picture: ``python packaging/make_screenshot.py [FILE]``, on a display or under ``xvfb-run -a``.

Opens the shipped portfolio workflow in the real window, runs it on the embedded database and grabs the window.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from picture_taking import ROOT, TURN, opened, run_once, take, until

from kailash_studio.desktop.theme import Theme
from kailash_studio.folders import resources


def main() -> int:
    """Write the picture."""
    return take(_sit, ROOT / "docs" / "portfolio_analysis.png")


async def _sit(theme: Theme, there: Path, picture: Path) -> None:
    file = resources() / "examples" / "portfolio_analysis.kailash.json"
    async with opened(theme, file, width=1840, height=1080) as window:
        await run_once(window)
        window.canvas.select(["fetch_portfolios"])
        await until(lambda: bool(window.rows.texts(1)))
        window.canvas.fit()
        await asyncio.sleep(4 * TURN)
        window.grab().save(str(picture))


if __name__ == "__main__":
    sys.exit(main())
