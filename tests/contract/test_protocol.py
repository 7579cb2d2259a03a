"""What a window and an engine say to each other stays what it is: a recorded conversation, and its documents."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import protocol_page
import pytest
from contract.protocol_transcript import RECORDED, held

from kailash_studio.runtime import protocol
from kailash_studio.runtime.host import Host
from kailash_studio.runtime.server import SERVING


def test_the_engine_answers_as_it_was_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that differs is a change of the protocol: mend it, or record anew and count the version up."""
    monkeypatch.setenv("KAILASH_STUDIO_HOME", str(tmp_path))
    recorded = [json.loads(line) for line in RECORDED.read_text(encoding="utf-8").splitlines()]
    assert recorded[0]["answer"]["ok"]["version"] == protocol.VERSION
    now: list[dict[str, Any]] = json.loads(json.dumps(held(tmp_path)))
    for step, said in zip(recorded, now, strict=True):
        assert said == step


def test_each_request_is_documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``python packaging/protocol_page.py`` writes the page out of the docstrings."""
    monkeypatch.setenv("KAILASH_STUDIO_HOME", str(tmp_path))
    host = Host(lambda message: None)
    text = protocol_page.PAGE.read_text(encoding="utf-8")
    assert text == protocol_page.page()
    documented = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    assert documented == host._handlers.keys() | {"attach"}
    assert host._handlers.keys() >= SERVING, "what a window may ask from outside is there"
    host._tables.close()
    host._history.close()
    host._journal.close()
