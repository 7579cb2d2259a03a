"""Hostile and broken workflow files by hand: a name, the bytes, and what must come of them."""

from __future__ import annotations

import json
from typing import Any, Literal, NamedTuple

Expected = Literal["refused", "findings", "fine"]


class Hostile(NamedTuple):
    """One file.

    Attributes:
        name: What is wrong with it.
        data: Its bytes.
        expected: ``refused``: one DocumentError; ``findings``: it opens, with findings; ``fine``: nothing to say
            about the file itself.
        code: A finding's code that must be among them.
    """

    name: str
    data: bytes
    expected: Expected
    code: str = ""


def document(**changes: Any) -> dict[str, Any]:
    """A good file with three nodes, changed."""
    good: dict[str, Any] = {
        "format": "kailash-studio/workflow",
        "version": 1,
        "name": "good",
        "nodes": {
            "read": {"type": "CSVReaderNode", "type_version": 1, "parameters": {"path": "a.csv"}},
            "code": {"type": "PythonCodeNode", "type_version": 1, "parameters": {"code": "def f(rows): return rows"}},
            "show": {"type": "TableViewNode", "type_version": 1},
        },
        "connections": [{"from": "read.data", "to": "code.rows"}, {"from": "code.result", "to": "show.rows"}],
        "layout": {"nodes": {"read": [0, 0], "code": [300, 0], "show": [600, 0]}, "notes": [], "frames": []},
    }
    return {**good, **changes}


def text(**changes: Any) -> bytes:
    return json.dumps(document(**changes)).encode()


def node(**fields: Any) -> bytes:
    """A file with one node of these fields, and no connections."""
    return text(nodes={"a": {"type": "PythonCodeNode", **fields}}, connections=[], layout={})


def code(source: str) -> bytes:
    return node(parameters={"code": source})


HEAD = b'{"format": "kailash-studio/workflow", "version": 1, '
DEEP = 100_000

CORPUS: tuple[Hostile, ...] = (
    # ------------------------------------------------------------------ not a workflow at all
    Hostile("empty", b"", "refused"),
    Hostile("blanks", b" \n\t ", "refused"),
    Hostile("a NUL", b"\0", "refused"),
    Hostile("random bytes", bytes(range(256)), "refused"),
    Hostile("UTF-16", json.dumps(document()).encode("utf-16"), "refused"),
    Hostile("Latin-1", json.dumps(document(name="caf\xe9"), ensure_ascii=False).encode("latin-1"), "refused"),
    Hostile("cut short", text()[:-20], "refused"),
    Hostile("something behind it", text() + b" {}", "refused"),
    Hostile("an array", b"[]", "refused"),
    Hostile("a number", b"1", "refused"),
    Hostile("a string", b'"kailash-studio/workflow"', "refused"),
    Hostile("null", b"null", "refused"),
    Hostile("no format", b'{"version": 1}', "refused"),
    Hostile("another format", b'{"format": "nodegraphqt", "version": 1}', "refused"),
    Hostile("no version", b'{"format": "kailash-studio/workflow"}', "refused"),
    Hostile("version 0", text(version=0), "refused"),
    Hostile("a negative version", text(version=-1), "refused"),
    Hostile("version as text", text(version="1"), "refused"),
    Hostile("version true", text(version=True), "refused"),
    Hostile("version 1.0", text(version=1.0), "refused"),
    Hostile("single quotes", b"{'format': 'kailash-studio/workflow'}", "refused"),
    Hostile("a comment", b"// hello\n" + text(), "refused"),
    Hostile("a trailing comma", text()[:-1] + b",}", "refused"),
    Hostile(
        "a pickle",
        b"\x80\x04\x95\x1c\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
        "refused",
    ),
    Hostile("YAML that would run", b"!!python/object/apply:os.system ['true']", "refused"),
    Hostile("XML with an entity bomb", b'<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>', "refused"),
    Hostile("a ZIP", b"PK\x03\x04" + b"\0" * 40, "refused"),
    # ------------------------------------------------------------------ JSON as a weapon
    Hostile("duplicate keys", HEAD + b'"name": "a", "name": "b"}', "refused"),
    Hostile("duplicate nodes", HEAD + b'"nodes": {"a": {"type": "X"}, "a": {"type": "Y"}}}', "refused"),
    Hostile("NaN", HEAD + b'"x": NaN}', "refused"),
    Hostile("Infinity", HEAD + b'"x": -Infinity}', "refused"),
    Hostile("1e999", HEAD + b'"x": 1e999}', "refused"),
    Hostile("a number of 100,000 digits", HEAD + b'"x": ' + b"9" * 100_000 + b"}", "refused"),
    Hostile("deep arrays", HEAD + b'"x": ' + b"[" * DEEP + b"]" * DEEP + b"}", "refused"),
    Hostile("deep objects", HEAD + b'"x": ' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}", "refused"),
    Hostile("65 levels", HEAD + b'"x": ' + b"[" * 65 + b"]" * 65 + b"}", "refused"),
    Hostile("60 levels", HEAD + b'"x": ' + b"[" * 60 + b"]" * 60 + b"}", "findings", "KS-1212"),
    Hostile("a lone surrogate", HEAD + b'"name": "\\ud800"}', "refused"),
    Hostile("16 MB", HEAD + b'"name": "' + b"a" * 16_000_000 + b'"}', "refused"),
    Hostile("16 MB of brackets", b"[" * 16_000_000, "refused"),
    Hostile("a name of 2 MB", text(name="a" * 2_000_000), "refused"),
    # ------------------------------------------------------------------ sections of the wrong shape
    Hostile("nodes as a list", text(nodes=[]), "refused"),
    Hostile("nodes null", text(nodes=None), "refused"),
    Hostile("connections as an object", text(connections={}), "refused"),
    Hostile("connections of numbers", text(connections=[1, 2]), "findings"),
    Hostile("layout as text", text(layout="left"), "findings"),
    Hostile("parameters as a list", text(parameters=[1]), "findings"),
    Hostile("name as a number", text(name=5), "findings"),
    Hostile("a node as text", text(nodes={"a": "PythonCodeNode"}, connections=[]), "findings"),
    Hostile("a node without a type", text(nodes={"a": {}}, connections=[]), "findings"),
    Hostile("a type that is a number", text(nodes={"a": {"type": 5}}, connections=[]), "findings"),
    Hostile("parameters of a node as text", node(parameters="x"), "findings"),
    Hostile("type_version as text", node(type_version="1"), "findings"),
    Hostile("a node id with a slash", text(nodes={"a/b": {"type": "PythonCodeNode"}}, connections=[]), "findings"),
    Hostile("a node id with dots", text(nodes={"../x": {"type": "PythonCodeNode"}}, connections=[]), "findings"),
    Hostile("an empty node id", text(nodes={"": {"type": "PythonCodeNode"}}, connections=[]), "findings"),
    Hostile("a node id of 1,000 letters", text(nodes={"a" * 1000: {"type": "X"}}, connections=[]), "findings"),
    Hostile("a place that is text", text(layout={"nodes": {"read": "left"}}), "findings"),
    Hostile("a place far away", text(layout={"nodes": {"read": [1e300, 0]}}), "findings"),
    Hostile("a place with three numbers", text(layout={"nodes": {"read": [1, 2, 3]}}), "findings"),
    # ------------------------------------------------------------------ what cannot run
    Hostile("an unknown node type", node().replace(b"PythonCodeNode", b"os.system"), "findings", "KS-1220"),
    Hostile("a node type as a path", node().replace(b"PythonCodeNode", b"../../etc/passwd"), "findings", "KS-1220"),
    Hostile("a newer node type", node(type_version=99), "findings", "KS-1221"),
    Hostile("a newer format", text(version=2), "findings", "KS-1210"),
    Hostile("an unknown parameter", node(parameters={"code": "def f(): return 1", "evil": 1}), "findings", "KS-1222"),
    Hostile("a parameter of a wrong type", node(parameters={"memory_limit": "much"}), "findings", "KS-1222"),
    Hostile("an unknown policy", node(resilience={"magic": 1}), "findings", "KS-1229"),
    Hostile("a policy out of range", node(resilience={"timeout": -1}), "findings", "KS-1229"),
    Hostile("a retry without end", node(resilience={"retry": {"max_retries": 10**9}}), "findings", "KS-1229"),
    Hostile(
        "a condition that is no expression",
        node(resilience={"retry": {"retry_if": "import os"}}),
        "findings",
        "KS-1229",
    ),
    Hostile("its own fallback", node(resilience={"fallback": "a"}), "findings", "KS-1232"),
    Hostile("a fallback that is not there", node(resilience={"fallback": "b"}), "findings", "KS-1232"),
    Hostile(
        "fallbacks in a circle",
        text(
            nodes={
                "a": {"type": "PythonCodeNode", "resilience": {"fallback": "b"}},
                "b": {"type": "PythonCodeNode", "resilience": {"fallback": "a"}},
            },
            connections=[],
        ),
        "findings",
        "KS-1233",
    ),
    Hostile(
        "a connection from nowhere", text(connections=[{"from": "x.data", "to": "code.rows"}]), "findings", "KS-1224"
    ),
    Hostile(
        "a connection to no port", text(connections=[{"from": "read.data", "to": "show.evil"}]), "findings", "KS-1225"
    ),
    Hostile("a connection without an end", text(connections=[{"from": "read.data"}]), "findings"),
    Hostile("an end without a port", text(connections=[{"from": "read", "to": "show"}]), "findings"),
    Hostile("a connection twice", text(connections=[{"from": "read.data", "to": "show.rows"}] * 2), "findings"),
    Hostile(
        "a circle",
        text(
            nodes={
                "a": {"type": "PythonCodeNode", "parameters": {"code": "def f(x): return x"}},
                "b": {"type": "PythonCodeNode", "parameters": {"code": "def f(x): return x"}},
            },
            connections=[{"from": "a.result", "to": "b.x"}, {"from": "b.result", "to": "a.x"}],
        ),
        "findings",
        "KS-1227",
    ),
    Hostile(
        "a secret in clear",
        text(
            nodes={
                "a": {
                    "type": "AsyncSQLDatabaseNode",
                    "parameters": {"query": "SELECT 1", "connection": "details", "password": "hunter2"},
                }
            },
            connections=[],
        ),
        "findings",
    ),
    Hostile("a reference to no parameter", node(parameters={"code": {"$parameter": "absent"}}), "findings"),
    # ------------------------------------------------------------------ code that must not run
    Hostile("code with an effect at its top", code("open('/tmp/x', 'w')\ndef f(): return 1"), "fine"),
    Hostile("code with an effect in a default", code("def f(x=__import__('os').system('true')): return x"), "fine"),
    Hostile("code with a decorator", code("@__import__('os').system\ndef f(): return 1"), "fine"),
    Hostile("code with an annotation", code("def f(x: __import__('os').abort()): return x"), "fine"),
    Hostile("code that is no Python", code("rm -rf /"), "findings", "KS-1222"),
    Hostile("code with a NUL", code("def f():\0 return 1"), "findings", "KS-1222"),
    Hostile("code of 100,000 brackets", code("(" * 100_000), "findings", "KS-1222"),
    Hostile(
        "code nested too deep for the parser", code("def f(): return " + "-" * 50_000 + "1"), "findings", "KS-1222"
    ),
    # ------------------------------------------------------------------ odd but allowed
    Hostile("a byte order mark", b"\xef\xbb\xbf" + text(), "fine"),
    Hostile("CRLF", json.dumps(document(), indent=1).replace("\n", "\r\n").encode(), "fine"),
    Hostile("nothing but the head", b'{"format": "kailash-studio/workflow", "version": 1}', "fine"),
    Hostile(
        "unknown fields",
        text(comment="kept", nodes={"a": {"type": "TableViewNode", "color": "red"}}, connections=[]),
        "findings",
        "KS-1212",
    ),
    Hostile("markup in the name", text(name="<img src=x onerror=alert(1)>"), "fine"),
    Hostile("control characters in the name", text(name="\u202egnp.exe\u0007"), "fine"),
    Hostile("dunder names", text(**{"__class__": {"__init__": "x"}}), "findings", "KS-1212"),
)
