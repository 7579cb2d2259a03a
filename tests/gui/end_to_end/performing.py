"""Runs a script that sits in front of the window, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def on_screen(display: str, home: Path) -> dict[str, str]:
    """The environment of a program whose windows are on a display and whose user data is in a folder."""
    variables = {name: value for name, value in os.environ.items() if name != "WAYLAND_DISPLAY"}
    return variables | {"DISPLAY": display, "QT_QPA_PLATFORM": "xcb", "KAILASH_STUDIO_HOME": str(home)}


def perform(
    script: str, *words: str, variables: Mapping[str, str], seconds: float, pictures: Path | None = None
) -> Any:
    """Run a script to its end, which must be a good one.

    Args:
        script: The name of its file here.
        words: Its arguments.
        variables: Its environment.
        seconds: How long it may take at most.
        pictures: A folder that it fills; what is in it is named when it fails. Its parent is the working folder.

    Returns:
        What it said last.
    """
    done = subprocess.run(
        [sys.executable, str(HERE / script), *words],
        cwd=pictures.parent if pictures is not None else None,
        env=variables,
        capture_output=True,
        encoding="utf-8",
        timeout=seconds,
        check=False,
    )
    taken = f"\npictures: {sorted(path.name for path in pictures.iterdir())}" if pictures is not None else ""
    assert done.returncode == 0, f"{done.stderr}{taken}"
    assert "Traceback" not in done.stderr, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
