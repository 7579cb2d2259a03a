"""What the scripts that take pictures of the window share: they run on a display or under ``xvfb-run -a``."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from kailash_studio.desktop.app import make_application, run_loop
from kailash_studio.desktop.settings import Settings
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.window import MainWindow
from kailash_studio.spec.registry import installed_node_types

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
TURN = 0.05
"""Seconds after which the window has painted what it was told."""

Work = Callable[[Theme, Path, Path], Coroutine[Any, Any, None]]
"""Takes the pictures: with a theme, a folder that is gone afterwards, and where the pictures go."""


def take(work: Work, pictures: Path = IMAGES, *, own_home: bool = False) -> int:
    """Take pictures with the dark theme.

    Args:
        work: Takes them.
        pictures: Where they go, unless the command line says where.
        own_home: The folder that is gone afterwards is the home of the user's data.
    """
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else pictures
    with tempfile.TemporaryDirectory() as there:
        if own_home:
            os.environ["KAILASH_STUDIO_HOME"] = there
        app = make_application(sys.argv[:1])
        theme = Theme("dark")
        theme.apply(app)

        async def to_the_end() -> int:
            await work(theme, Path(there), target)
            return 0

        return run_loop(app, to_the_end())


@asynccontextmanager
async def opened(
    theme: Theme, file: Path | None = None, *, width: int = 1720, height: int = 1000
) -> AsyncIterator[MainWindow]:
    """A window whose engine is ready, on a workflow; it is closed in order."""
    window = MainWindow(theme, Settings(), installed_node_types())
    window.resize(width, height)
    window.show()
    window.start([file] if file is not None else [])
    try:
        await until(lambda: window.engine.state == "ready")
        yield window
    finally:
        window.close_without_asking()
        await window.closed
        window.dispose()


async def run_once(window: MainWindow) -> None:
    """Run the workflow to its end."""
    before = window.runs.current
    window.runs.start()
    await until(lambda: window.runs.current is not before and not window.runs.running)


async def until(holds: Callable[[], object]) -> None:
    """Let the loop go on until something holds.

    Raises:
        TimeoutError: It does not within a minute.
    """
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - Qt and the engine tell in many ways
            await asyncio.sleep(TURN)
