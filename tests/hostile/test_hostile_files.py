"""Opening a file runs nothing, loses nothing, and ends in findings or in one clear error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from corpus import CORPUS, Hostile, document
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kailash_studio.errors import DocumentError
from kailash_studio.spec.registry import Registry, installed_node_types
from kailash_studio.workflow.reader import MAX_FINDINGS, read, read_file
from kailash_studio.workflow.validation import validate
from kailash_studio.workflow.writer import write


@pytest.fixture(scope="module")
def registry() -> Registry:
    return installed_node_types()


def test_the_corpus_is_large_enough_and_has_no_twins() -> None:
    assert len(CORPUS) >= 60
    assert len({hostile.name for hostile in CORPUS}) == len(CORPUS)


@pytest.mark.parametrize("hostile", CORPUS, ids=lambda hostile: hostile.name)
def test_a_file_by_hand(hostile: Hostile, registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "hostile.kailash.json"
    path.write_bytes(hostile.data)
    if hostile.expected == "refused":
        with pytest.raises(DocumentError) as raised:
            read_file(path)
        sentence = str(raised.value)
        assert sentence.endswith(".")
        assert "\n" not in sentence
        assert len(sentence) < 400 + len(str(path))
        return
    result = read_file(path)
    findings = [*result.findings, *validate(result.workflow, registry)]
    if hostile.expected == "findings":
        assert findings
        assert not hostile.code or hostile.code in {finding.code for finding in findings}
    else:
        assert not result.findings
    for finding in findings:
        assert finding.sentence.endswith((".", "?")), finding
        assert finding.code.startswith("KS-")
    keeps_everything(hostile.data, result.workflow)


def keeps_everything(data: bytes | str, workflow: Any) -> None:
    """What was read is written back, and reads the same again."""
    written = write(workflow)
    again = read(written)
    assert write(again.workflow) == written
    before = json.loads(data.decode("utf-8-sig") if isinstance(data, bytes) else data)
    assert not list(lost(before, json.loads(written)))


def lost(before: Any, after: Any, place: str = "") -> Any:
    """Places of values that are not there any more. Lists of connections are sets; texts may be split into lines."""
    if isinstance(after, dict) and set(after) == {"$lines"} and isinstance(before, str):
        after = "\n".join(after["$lines"])
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            if key in after:
                yield from lost(value, after[key], f"{place}/{key}")
            elif value not in ({}, [], "", None):
                yield f"{place}/{key}"
    elif isinstance(before, list) and isinstance(after, list) and place == "/connections":
        kept = [json.dumps(item, sort_keys=True) for item in after]
        for item in before:
            if json.dumps(item, sort_keys=True) not in kept:
                yield f"{place}: {item}"
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from lost(one, other, f"{place}/{number}")
    elif before != after and not (isinstance(before, int | float) and before == after):
        yield f"{place}: {str(before)[:80]} became {str(after)[:80]}"


def test_a_file_of_16_mb_is_refused_within_a_second(tmp_path: Path) -> None:
    path = tmp_path / "large.kailash.json"
    path.write_bytes(b'{"format": "kailash-studio/workflow", "x": "' + b"a" * 16_000_000 + b'"}')
    began = time.process_time()
    with pytest.raises(DocumentError, match=r"15\.3 MiB; a workflow file has at most 8 MiB"):
        read_file(path)
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize("kind", ["folder", "absent", "fifo", "device", "link to itself", "a NUL in the name"])
def test_what_is_no_file_is_refused_at_once(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.kailash.json"
    match kind:
        case "folder":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "device":
            path = Path("/dev/zero")
        case "link to itself":
            path.symlink_to(path)
        case "a NUL in the name":
            path = tmp_path / "a\0b"
    with pytest.raises(DocumentError):
        read_file(path)


def test_a_file_with_very_many_faults_says_the_first_thousand() -> None:
    broken = document(connections=[{"from": f"n{i}", "to": 5} for i in range(5000)])
    assert len(read(json.dumps(broken)).findings) == MAX_FINDINGS


_AUDITED = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from corpus import CORPUS
from kailash_studio.errors import DocumentError
from kailash_studio.spec.registry import installed_node_types
from kailash_studio.workflow.reader import read_file
from kailash_studio.workflow.validation import validate
from kailash_studio.workflow.writer import write
registry = installed_node_types()
folder = Path(sys.argv[2])
files = []
for number, hostile in enumerate(CORPUS):
    files.append(folder / f"{number}.kailash.json")
    files[-1].write_bytes(hostile.data)
def look(path):
    try:
        result = read_file(path)
    except DocumentError:
        return
    validate(result.workflow, registry)
    try:
        write(result.workflow)
    except DocumentError:
        pass
for path in files:  # once before, so that everything that is imported when it is used has been
    look(path)
present, seen = None, []
def hook(event, arguments):
    if present is None:
        return
    if event == "open" and Path(str(arguments[0])) == present:
        return
    if event == "compile" and arguments[0] is not None and arguments[1] == "<unknown>":
        return  # ast.parse, which runs nothing
    if event == "open" and arguments[0] == "<unknown>":
        return  # CPython's parser looks there for the line of a SyntaxError; there is no such file
    watched = "open exec compile import socket subprocess os ctypes pickle shutil"
    if event.split(".")[0] in watched.split():
        seen.append((present.name, event, repr(arguments)[:200]))
sys.addaudithook(hook)
for path in files:
    present = path
    look(path)
    present = None
print(json.dumps(seen))
"""


def test_nothing_is_executed_and_no_other_file_is_opened(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _AUDITED, str(Path(__file__).parent), str(tmp_path)],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == []


# ------------------------------------------------------------------------------------------------- by property
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
SECTIONS = ["name", "description", "parameters", "nodes", "connections", "layout", "further"]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(SECTIONS), JSON))
def test_any_json_in_the_sections_opens_with_findings_and_loses_nothing(sections: dict[str, Any]) -> None:
    data = json.dumps(document(**sections))
    try:
        result = read(data)
    except DocumentError:
        return
    validate(result.workflow, installed_node_types())
    keeps_everything(data, result.workflow)


def places(value: Any) -> list[tuple[Any, Any]]:
    found = []
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        found.append((value, key))
        found += places(inner)
    return found


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), JSON)
def test_a_good_file_with_one_value_replaced(data: st.DataObject, value: Any) -> None:
    good = json.loads(json.dumps(document()))
    holder, key = data.draw(st.sampled_from(places(good)))
    holder[key] = value
    raw = json.dumps(good)
    try:
        result = read(raw)
    except DocumentError as error:
        assert "\n" not in str(error)
        return
    validate(result.workflow, installed_node_types())
    keeps_everything(raw, result.workflow)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 400), st.integers(0, 20))
def test_a_good_file_with_bytes_overwritten(garbage: bytes, start: int, dropped: int) -> None:
    good = json.dumps(document()).encode()
    data = good[:start] + garbage + good[start + dropped :]
    try:
        result = read(data)
    except DocumentError as error:
        assert "\n" not in str(error)
        return
    keeps_everything(data, result.workflow)
