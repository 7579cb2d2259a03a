"""The virtual environment of a checkout: made, filled from the hashed locks, and known again by a stamp.

Three levels, each with its own lock: ``base`` runs workflows and has no Qt, ``desktop`` adds the window, ``all`` adds
what the checks need. An environment of a higher level serves the lower ones.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from launcher.problem import StartError, UnreachableError, from_system
from launcher.terminal import run_shown, say

LEVELS = ("base", "desktop", "all")
_STAMP_FORMAT = 1


@dataclass(frozen=True)
class Checkout:
    """The folders of a checkout that the start script uses."""

    root: Path

    @property
    def environment(self) -> Path:
        """The virtual environment."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.program("python")

    @property
    def stamp(self) -> Path:
        """Says what the environment holds; written last."""
        return self.environment / "kailash-studio.json"

    @property
    def unfinished(self) -> Path:
        """Is there while something is being installed, and after that was killed."""
        return self.work / "start.unfinished"

    @property
    def work(self) -> Path:
        """What must outlive the environment, which may be made anew."""
        return self.root / "build"

    def program(self, name: str) -> Path:
        """A program of the environment."""
        return self.environment / (f"Scripts/{name}.exe" if os.name == "nt" else f"bin/{name}")

    def lock(self, level: str) -> Path:
        """The pinned and hashed packages of a level."""
        return self.root / "packaging" / f"requirements-{level}.lock"


def ensure(checkout: Checkout, level: str) -> Path:
    """The interpreter of an environment that has a level; installs what is missing.

    Raises:
        StartError: It could not be made.
    """
    try:
        if not _has(checkout, level):
            with _alone(checkout) as lock:
                if not _has(checkout, level):  # another start may have done it while this one waited
                    _install(checkout, level, lock)
    except OSError as error:
        raise from_system(error) from error
    return checkout.python


def _has(checkout: Checkout, level: str) -> bool:
    stamp = _read_stamp(checkout)
    if stamp is None or not checkout.python.exists():
        return False
    held = stamp.pop("level", None)
    return held in LEVELS[LEVELS.index(level) :] and stamp == _identity(checkout)


def _read_stamp(checkout: Checkout) -> dict[str, object] | None:
    try:
        stamp = json.loads(checkout.stamp.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # not there, or written by a hand or a dying disk: the environment counts as unknown
    return stamp if isinstance(stamp, dict) else None


def _identity(checkout: Checkout) -> dict[str, object]:
    """What an environment was made from, and where: a moved checkout or a replaced Python is another one."""
    project = tomllib.loads((checkout.root / "pyproject.toml").read_text(encoding="utf-8"))
    told = {name: project.get(name) for name in ("build-system", "project")}
    content = hashlib.sha256(json.dumps([told, project.get("tool", {}).get("hatch")], sort_keys=True).encode())
    for level in LEVELS:
        content.update(checkout.lock(level).read_bytes())
    return {
        "format": _STAMP_FORMAT,
        "content": content.hexdigest(),
        "root": str(checkout.root),
        "python": str(checkout.python.resolve()),
    }


def _install(checkout: Checkout, level: str, lock: IO[str]) -> None:
    stamp = _read_stamp(checkout)
    if stamp is not None and not _can_be_kept(checkout, stamp):
        stamp = None
    if stamp is not None:
        level = LEVELS[max(LEVELS.index(level), LEVELS.index(str(stamp["level"])))]
    elif checkout.environment.exists():
        if not checkout.stamp.exists() and not checkout.unfinished.exists():
            raise StartError(f"{checkout.environment} was not made by start.py: rename or remove it and start again.")
        shutil.rmtree(checkout.environment)
    checkout.unfinished.touch()
    begun = time.monotonic()
    uv = shutil.which("uv")
    tool = "uv" if uv else "pip"
    say(f"Kailash Studio: installing its packages ({level}) with {tool} into {checkout.environment} ...")
    try:
        try:
            _fill(checkout, level, lock, uv)
        except StartError as error:
            if uv is None or importlib.util.find_spec("ensurepip") is None:
                raise
            # uv and pip are configured apart; in a company often only pip knows the mirror or the proxy
            for line in error.details:
                say(f"  {line}")
            say("uv could not install them; trying pip.")
            _fill(checkout, level, lock, None)
    except UnreachableError:
        if stamp is not None:
            checkout.unfinished.unlink()  # the environment still is what its stamp says
        raise
    checkout.stamp.write_text(json.dumps({"level": level, **_identity(checkout)}), encoding="utf-8")
    checkout.unfinished.unlink()
    say(f"Installed in {time.monotonic() - begun:.0f} s.")


def _can_be_kept(checkout: Checkout, stamp: dict[str, object]) -> bool:
    """Whether packages may be added to the environment as it is.

    Not after an installer was killed: half a package cannot be told from a whole one.
    """
    identity = _identity(checkout)
    return (
        not checkout.unfinished.exists()
        and checkout.python.exists()
        and stamp.get("level") in LEVELS
        and all(stamp.get(name) == identity[name] for name in ("format", "root", "python"))
    )


def _fill(checkout: Checkout, level: str, lock: IO[str], uv: str | None) -> None:
    variables = {
        name: value
        for name, value in os.environ.items()
        # these would send the installation elsewhere, or leave out the bytecode that makes the start quick
        if name not in {"VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PIP_TARGET", "PIP_USER"}
    }
    locked = ["--require-hashes", "-r", str(checkout.lock(level))]
    # the build backend is in the lock too, so nothing without a hash is fetched
    project = ["--no-deps", "--no-build-isolation", "-e", str(checkout.root)]
    python = str(checkout.python)
    if uv:
        make = [uv, "venv", "--quiet", "--no-project", "--python", sys.executable, str(checkout.environment)]
        install = [uv, "pip", "install", "--no-progress", "--python", python, "--compile-bytecode"]
    else:
        if importlib.util.find_spec("ensurepip") is None:
            raise StartError(_without_ensurepip())
        make = [sys.executable, "-m", "venv", "--without-pip", str(checkout.environment)]
        install = [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    if not checkout.python.exists():
        run_shown(make, "Making the environment", environment=variables, keep_open=[lock.fileno()])
    if not uv and not any(checkout.environment.glob("[Ll]ib/**/site-packages/pip/__main__.py")):
        run_shown([python, "-m", "ensurepip"], "Installing pip", environment=variables, keep_open=[lock.fileno()])
    for words in (
        [*install, *locked],
        [*install, *project],
        [python, "-m", "compileall", "-q", str(checkout.root / "kailash_studio")],
    ):
        run_shown(words, "Installing", environment=variables, keep_open=[lock.fileno()])


def _without_ensurepip() -> str:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if shutil.which("apt-get"):
        return f"This Python cannot make virtual environments: run `sudo apt-get install -y python{version}-venv`."
    return f"This Python {version} cannot make virtual environments: install its `ensurepip` module, or install uv."


@contextlib.contextmanager
def _alone(checkout: Checkout) -> Iterator[IO[str]]:
    """Hold the one lock of this checkout's environment.

    The installer inherits it, so that after a kill of the start script the next one waits for an installer that goes
    on alone.
    """
    checkout.work.mkdir(exist_ok=True)
    with (checkout.work / "start.lock").open("a", encoding="utf-8") as stream:
        if not _try_lock(stream):
            say("Waiting for another start that is installing ...")
            while not _try_lock(stream):
                time.sleep(0.2)
        yield stream


if sys.platform == "win32":
    import msvcrt

    def _try_lock(stream: IO[str]) -> bool:
        stream.seek(0)
        try:
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False  # held by another
        return True

else:
    import fcntl

    def _try_lock(stream: IO[str]) -> bool:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
