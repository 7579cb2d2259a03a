"""One session at the real window by mouse and keyboard: at least 20 debugger actions, and a workflow that is mended."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from performing import on_screen, perform

from kailash_studio import WorkflowBuilder


def broken(folder: Path) -> Path:
    """quotes > value > report > writer; value cannot take a price that is no number."""
    rows = "[{'symbol': 'MSFT', 'price': 28}, {'symbol': 'AMZN', 'price': 'n/a'}]"
    builder = WorkflowBuilder("prices")
    builder.add_node("PythonCodeNode", "quotes", code=f"def quotes(): return {rows}")
    builder.add_node("PythonCodeNode", "value", code="def value(rows): return sum(float(r['price']) for r in rows)")
    builder.add_node("PythonCodeNode", "report", code="def report(total): return [{'total': total}]")
    builder.add_node("FileWriterNode", "writer", path="report.json")
    builder.add_connection("quotes", "result", "value", "rows")
    builder.add_connection("value", "result", "report", "total")
    builder.add_connection("report", "result", "writer", "data")
    file = folder / "prices.kailash.json"
    builder.build().save(file)
    return file


def test_a_broken_workflow_is_debugged_and_mended_by_hand(display: str, tmp_path: Path) -> None:
    file, pictures = broken(tmp_path), tmp_path / "pictures"
    pictures.mkdir()
    variables = on_screen(display, tmp_path / "home")
    trust = [sys.executable, "-m", "kailash_studio", "run", str(file), "--trust"]
    failed = subprocess.run(trust, env=variables, capture_output=True, encoding="utf-8", check=False, timeout=120)
    assert failed.returncode == 1, "the workflow is broken"
    words = (str(file), str(pictures))
    seen = perform("debugging.py", *words, variables=variables, seconds=400, pictures=pictures)
    assert len(set(seen["did"])) >= 20, seen["did"]
    mended = subprocess.run(trust, env=variables, capture_output=True, encoding="utf-8", check=False, timeout=120)
    assert mended.returncode == 0, mended.stderr
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == [{"total": 28}]
