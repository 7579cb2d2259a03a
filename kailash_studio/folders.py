"""Where shipped resources lie and where a user's data goes; nothing else knows a path.

``KAILASH_STUDIO_HOME`` moves all of a user's data below one folder (tests, portable installations, containers).
"""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def resources() -> Path:
    """Folder of the shipped resources: inside the wheel when installed, beside the package in a checkout."""
    installed = _PACKAGE / "resources"
    return installed if installed.is_dir() else _PACKAGE.parent / "resources"


def user_data() -> Path:
    """The user's data folder, created when missing: database, journal, approvals, logs."""
    home = os.environ.get("KAILASH_STUDIO_HOME")
    if home:
        folder = Path(home)
    else:
        from platformdirs import user_data_path

        folder = user_data_path("kailash-studio", appauthor=False)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
