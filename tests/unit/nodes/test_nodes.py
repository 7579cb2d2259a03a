"""Each node type on the real thing: files, processes, a web server on loopback, SQLite."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from kailash_studio import LocalRuntime, WorkflowBuilder
from kailash_studio.errors import HttpError, HttpUnreachableError, NodeError, PythonCodeError, StudioError
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.events import Event
from kailash_studio.spec.registry import installed_node_types


def outputs(type_name: str, inputs: dict[str, Any] | None = None, **parameters: Any) -> dict[str, Any]:
    node = installed_node_types().get(type_name)("node", **parameters)
    return dict(asyncio.run(node.async_run(**(inputs or {}))))


# ------------------------------------------------------------------------------------------------- files
def test_csv_keeps_leading_zeros_and_knows_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,name,price,note\n007,"Smith, J.",1.50,\n008,"Line\nbreak",2,x\n', encoding="utf-8")
    rows = outputs("CSVReaderNode", path=str(path))["data"]
    assert [row["id"] for row in rows] == ["007", "008"]
    assert rows[0]["name"] == "Smith, J."
    assert rows[1]["name"] == "Line\nbreak"
    assert [float(row["price"]) for row in rows] == [1.5, 2.0]


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "no such file"), (b"\xff\xfe\x00", "UTF-8"), (b"a,b\n1,2,3\n", "line 2")],
)
def test_a_csv_that_cannot_be_read_names_the_file_and_the_mend(
    content: bytes | None, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "odd.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StudioError) as raised:
        outputs("CSVReaderNode", path=str(path))
    assert "odd.csv" in str(raised.value)
    assert said.lower() in str(raised.value).lower()


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_what_is_written_is_read_again_and_never_half(suffix: str, tmp_path: Path) -> None:
    rows = [{"name": 'ä, "b"', "n": 1, "price": Decimal("1.10"), "day": date(2024, 2, 29)}, {"name": "x", "n": None}]
    path = tmp_path / f"out.{suffix}"
    given = outputs("FileWriterNode", {"data": rows}, path=str(path))
    assert Path(given["file"]) == path
    if suffix == "csv":
        read = outputs("CSVReaderNode", path=str(path))["data"]
        assert [row["name"] for row in read] == ['ä, "b"', "x"]
        assert str(read[0]["price"]) in {"1.10", "1.1"}
    else:
        read = json.loads(path.read_text(encoding="utf-8"))
        assert read[0]["name"] == 'ä, "b"'
    before = path.read_bytes()
    with pytest.raises(StudioError, match="there already"):
        outputs("FileWriterNode", {"data": rows[:1]}, path=str(path), if_exists="fail")
    if suffix == "csv":
        with pytest.raises(StudioError, match="CSV takes rows"):
            outputs("FileWriterNode", {"data": [{"a": 1}, 5]}, path=str(path))
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name], "nothing temporary is left"


# ------------------------------------------------------------------------------------------------- Python
def python(code: str, sandbox: str = "light", **inputs: Any) -> Any:
    return outputs("PythonCodeNode", inputs, code=code, sandbox=sandbox)["result"]


@pytest.mark.parametrize("sandbox", ["light", "full"])
def test_values_go_in_and_come_out_as_they_are(sandbox: str) -> None:
    value = {"rows": [{"a": 1, "b": 2.5, "c": None, "d": True, "e": "ü"}]}
    assert python("def same(x): return {'result': x}", sandbox, x=value) == value


def test_full_python_keeps_decimals_and_dates() -> None:
    value = [Decimal("1.10"), date(2024, 2, 29), b"\x00\xff"]
    assert python("def same(x): return x", "full", x=value) == value


@pytest.mark.parametrize("sandbox", ["light", "full"])
def test_an_error_of_the_users_code_names_its_line(sandbox: str) -> None:
    with pytest.raises(PythonCodeError, match=r"line 3: .*division by zero"):
        python("def f(x):\n    y = 0\n    return x / y\n", sandbox, x=1)


@pytest.mark.parametrize(
    "code", ["def f(): return open('/etc/passwd').read()", "def f():\n    import socket\n    return 1"]
)
def test_light_python_reaches_nothing_outside(code: str) -> None:
    with pytest.raises(PythonCodeError):
        python(code)


@pytest.mark.parametrize("sandbox", ["light", "full"])
def test_endless_code_ends_with_its_timeout(sandbox: str) -> None:
    builder = WorkflowBuilder()
    builder.add_node("PythonCodeNode", "endless", code="def f():\n    while True: pass\n", sandbox=sandbox)
    builder.configure_timeout("endless", 0.5)

    async def work() -> Any:
        outcome, _ = await AsyncLocalRuntime().run(builder)
        return outcome

    outcome = asyncio.run(work())
    assert isinstance(outcome.failures["endless"], TimeoutError)
    assert outcome.seconds < 20


def test_a_worker_that_dies_is_a_failure_of_its_node_and_the_next_call_has_another() -> None:
    builder = WorkflowBuilder()
    builder.add_node("PythonCodeNode", "dies", code="def f():\n    import os\n    os._exit(7)\n", sandbox="full")
    builder.add_node("PythonCodeNode", "lives", code="def f(): return 1", sandbox="full")

    async def work() -> Any:
        return (await AsyncLocalRuntime(max_workers=1).run(builder))[0]

    outcome = asyncio.run(work())
    assert set(outcome.failures) == {"dies"}
    assert isinstance(outcome.failures["dies"], NodeError)
    assert outcome.results["lives"] == {"result": 1}


@pytest.mark.parametrize("sandbox", ["light", "full"])
def test_what_the_code_prints_is_in_the_log(sandbox: str) -> None:
    builder = WorkflowBuilder()
    builder.add_node("PythonCodeNode", "talks", code="def f():\n    print('one')\n    print('two')\n", sandbox=sandbox)
    events: list[Event] = []
    LocalRuntime(on_events=events.extend).execute(builder)
    assert [e.details["text"] for e in events if e.kind == "log_written"] == ["one", "two"]


# ------------------------------------------------------------------------------------------------- HTTP
@pytest.fixture
def server() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = 200, {"Content-Type": "application/json"}, b'{"a": [1, 2]}'
            match self.path.split("?")[0]:
                case "/busy":
                    status, headers = 503, {"Retry-After": "7"}
                case "/gone":
                    status = 410
                case "/large":
                    body = b" " * 3_000_000
                case "/echo":
                    body = json.dumps({"path": self.path, "x": self.headers.get("X-Test")}).encode()
                case "/elsewhere":
                    status, headers, body = 302, {"Location": "/json"}, b""
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(201)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()
    thread.join()


def test_http_reads_json_follows_redirects_and_sends_what_is_set(server: str) -> None:
    assert outputs("HTTPRequestNode", url=f"{server}/json", allow_private=True)["data"] == {"a": [1, 2]}
    assert outputs("HTTPRequestNode", url=f"{server}/elsewhere", allow_private=True)["status"] == 200
    echo = outputs(
        "HTTPRequestNode", url=f"{server}/echo", query={"q": "a b"}, headers={"X-Test": "1"}, allow_private=True
    )
    assert echo["data"]["x"] == "1"
    assert echo["data"]["path"] in {"/echo?q=a+b", "/echo?q=a%20b"}
    posted = outputs("HTTPRequestNode", url=f"{server}/x", method="POST", body={"n": 1}, allow_private=True)
    assert (posted["status"], posted["data"]) == (201, {"n": 1})


def test_http_says_whether_another_try_can_help(server: str) -> None:
    with pytest.raises(HttpError, match="503") as busy:
        outputs("HTTPRequestNode", url=f"{server}/busy", allow_private=True)
    assert (busy.value.permanent, busy.value.retry_after) == (False, 7.0)
    with pytest.raises(HttpError, match="410") as gone:
        outputs("HTTPRequestNode", url=f"{server}/gone", allow_private=True)
    assert gone.value.permanent
    with pytest.raises(HttpUnreachableError) as nobody:
        outputs("HTTPRequestNode", url="http://127.0.0.1:9/", allow_private=True)
    assert isinstance(nobody.value, ConnectionError)
    assert not nobody.value.permanent


def test_http_refuses_private_addresses_and_large_answers(server: str) -> None:
    for url in (server, "http://localhost/", "http://169.254.169.254/latest", "http://[::1]/"):
        with pytest.raises(HttpError, match="private") as refused:
            outputs("HTTPRequestNode", url=url)
        assert refused.value.permanent
    with pytest.raises(HttpError, match="more than 1 MiB"):
        outputs("HTTPRequestNode", url=f"{server}/large", allow_private=True, max_size=1)


# ------------------------------------------------------------------------------------------------- SQLite
def test_sqlite_binds_values_and_keeps_changes(tmp_path: Path) -> None:
    def sql(query: str, *params: Any, **further: Any) -> dict[str, Any]:
        return outputs(
            "AsyncSQLDatabaseNode", database_type="sqlite", database=str(tmp_path / "a.db"), query=query,
            params=list(params), **further,
        )  # fmt: skip

    sql("CREATE TABLE t (a INTEGER, b TEXT)", fetch_mode="none")
    assert sql("INSERT INTO t VALUES ($1, $2), (2, 'y')", 1, "x'; DROP TABLE t; --")["row_count"] == 2
    assert sql("SELECT b FROM t WHERE a = $1", 1)["data"] == [{"b": "x'; DROP TABLE t; --"}]
    assert sql("SELECT a, a FROM t ORDER BY a", fetch_mode="one")["data"] == [{"a": 1, "a_2": 1}]
    with pytest.raises(StudioError, match="syntax") as wrong:
        sql("SELEKT 1")
    assert wrong.value.permanent
