"""Writes the locks anew from ``pyproject.toml``: ``python3 packaging/lock.py [--upgrade]``; needs uv.

One resolution for all supported Pythons and systems gives the three levels that the start script installs, with the
hashes of every file and no addresses. Without ``--upgrade`` versions stay where the dependencies allow them to.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LEVELS = {"base": [], "desktop": ["--extra", "desktop"], "all": ["--all-extras"]}


def main() -> int:
    """Resolve once and write one file for each level."""
    parser = argparse.ArgumentParser(description="Write the locks anew from pyproject.toml.")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    chosen = parser.parse_args()
    uv = shutil.which("uv")
    if uv is None:
        print("The lock is made with uv: install it (for example `pipx install uv`) and try again.", file=sys.stderr)
        return 2
    # uv.lock names the hosts that packages come from: it lives and dies in a folder of its own
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copyfile(ROOT / "pyproject.toml", folder / "pyproject.toml")
        (folder / "kailash_studio").mkdir()
        shutil.copyfile(ROOT / "kailash_studio" / "__init__.py", folder / "kailash_studio" / "__init__.py")
        (folder / "README.md").touch()
        known = ROOT / "packaging" / "requirements-all.lock"
        pinned = _pins(known.read_text(encoding="utf-8")) if known.exists() and not chosen.upgrade else []
        if pinned:
            with (folder / "pyproject.toml").open("a", encoding="utf-8") as stream:
                stream.write(f"\n[tool.uv]\nconstraint-dependencies = {pinned!r}\n")
        for level, extras in LEVELS.items():
            command = [uv, "export", "--quiet", "--format", "requirements.txt", "--no-emit-project", "--no-annotate"]
            command += ["--no-header", "--group", "build", *extras]
            done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, encoding="utf-8", check=False)
            if done.returncode:
                print(f"uv could not resolve the packages of the level {level}: see above.", file=sys.stderr)
                return 1
            header = "# Written by packaging/lock.py; do not edit.\n"
            path = ROOT / "packaging" / f"requirements-{level}.lock"
            path.write_text(header + done.stdout, encoding="utf-8", newline="\n")
            print(f"{path.relative_to(ROOT)}: {len(_pins(done.stdout))} packages")
    return 0


def _pins(lock: str) -> list[str]:
    """The ``name==version ; marker`` lines of a lock."""
    return [
        line.removesuffix("\\").strip()
        for line in lock.splitlines()
        if "==" in line and not line.startswith((" ", "#"))
    ]


if __name__ == "__main__":
    sys.exit(main())
