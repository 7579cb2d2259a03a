"""Reads the words after ``start.py``, sees to the environment that they need, and hands over to the program."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from launcher.environment import LEVELS, Checkout, ensure
from launcher.problem import StartError
from launcher.terminal import hand_over, say

ROOT = Path(__file__).resolve().parents[2]
_HELP = """\
python3 start.py                   the desktop; FILE opens a workflow in it
python3 start.py demo              the main job on the embedded database and sample data
python3 start.py test              every check: format, lint, types, import contracts, tests
python3 start.py test ARGUMENT...  pytest alone, with these arguments
python3 start.py COMMAND ...       a command of the program, as listed below
"""


def main(words: Sequence[str]) -> int:
    """Start what the words ask for and return its exit status."""
    try:
        return _start(words)
    except StartError as error:
        for line in error.details:
            say(f"  {line}")
        say(str(error))
        return 2
    except KeyboardInterrupt:
        say("Cancelled.")
        return 130


def _start(words: Sequence[str]) -> int:
    checkout = Checkout(ROOT)
    if words and words[0] == "test":
        from launcher.checks import check

        return check(checkout, words[1:])
    if words and words[0] in {"-h", "--help"}:
        print(_HELP, flush=True)
    level = level_of(words, os.environ, interactive=sys.stdin.isatty())
    try:
        python = ensure(checkout, level)
    except StartError as error:
        if level == "base" or words[:1] != ["demo"]:
            raise
        say(f"{error} The demo goes on without the window.")
        python = ensure(checkout, LEVELS[0])
    # -P: a file of the user's folder must not stand in for a module of the same name
    # what the program tells a person to type in order to start it again
    named = {"KAILASH_STUDIO_COMMAND": f"{Path(sys.executable).stem} start.py"}
    return hand_over([str(python), "-P", "-m", "kailash_studio", *words], environment=os.environ | named)


def level_of(words: Sequence[str], environment: Mapping[str, str], *, interactive: bool) -> str:
    """The level of the environment that a command needs.

    Args:
        words: The command and its words.
        environment: Tells whether there is a display.
        interactive: Whether a person can be asked; the demo offers the window only then.
    """
    if not words:
        return "desktop"
    if words[0] == "demo":
        return "desktop" if interactive and "--no-window" not in words and has_display(environment) else "base"
    opens_a_file = not words[0].startswith("-") and (Path(words[0]).suffix != "" or Path(words[0]).exists())
    return "desktop" if opens_a_file else "base"


def has_display(environment: Mapping[str, str]) -> bool:
    """Whether a window could be shown."""
    if os.name == "nt" or sys.platform == "darwin":
        return True
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))
