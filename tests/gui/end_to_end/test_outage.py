"""A service dies and comes back while somebody watches at the real window; the pictures of ``docs/outage.md``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def test_an_outage_is_seen_survived_and_made_good(display: str, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    variables = {name: value for name, value in os.environ.items() if name != "WAYLAND_DISPLAY"}
    variables |= {"DISPLAY": display, "QT_QPA_PLATFORM": "xcb", "KAILASH_STUDIO_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("on_call.py")), str(pictures)],
        cwd=tmp_path,
        env=variables,
        capture_output=True,
        encoding="utf-8",
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    healthy = dict.fromkeys(("orders", "prices", "book", "report"), "succeeded") | {"last_known": "skipped"}
    assert seen["healthy"] == seen["back"] == healthy
    hurt = healthy | {"prices": "recovered", "last_known": "succeeded", "book": "failed"}
    assert seen["down"] == seen["open"] == seen["refused"] == hurt
    assert seen["changes"] == ["open", "half_open", "closed"]
    assert seen["why"].startswith("book failed after 2 attempts: ")
    assert seen["letters"] == "3 letters"
    assert seen["replayed"] == "Replayed 3 of 3: 3 resolved"
    assert seen["booked"] == [1] * 5, "each order was booked once, under a key of its own"
    assert len(list(pictures.glob("outage_*.png"))) == 8
