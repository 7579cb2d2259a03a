"""A screen of the tests' own: an X server without hardware, and a window manager."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator

import pytest

from kailash_studio.desktop.preflight import install_line

_PROGRAMS = {"Xvfb": "xvfb", "openbox": "openbox", "xdotool": "xdotool"}


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    """The name of a display of 1600 x 1000 pixels with a window manager, as ``DISPLAY`` has it."""
    missing = [package for program, package in _PROGRAMS.items() if shutil.which(program) is None]
    if missing:
        pytest.fail(f"The tests of the real window need system packages: {install_line(missing)}.")
    reader, writer = os.pipe()
    # Without -noreset the server starts anew when its last client leaves, as each question below does, and a window
    # manager that connects at that moment is turned away.
    words = ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1600x1000x24", "-nolisten", "tcp", "-noreset"]
    server = subprocess.Popen(words, pass_fds=[writer], stderr=subprocess.DEVNULL)
    os.close(writer)
    with os.fdopen(reader) as stream:
        name = f":{stream.readline().strip()}"
    manager = subprocess.Popen(
        ["openbox", "--sm-disable"], env=os.environ | {"DISPLAY": name}, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for_manager(name, manager)
        yield name
    finally:
        manager.terminate()
        manager.wait(10)
        server.terminate()
        server.wait(10)


def _wait_for_manager(name: str, manager: subprocess.Popen[bytes]) -> None:
    """Until the window manager has told the root window that it is there."""
    deadline = time.monotonic() + 20
    words = ["xdotool", "get_num_desktops"]
    while subprocess.run(words, env=os.environ | {"DISPLAY": name}, capture_output=True, check=False).returncode:
        assert manager.poll() is None, "the window manager ended"
        assert time.monotonic() < deadline, "the window manager did not start within 20 s"
