"""``start.py test``: everything that is checked before a change lands, the same for a person and for a server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence

from launcher.environment import Checkout, ensure
from launcher.problem import StartError
from launcher.terminal import hand_over, run_shown, say

_TEST_LIBRARIES = ("core", "xcb", "gui_tests", "database_tests", "keyring_tests", "packaging_tests")


def check(checkout: Checkout, arguments: Sequence[str]) -> int:
    """Run all checks, or pytest alone where there are arguments for it; zero when all of them passed.

    A check that fails does not keep the next from running. The tests come last, so that their closing line is the last.
    """
    python = str(ensure(checkout, "all"))
    install_system_packages(checkout)
    variables = {"QT_QPA_PLATFORM": "offscreen"} | os.environ  # tests that need a screen start their own
    pytest = [python, "-m", "pytest"]
    if arguments:
        return hand_over([*pytest, *arguments], environment=variables)
    failed = [
        name
        for name, command in (
            ("format", [python, "-m", "ruff", "format", "--check", "."]),
            ("lint", [python, "-m", "ruff", "check", "."]),
            ("types", [python, "-m", "mypy"]),
            # its cache misses modules that are new since an importing file was read
            ("import contracts", [str(checkout.program("lint-imports")), "--no-cache"]),
        )
        if not _passes(checkout, name, command)
    ]
    if failed:
        print(f"FAILED before the tests: {', '.join(failed)}; the tests follow.", flush=True)
    status = subprocess.call(pytest, cwd=checkout.root, env=variables)
    return status or (1 if failed else 0)


def _passes(checkout: Checkout, name: str, command: Sequence[str]) -> bool:
    begun = time.monotonic()
    done = subprocess.run(
        list(command),
        cwd=checkout.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        print(done.stdout.rstrip())
    print(f"{name}: {'failed' if done.returncode else 'passed'} ({time.monotonic() - begun:.1f} s)", flush=True)
    return done.returncode == 0


def install_system_packages(checkout: Checkout) -> None:
    """Install the system's part of what the tests need, or say how to, where this user cannot.

    Tests that need what is missing then fail with the same line.
    """
    if not sys.platform.startswith("linux"):
        return
    sys.path.insert(0, str(checkout.root))
    try:
        from kailash_studio.desktop.preflight import install_line, missing_packages
    finally:
        sys.path.pop(0)
    packages = missing_packages(*_TEST_LIBRARIES)
    if not packages:
        return
    apt = shutil.which("apt-get")
    if apt and os.geteuid() == 0:
        say(f"Installing with apt-get what the tests need: {' '.join(packages)}")
        variables = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        try:
            run_shown([apt, "-qq", "update"], "apt-get update", environment=variables)
            install = [apt, "-qq", "-y", "--no-install-recommends", "install", *packages]
            run_shown(install, "apt-get install", environment=variables)
            return
        except StartError as error:
            for line in error.details:
                say(f"  {line}")
    say(f"Some tests will fail for want of system packages: {install_line(packages)}.")
