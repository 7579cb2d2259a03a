"""Opens the window for a script that sits in front of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from kailash_studio.desktop.app import make_application, run_loop
from kailash_studio.desktop.settings import Settings
from kailash_studio.desktop.theme import Theme
from kailash_studio.desktop.window import MainWindow
from kailash_studio.spec.registry import installed_node_types

Work = Callable[[MainWindow], Awaitable[object]]


def say(fact: object) -> None:
    """Tell the test, one JSON line."""
    print(json.dumps(fact), flush=True)


def sit(work: Work, files: Sequence[Path], pictures: Path | None = None) -> int:
    """Show the window, do the work, and take everything down; with a picture of the screen when it fails."""
    app = make_application(sys.argv[:1])
    settings = Settings.load()
    theme = Theme(settings.theme)
    theme.apply(app)

    async def sitting() -> int:
        window = MainWindow(theme, settings, installed_node_types())
        window.resize(1500, 940)
        window.show()
        window.start(files)
        try:
            say(await work(window))
        except BaseException:
            screen = app.primaryScreen()
            if pictures is not None and screen is not None:
                screen.grabWindow(0).save(str(pictures / "failed.png"))
            raise
        finally:
            window.close_without_asking()
            window.dispose()
        return 0

    return run_loop(app, sitting())
