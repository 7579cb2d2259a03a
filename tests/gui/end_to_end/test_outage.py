"""A service dies and comes back while somebody watches at the real window; the pictures of ``docs/outage.md``."""

from __future__ import annotations

from pathlib import Path

from performing import on_screen, perform


def test_an_outage_is_seen_survived_and_made_good(display: str, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    variables = on_screen(display, tmp_path / "home")
    seen = perform("on_call.py", str(pictures), variables=variables, seconds=180, pictures=pictures)
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
