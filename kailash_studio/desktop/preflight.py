"""Says in one sentence what keeps the window from opening, before Qt would abort over it.

Nothing here imports Qt, nor anything that is not in the standard library: the start script uses it on a bare Python.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence

from kailash_studio.folders import resources

_MODULES = ("PySide6", "NodeGraphQt", "qasync", "pyqtgraph")
_WITHOUT_DISPLAY = "`kailash-studio run FILE` needs none"


def problem(environment: Mapping[str, str] = os.environ) -> str | None:
    """What keeps the window from opening, and the mend; None when it can open.

    Args:
        environment: Where the display and Qt's platform are named.
    """
    absent = [name for name in _MODULES if importlib.util.find_spec(name) is None]
    if absent:
        return (
            f"The window needs {', '.join(absent)}, which this Python lacks: install it with"
            ' `python -m pip install "kailash-studio[desktop]"`.'
        )
    if not sys.platform.startswith("linux"):
        return None
    platform = _platform(environment)
    if platform == "none":
        return (
            "There is no display to open the window on (DISPLAY and WAYLAND_DISPLAY are not set): start it in a desktop"
            f" session, or as `xvfb-run -a kailash-studio`; {_WITHOUT_DISPLAY}."
        )
    packages = missing_packages("core", platform)
    if packages:
        return f"The window needs system libraries that are not installed: {install_line(packages)}."
    if platform == "xcb" and not _x_server_answers(environment.get("DISPLAY", "")):
        return (
            f"The display {environment.get('DISPLAY', '')!r} does not answer: check DISPLAY and that this user may use"
            f" it (XAUTHORITY, xhost); {_WITHOUT_DISPLAY}."
        )
    return None


def missing_packages(*groups: str) -> list[str]:
    """Debian packages of what is not on this system.

    Args:
        groups: Names in ``resources/system_libraries.json``; one that is not there needs nothing.
    """
    declared = json.loads((resources() / "system_libraries.json").read_text(encoding="utf-8"))
    wanted: dict[str, str] = {}
    for group in groups:
        wanted.update(declared.get(group, {}))
    return [package for name, package in wanted.items() if not _is_there(name)]


def install_line(packages: Sequence[str]) -> str:
    """How to install Debian packages on this system, to stand in a sentence."""
    names = " ".join(packages)
    if shutil.which("apt-get"):
        return f"run `sudo apt-get install -y {names}`"
    return f"install with the system's package manager what Debian calls {names}"


def _platform(environment: Mapping[str, str]) -> str:
    """The group of libraries for the platform plugin that Qt will choose, or "none" without a display."""
    asked = environment.get("QT_QPA_PLATFORM", "").split(";")[0].split(":")[0]
    on_x, on_wayland = bool(environment.get("DISPLAY")), bool(environment.get("WAYLAND_DISPLAY"))
    if asked.startswith("wayland"):
        return "wayland" if on_wayland else "none"
    if asked == "xcb":
        return "xcb" if on_x else "none"
    if asked:
        return asked  # offscreen, vnc and the like bring their own
    if not on_x and not on_wayland:
        return "none"
    # Qt tries Wayland first in a Wayland session, and falls back to X where both are there
    return "wayland" if on_wayland and (not on_x or not missing_packages("wayland")) else "xcb"


def _is_there(name: str) -> bool:
    """Whether a shared library can be loaded, or a program is on the path."""
    if ".so." not in name:
        return shutil.which(name) is not None
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _x_server_answers(display: str) -> bool:
    """Whether a client may connect; Qt says that the plugin is broken when the display is."""
    xcb = ctypes.CDLL("libxcb.so.1")
    xcb.xcb_connect.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(xcb.xcb_connect(display.encode(), None))
    try:
        return int(xcb.xcb_connection_has_error(connection)) == 0
    finally:
        xcb.xcb_disconnect(connection)
