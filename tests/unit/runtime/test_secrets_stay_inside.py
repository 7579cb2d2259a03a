"""A secret that a run uses is in nothing that the run leaves behind or tells."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fakes.web_server import Reply, Request, serving

from kailash_studio import WorkflowBuilder
from kailash_studio.runtime.journal.journal import Journal
from kailash_studio.runtime.journal.replay import workflow_of
from kailash_studio.services.credentials.chain import default_chain
from kailash_studio.tables.table import Table

CANARY = "c4n4ry-SwordfIsh/7+x"


def echoing(request: Request) -> Reply:
    """A service that gives back what it was sent, as rude ones do."""
    body = json.dumps({"headers": dict(request.headers), "path": request.path, "echo": [request.headers.get("X-Key")]})
    return 200, {"Content-Type": "application/json"}, body.encode()


def leaky(url: str) -> WorkflowBuilder:
    secret = {"$secret": "vault_key"}
    builder = WorkflowBuilder("leaky")
    builder.add_node(
        "HTTPRequestNode", "ask", url=f"{url}/q", headers={"X-Key": secret}, query={"k": secret}, allow_private=True
    )
    # a node that gets the secret by the echo, prints it, gives it on as a table, and fails with it
    code = "def rows(data):\n    print('key', data['echo'][0])\n    return [{'id': 1, 'key': data['echo'][0]}]\n"
    builder.add_node("PythonCodeNode", "rows", code=code)
    builder.add_node("SelectColumnsNode", "table", columns=["key"])
    fails = "def fails(data):\n    raise ValueError('no luck with ' + data['echo'][0])\n"
    builder.add_node("PythonCodeNode", "fails", code=fails)
    builder.add_node(
        "AsyncSQLDatabaseNode", "unreachable", connection="details", query="SELECT 1", connection_string=secret
    )
    builder.add_connection("ask", "data", "rows", "data")
    builder.add_connection("rows", "result", "table", "rows")
    builder.add_connection("ask", "data", "fails", "data")
    return builder


def held(data: bytes) -> bool:
    return CANARY.encode() in data or CANARY.replace("/", "%2F").replace("+", "%2B").encode() in data


@pytest.fixture
def left_behind(user_home: Path, tmp_path: Path) -> tuple[Path, subprocess.CompletedProcess[bytes]]:
    """A run on the command line with everything that it writes; the file, and what it said."""
    default_chain().set("vault_key", CANARY)
    with serving(echoing) as server:
        file = tmp_path / "leaky.kailash.json"
        file.write_text(leaky(server.url).build().to_json(), encoding="utf-8")
        words = [sys.executable, "-m", "kailash_studio", "run", str(file), "--trust", "--json"]
        words += ["--events", str(tmp_path / "events.jsonl"), "--output", str(tmp_path / "results.json")]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, timeout=120, check=False)
    return file, done


def test_nothing_that_a_run_writes_or_says_has_its_secrets(
    left_behind: tuple[Path, subprocess.CompletedProcess[bytes]], user_home: Path, tmp_path: Path
) -> None:
    _, done = left_behind
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert told["results"]["ask"]["data"]["echo"] == ["***vault_key***"], "it did get there and back"
    assert "***vault_key***" in told["failures"]["fails"]["error"]
    assert sorted(told["failures"]) == ["fails", "unreachable"]
    assert not held(done.stdout + done.stderr)
    journal = Journal(user_home / "journal.db")
    (run,) = journal.runs()
    texts = [event.details["text"] for event in journal.events(run.run_id) if event.kind == "log_written"]
    assert texts == ["key ***vault_key***"]
    assert {letter.node for letter in journal.dead_letters()} == {"fails", "unreachable"}
    assert "$secret" in workflow_of(journal, run).to_json()
    journal.close()
    for path in [*tmp_path.rglob("*"), *user_home.rglob("*")]:
        if path.is_file():
            assert not held(path.read_bytes()), path


def test_a_value_that_was_kept_without_its_secrets_is_made_again_by_a_resumed_run(
    left_behind: tuple[Path, subprocess.CompletedProcess[bytes]], user_home: Path
) -> None:
    journal = Journal(user_home / "journal.db")
    (run,) = journal.runs()
    kept = journal.finished(run.run_id)
    assert "ask" not in kept, "what is kept of it is not what it gave"
    assert "rows" not in kept
    journal.close()


def test_a_table_is_looked_through_by_its_memory(tmp_path: Path) -> None:
    from kailash_studio.runtime.journal import contents
    from kailash_studio.services.credentials.redaction import Redactor

    redactor = Redactor()
    redactor.hide("vault_key", CANARY)
    clean = Table.of([{"a": 1, "b": "plain"}])
    assert contents.decode(contents.encode(clean, redactor) or b"") == [{"a": 1, "b": "plain"}]
    data = contents.encode(Table.of([{"a": 1, "b": f"x {CANARY} y"}]), redactor)
    assert data is not None
    shown: Any = contents.decode(data)
    assert shown == [{"a": 1, "b": "x ***vault_key*** y"}]
    with pytest.raises(contents.MaskedError):
        contents.decode(data, masked=False)
