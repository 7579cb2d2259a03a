"""The strict reader: bytes to a workflow and findings. It opens its own file and nothing else, and runs nothing.

What cannot be a workflow at all is one ``DocumentError``. Everything else that is wrong becomes a finding, and what was
not understood is kept in ``Workflow.unread`` or ``extra`` and written back as it was.
"""

from __future__ import annotations

import json
import math
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kailash_studio.errors import DocumentError
from kailash_studio.spec.finding import Finding
from kailash_studio.workflow.migrations import migrate
from kailash_studio.workflow.workflow import (
    FORMAT,
    NODE_ID,
    VERSION,
    Connection,
    PlacedNode,
    Workflow,
    split_endpoint,
)

MAX_BYTES = 8 * 2**20
MAX_DEPTH = 64
MAX_NODES = 10_000
MAX_CONNECTIONS = 50_000
MAX_TEXT = 2**20
MAX_FINDINGS = 1_000


@dataclass(slots=True)
class ReadResult:
    """A workflow and what there is to say about its file."""

    workflow: Workflow
    findings: list[Finding] = field(default_factory=list)

    def note(self, severity: Any, code: str, place: str, sentence: str) -> None:
        """Add a finding; after ``MAX_FINDINGS`` no more are kept."""
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(severity, code, place, sentence))


def read_file(path: Path) -> ReadResult:
    """Read a workflow file.

    Raises:
        DocumentError: The file cannot be read, is too large, or is no workflow.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DocumentError(f"{path} is not a file: choose a workflow file.")
        if status.st_size > MAX_BYTES:
            raise DocumentError(_too_large(str(path), status.st_size))
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise DocumentError(f"{path} cannot be read: {error.strerror or error}.") from None
    except ValueError as error:  # a NUL in the name
        raise DocumentError(f"{str(path)!r} is not a file name: {error}.") from None
    return read(data, name=str(path))


def _too_large(name: str, size: int) -> str:
    return f"{name} has {size / 2**20:.1f} MiB; a workflow file has at most {MAX_BYTES // 2**20} MiB."


def read(data: bytes | str, *, name: str = "The text") -> ReadResult:
    """Read a workflow from the content of a file.

    Raises:
        DocumentError: It is too large or no workflow.
    """
    raw = _parse(data, name)
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise DocumentError(f'{name} is not a workflow file: it does not start with "format": "{FORMAT}".')
    version = raw.get("version")
    if type(version) is not int or version < 1:
        raise DocumentError(f'{name} has no "version": it should be a whole number from 1 on, such as {VERSION}.')
    result = ReadResult(Workflow(version=max(version, VERSION)))
    if version > VERSION:
        sentence = f"The file has format version {version}, this program knows {VERSION}: update the program to run it."
        result.note("error", "KS-1210", "version", sentence)
    _read_top(migrate(raw, version), result, name)
    return result


def _parse(data: bytes | str, name: str) -> Any:
    if isinstance(data, bytes):
        if len(data) > MAX_BYTES:
            raise DocumentError(_too_large(name, len(data)))
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise DocumentError(f"{name} is not UTF-8 text: byte {error.start} cannot be read.") from None
    else:
        text = data
        if len(text) > MAX_BYTES:
            raise DocumentError(_too_large(name, len(text)))
    try:
        raw = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite, parse_int=_whole
        )
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise DocumentError(f"{name} is not JSON at {place}: {error.msg}.") from None
    except RecursionError:
        raise DocumentError(f"{name} is nested deeper than {MAX_DEPTH} levels.") from None
    except _RefusedError as error:
        raise DocumentError(f"{name} {error}") from None
    _check_shape(raw, name)
    return raw


class _RefusedError(ValueError):
    """Legal for Python's parser, not for ours."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _RefusedError(f"has the key {twice[:80]!r} twice in one object: rename or remove one.")
    return found


def _refuse_constant(word: str) -> Any:
    raise _RefusedError(f"has {word}, which is not a JSON number.")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise _RefusedError(f"has the number {digits[:40]}, which is too large.")
    return number


def _whole(digits: str) -> int:
    if len(digits) > 400:
        raise _RefusedError(f"has a number of {len(digits)} digits; at most 400 are read.")
    return int(digits)


def _check_shape(raw: Any, name: str) -> None:
    """Refuse what is too deep, texts that are too long, and texts that are not Unicode; no recursion."""
    level, depth = [raw], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise DocumentError(f"{name} is nested deeper than {MAX_DEPTH} levels.")
        below: list[Any] = []
        for value in level:
            if isinstance(value, str):
                if len(value) > MAX_TEXT:
                    raise DocumentError(f"{name} has a text of {len(value)} characters; at most {MAX_TEXT} are read.")
                if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
                    raise DocumentError(f"{name} has a text with half a character (a lone surrogate): remove it.")
            elif isinstance(value, dict):
                below.extend(value)
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
        level = below


# ---------------------------------------------------------------------------------------------- the parts
_TOP = {"format", "version", "name", "description", "parameters", "nodes", "connections", "layout"}


def _read_top(raw: dict[str, Any], result: ReadResult, name: str) -> None:
    workflow = result.workflow
    nodes, connections = raw.get("nodes", {}), raw.get("connections", [])
    if not isinstance(nodes, dict):
        raise DocumentError(f'{name}: "nodes" should be an object of nodes by id.')
    if not isinstance(connections, list):
        raise DocumentError(f'{name}: "connections" should be a list.')
    if len(nodes) > MAX_NODES or len(connections) > MAX_CONNECTIONS:
        raise DocumentError(
            f"{name} has {len(nodes)} nodes and {len(connections)} connections; "
            f"at most {MAX_NODES} and {MAX_CONNECTIONS} are read."
        )
    for key in ("name", "description"):
        value = join_lines(raw.get(key, ""))
        if isinstance(value, str):
            setattr(workflow, key, value)
        else:
            workflow.unread[key] = raw[key]
            result.note("warning", "KS-1211", key, f"{key} should be a text; it is kept as it is.")
    _read_parameters(raw.get("parameters", {}), result)
    for node_id, entry in nodes.items():
        _read_node(node_id, entry, result)
    for index, entry in enumerate(connections):
        _read_connection(index, entry, result)
    _read_layout(raw.get("layout", {}), result)
    workflow.extra = {key: value for key, value in raw.items() if key not in _TOP}
    for key in workflow.extra:
        result.note("warning", "KS-1212", key, f"The field {key[:80]!r} is not known here; it is kept.")


def _read_parameters(raw: Any, result: ReadResult) -> None:
    if not isinstance(raw, dict):
        result.workflow.unread["parameters"] = raw
        result.note("error", "KS-1211", "parameters", "parameters should be an object; it is kept as it is.")
        return
    result.workflow.parameters = {key: join_lines(value) for key, value in raw.items()}


_NODE = {"type", "type_version", "parameters", "resilience"}


def _read_node(node_id: str, raw: Any, result: ReadResult) -> None:
    place = f"nodes/{node_id[:80]}"
    problem = _node_problem(node_id, raw)
    if problem:
        result.workflow.unread.setdefault("nodes", {})[node_id] = raw
        result.note("error", "KS-1213", place, f"Node {node_id[:80]!r} {problem}; it is kept as it is.")
        return
    result.workflow.nodes[node_id] = PlacedNode(
        type=raw["type"],
        type_version=raw.get("type_version", 1),
        parameters=join_lines(raw.get("parameters", {})),
        resilience=join_lines(raw.get("resilience", {})),
        extra={key: value for key, value in raw.items() if key not in _NODE},
    )
    for key in raw.keys() - _NODE:
        sentence = f"The field {key[:80]!r} of node {node_id} is not known here; it is kept."
        result.note("warning", "KS-1212", f"{place}/{key[:80]}", sentence)


def _node_problem(node_id: str, raw: Any) -> str:
    if not NODE_ID.match(node_id):
        return "has an id that is not a name of letters, digits, - and _, at most 64, starting with a letter"
    if not isinstance(raw, dict):
        return "should be an object"
    kind = raw.get("type")
    if not isinstance(kind, str) or not kind or len(kind) > 200:
        return 'has no "type"'
    version = raw.get("type_version", 1)
    if type(version) is not int or version < 1:
        return "has a type_version that is not a whole number from 1 on"
    for key in ("parameters", "resilience"):
        if not isinstance(raw.get(key, {}), dict):
            return f"has {key} that are not an object"
    return ""


def _read_connection(index: int, raw: Any, result: ReadResult) -> None:
    place = f"connections/{index}"
    workflow = result.workflow
    try:
        if not isinstance(raw, dict):
            raise ValueError("it should be an object")
        ends = raw.get("from"), raw.get("to")
        if not isinstance(ends[0], str) or not isinstance(ends[1], str):
            raise ValueError('it should have texts "from" and "to"')
        source, output, path = split_endpoint(ends[0])
        target, taker, rest = split_endpoint(ends[1])
        if rest:
            raise ValueError(f"{ends[1]!r} goes into an input; a path is for outputs")
        extra = {key: value for key, value in raw.items() if key not in {"from", "to"}}
        connection = Connection(source, output, target, taker, path, extra)
        if connection.key in workflow.connections:
            raise ValueError(f"{connection.start} to {connection.end} is there twice")
    except ValueError as error:
        workflow.unread.setdefault("connections", []).append(raw)
        result.note("error", "KS-1214", place, f"Connection {index + 1} is not understood: {str(error)[:200]}; kept.")
        return
    workflow.connections[connection.key] = connection
    for key in extra:
        sentence = f"The field {key[:80]!r} of connection {index + 1} is not known here; it is kept."
        result.note("warning", "KS-1212", f"{place}/{key[:80]}", sentence)


def _read_layout(raw: Any, result: ReadResult) -> None:
    workflow = result.workflow
    if not isinstance(raw, dict):
        workflow.unread["layout"] = raw
        result.note("warning", "KS-1215", "layout", "layout should be an object; nodes are placed afresh.")
        return
    places = raw.get("nodes", {})
    kept: dict[str, Any] = {}
    for node_id, place in places.items() if isinstance(places, dict) else ():
        if _is_position(place):
            workflow.positions[node_id] = (place[0], place[1])
        else:
            kept.setdefault("nodes", {})[node_id] = place
            where = f"layout/nodes/{node_id[:80]}"
            result.note("warning", "KS-1215", where, f"The place of {node_id[:80]!r} is not two numbers; kept.")
    if not isinstance(places, dict):
        kept["nodes"] = places
        result.note("warning", "KS-1215", "layout/nodes", "layout.nodes should be an object; it is kept.")
    for key in ("notes", "frames"):
        value = raw.get(key, [])
        if isinstance(value, list):
            setattr(workflow, key, value)
        else:
            kept[key] = value
            result.note("warning", "KS-1215", f"layout/{key}", f"layout.{key} should be a list; it is kept.")
    kept |= {key: value for key, value in raw.items() if key not in {"nodes", "notes", "frames"}}
    if kept:
        workflow.unread["layout"] = kept


def _is_position(place: Any) -> bool:
    return isinstance(place, list) and len(place) == 2 and all(type(v) in (int, float) and abs(v) < 1e7 for v in place)


def join_lines(value: Any) -> Any:
    """The value with ``{"$lines": [...]}`` joined to texts and ``{"$literal": ...}`` unwrapped, throughout."""
    if isinstance(value, list):
        return [join_lines(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        lines = value.get("$lines")
        if isinstance(lines, list) and all(isinstance(line, str) for line in lines):
            return "\n".join(lines)
        if "$literal" in value:
            inner = value["$literal"]
            return {k: join_lines(v) for k, v in inner.items()} if isinstance(inner, dict) else value
    return {key: join_lines(item) for key, item in value.items()}
