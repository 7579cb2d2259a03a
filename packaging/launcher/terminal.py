"""What a person sees while something is installed: one moving line on a terminal, a few whole lines elsewhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from launcher.problem import from_output

_KEPT_LINES = 12


def say(sentence: str) -> None:
    """Tell on standard error, which leaves standard output to the program."""
    print(sentence, file=sys.stderr, flush=True)


def run_shown(
    command: Sequence[str], what: str, *, environment: Mapping[str, str], keep_open: Sequence[int] = ()
) -> None:
    """Run a command to its end, showing its latest line.

    Args:
        command: Program and words.
        what: How to name it to a person.
        environment: Its environment.
        keep_open: File descriptors that it inherits, so that a lock lasts as long as it does.

    Raises:
        StartError: It failed.
        OSError: It could not be started.
    """
    last: deque[str] = deque(maxlen=_KEPT_LINES)
    moving = sys.stderr.isatty()
    with subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env=dict(environment),
        pass_fds=() if os.name == "nt" else tuple(keep_open),
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.strip():
                    last.append(line.rstrip())
                    if moving:
                        _redraw(f"{what}: {last[-1].strip()}")
        except BaseException:
            process.terminate()
            raise
        finally:
            if moving:
                _redraw("")
    if process.returncode:
        raise from_output(what, process.returncode, last)


def hand_over(
    command: Sequence[str], *, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> int:
    """Become another program where the system can, else run it; its exit status is ours."""
    variables = dict(os.environ if environment is None else environment)
    if os.name != "nt":  # there a program that becomes another one seems to end at once
        if folder is not None:
            os.chdir(folder)
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(command[0], list(command), variables)  # noqa: S606 - the point is to have no shell
    return subprocess.call(list(command), cwd=folder, env=variables)


def _redraw(text: str) -> None:
    width = shutil.get_terminal_size().columns - 1
    sys.stderr.write(f"\r\x1b[K{text[:width]}")
    sys.stderr.flush()
