"""HTTPRequestNode and its guard against a real server on loopback."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import socket
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes.web_server import Reply, Request, serving

from kailash_studio import WorkflowBuilder
from kailash_studio.errors import HttpError, HttpTimeoutError, HttpUnreachableError, NodeError, ParameterError
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.journal.journal import Journal
from kailash_studio.runtime.outcome import Outcome
from kailash_studio.services import http
from kailash_studio.services.http import HttpClient, is_public, retry_after
from kailash_studio.spec.registry import installed_node_types
from kailash_studio.spec.values import to_plain
from kailash_studio.workflow.validation import validate
from kailash_studio.workflow.workflow import PlacedNode, Workflow

JSON = {"Content-Type": "application/json; charset=utf-8"}


def request(url: str, **parameters: Any) -> dict[str, Any]:
    node = installed_node_types().get("HTTPRequestNode")("call", url=url, **{"allow_private": True, **parameters})
    return dict(asyncio.run(node.async_run()))


def echo(request: Request) -> Reply:
    told = {"method": request.method, "path": request.path, "body": request.body.decode(), **request.headers}
    return 200, JSON, json.dumps(told).encode()


@pytest.mark.parametrize(
    ("headers", "body", "data"),
    [
        (JSON, b'{"a": [1, 2.5, null, "\xc3\xbc"]}', {"a": [1, 2.5, None, "ü"]}),
        ({"Content-Type": "application/problem+json"}, b"[]", []),
        (JSON, b"", ""),
        ({"Content-Type": "text/plain"}, b'{"a": 1}', '{"a": 1}'),
        ({"Content-Type": "text/plain; charset=latin-1"}, b"\xfc", "ü"),
        ({"Content-Type": "image/png"}, b"\x89PNG\xff", b"\x89PNG\xff"),
        ({"Content-Type": "text/plain; charset=klingon"}, b"abc", b"abc"),
        ({}, b"plain", "plain"),
    ],
)
def test_an_answer_becomes_what_it_says_it_is(headers: dict[str, str], body: bytes, data: Any) -> None:
    with serving(lambda request: (200, headers, body)) as server:
        given = request(server.url)
    assert given["data"] == data
    assert given["status"] == 200
    assert given["result"]["data"] == data
    assert given["result"]["url"].rstrip("/") == server.url
    assert given["result"]["seconds"] >= 0


def test_json_that_is_none_is_said() -> None:
    with serving(lambda request: (200, JSON, b"{oops")) as server, pytest.raises(NodeError, match=r"call: .*is not:"):
        request(server.url)


@pytest.mark.parametrize(
    ("body", "sent", "kind"),
    [
        ("a text", "a text", None),
        ({"a": [1]}, '{"a":[1]}', "application/json"),
        ([], "[]", "application/json"),
        (0, "0", "application/json"),
        (False, "false", "application/json"),
        (
            [{"value": Decimal("1.10"), "day": dt.date(2024, 2, 29)}],  # as rows of a database come
            '[{"value":1.1,"day":"2024-02-29"}]',
            "application/json",
        ),
    ],
)
def test_a_body_is_sent_as_text_or_json(body: Any, sent: str, kind: str | None) -> None:
    with serving(echo) as server:
        told = request(server.url, method="POST", body=body)["data"]
    assert told["body"] == sent
    assert told.get("Content-Type") == kind


def test_query_and_headers_are_sent_and_a_secret_is_put_in() -> None:
    builder = WorkflowBuilder()
    with serving(echo) as server:
        headers = {"Authorization": {"$secret": "token"}, "X-A": "1"}
        query = {"q": "a b&c", "n": 2, "many": ["x", "y"], "price": Decimal("1.10")}
        builder.add_node(
            "HTTPRequestNode", "call", url=f"{server.url}/p", headers=headers, query=query, allow_private=True
        )

        async def work() -> Outcome:
            return (await AsyncLocalRuntime(secret=lambda name: f"the {name}").run(builder))[0]

        outcome = asyncio.run(work())
    told = outcome.results["call"]["data"]
    assert told["Authorization"] == "the token"
    assert told["X-A"] == "1"
    assert httpx.URL(told["path"]).params.multi_items() == [
        ("q", "a b&c"), ("n", "2"), ("many", "x"), ("many", "y"), ("price", "1.10"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("parameters", "places"),
    [
        ({"url": "https://user:hunter22-x@api.example.com/a"}, {"url": "hunter22-x"}),
        ({"url": "https://ghp_0123456789@api.example.com/a"}, {"url": "ghp_0123456789"}),
        ({"url": "https://api.example.com/a?q=1&api_key=k-0123456789"}, {"url": "k-0123456789"}),
        ({"headers": {"Authorization": "Bearer abcdefgh", "X-A": "1"}}, {"headers/Authorization": "abcdefgh"}),
        ({"headers": {"x-api-key": "abcdefgh"}, "query": {"token": "t-0123"}},
         {"headers/x-api-key": "abcdefgh", "query/token": "t-0123"}),
        ({"headers": {"Authorization": {"$secret": "t"}}, "query": {"page_token": "abc", "max_tokens": 3}}, {}),
        ({"url": {"$secret": "address"}, "headers": {"$parameter": "h"}}, {}),
    ],
)  # fmt: skip
def test_validation_warns_of_credentials_in_clear(parameters: dict[str, Any], places: dict[str, str]) -> None:
    registry = installed_node_types()
    assert dict(registry.get("HTTPRequestNode").clear_secrets_of(parameters)) == places
    workflow = Workflow(parameters={"h": {"type": "object", "default": {}}})
    workflow.nodes["call"] = PlacedNode("HTTPRequestNode", parameters={"url": "https://api.example.com", **parameters})
    found = validate(workflow, registry)
    assert [(f.severity, f.code, f.place) for f in found] == [
        ("warning", "KS-1238", f"nodes/call/parameters/{place}") for place in places
    ]
    for finding in found:
        assert '{"$secret": "a_name"}' in finding.sentence
        assert not any(value in finding.sentence for value in places.values())


def test_a_credential_in_clear_is_not_in_what_a_run_tells(tmp_path: Path) -> None:
    """Sent as it is, and hidden in outputs that are written down, errors and dead letters, as a secret is."""
    password, token = "hunter22-canary", "t0ken-canary-1"

    def rude(request: Request) -> Reply:
        return (500 if request.path == "/fails" else 200), JSON, json.dumps(dict(request.headers)).encode()

    with serving(rude) as server:
        address = server.url.replace("://", f"://me:{password}@")
        builder = WorkflowBuilder()
        headers = {"X-Token": f"Bearer {token}"}
        for name in ("call", "fails"):
            builder.add_node(
                "HTTPRequestNode", name, url=f"{address}/{name}", headers=headers, query={}, allow_private=True
            )
        builder.add_node("HTTPRequestNode", "away", url=f"http://me:{password}@127.0.0.1:1/", allow_private=True)
        journal = Journal(tmp_path / "journal.db")

        async def work() -> tuple[Outcome, str]:
            async with AsyncLocalRuntime(journal=journal) as runtime:
                return await runtime.run(builder)

        outcome, run_id = asyncio.run(work())
    sent = outcome.results["call"]["data"]
    assert sent["X-Token"] == f"Bearer {token}"
    assert sent["Authorization"].startswith("Basic "), "it was sent"
    assert outcome.results["call"]["result"]["url"] == f"{server.url}/call"
    told = [json.dumps(outcome.redactor.value(to_plain(outcome.results)))]
    told += [f"{error}" for error in outcome.failures.values()]
    told += [str(outcome.redactor.value(dict(letter.inputs))) + letter.error for letter in journal.dead_letters()]
    told += [str(event.details) for event in journal.events(run_id)]
    journal.close()
    assert sorted(outcome.failures) == ["away", "fails"]
    assert "***@127.0.0.1:1/ cannot be reached" in str(outcome.failures["away"])
    for text in told:
        assert password not in text and token not in text, text


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_method_is_the_one_that_is_set(method: str) -> None:
    with serving(echo) as server:
        assert request(server.url, method=method)["data"]["method"] == method


def test_a_head_request_has_no_body() -> None:
    with serving(echo) as server:
        assert request(server.url, method="HEAD")["data"] == ""
    assert [arrived.method for arrived in server.requests] == ["HEAD"]


# ------------------------------------------------------------------------------------------------- refusals
@pytest.mark.parametrize(
    ("status", "permanent"), [(400, True), (404, True), (408, False), (425, False), (429, False), (500, False)]
)
def test_a_status_fails_the_node_unless_told_otherwise(status: int, permanent: bool) -> None:
    with serving(lambda request: (status, {"Retry-After": "3"}, b"because " + b"x" * 500)) as server:
        assert request(server.url, fail_on_status=False)["status"] == status
        with pytest.raises(HttpError) as raised:
            request(server.url)
    assert (raised.value.status, raised.value.permanent, raised.value.retry_after) == (status, permanent, 3.0)
    assert f"call: {server.url[7:]} answers {status}: because x" in str(raised.value)
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize(("size", "fits"), [(2**20, True), (2**20 + 1, False), (5 * 2**20, False)])
def test_an_answer_is_read_up_to_its_limit(size: int, fits: bool) -> None:
    with serving(lambda request: (200, {}, b"a" * size)) as server:
        if fits:
            assert len(request(server.url, max_size=1)["data"]) == size
        else:
            with pytest.raises(HttpError, match="more than 1 MiB") as raised:
                request(server.url, max_size=1)
            assert raised.value.permanent


@pytest.mark.parametrize(
    ("url", "kind", "said"),
    [
        ("ftp://example.com/", ParameterError, None),
        ("http://", HttpError, "is not a web address"),
        ("http://127.0.0.1:99999/", HttpError, "is not a web address"),
        ("http://nobody.invalid/", HttpUnreachableError, "nobody.invalid"),
    ],
)
def test_an_address_that_leads_nowhere_is_named(url: str, kind: type[Exception], said: str | None) -> None:
    if said is None:
        problems = installed_node_types().get("HTTPRequestNode").problems_of({"url": url})
        assert problems == [("url", "url does not start with http:// or https://.")]
        return
    with pytest.raises(kind, match=said) as raised:
        request(url)
    assert str(raised.value).startswith("call: ")


def test_a_query_with_secrets_is_not_in_the_sentence() -> None:
    with socket.socket() as taken:  # bound and not listening: refused
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(HttpUnreachableError) as raised:
            request(f"http://127.0.0.1:{port}/a?token=geheim", query={"key": "geheim"})
    assert "geheim" not in str(raised.value)
    assert f"127.0.0.1:{port}/a" in str(raised.value)


def test_redirects_are_followed_but_not_for_ever() -> None:
    def answer(request: Request) -> Reply:
        hops = int(request.path.strip("/") or 0)
        return (302, {"Location": f"/{hops - 1}"}, b"") if hops else (200, {}, b"there")

    with serving(answer) as server:
        assert request(f"{server.url}/5")["data"] == "there"
        with pytest.raises(HttpError, match="redirect"):
            request(f"{server.url}/6")


# ------------------------------------------------------------------------------------------------- time
def test_a_server_that_does_not_answer_ends_with_the_nodes_timeout_and_is_hung_up_on() -> None:
    answered = threading.Event()

    def hang(request: Request) -> Reply:
        answered.wait(30)
        return 200, {}, b""

    builder = WorkflowBuilder()
    with serving(hang) as server:
        builder.add_node("HTTPRequestNode", "call", url=server.url, allow_private=True)
        builder.configure_timeout("call", 0.3)

        async def work() -> Outcome:
            return (await AsyncLocalRuntime().run(builder))[0]

        outcome = asyncio.run(work())
        answered.set()
    assert isinstance(outcome.failures["call"], TimeoutError)
    assert outcome.seconds < 10


def test_the_clients_own_timeout_is_told_as_one() -> None:
    answered = threading.Event()

    def hang(request: Request) -> Reply:
        answered.wait(30)
        return 200, {}, b""

    async def work(url: str) -> None:
        client = HttpClient(httpx.AsyncClient(timeout=0.1, trust_env=False))
        try:
            await client.request("GET", url, headers={}, query={}, max_bytes=1)
        finally:
            await client.aclose()

    with serving(hang) as server:
        with pytest.raises(HttpTimeoutError, match="did not answer in time") as raised:
            asyncio.run(work(server.url))
        answered.set()
    assert isinstance(raised.value, TimeoutError)
    assert not raised.value.permanent


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120.0), (" 0 ", 0.0), ("", None), ("soon", None), ("-5", None), ("Mon, 01 Jan 2001 00:00:00 GMT", 0.0)],
)
def test_retry_after_is_read_in_both_forms(header: str, seconds: float | None) -> None:
    assert retry_after(header) == seconds


# ------------------------------------------------------------------------------------------------- the guard
@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("127.9.9.9", False),
        ("10.0.0.1", False),
        ("172.31.255.255", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("2002:7f00:1::", False),
    ],
)
def test_an_address_is_public_or_not(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "0", "[::1]"])
def test_no_spelling_of_this_machine_passes_the_guard(host: str) -> None:
    with serving(echo) as server:
        port = server.url.rpartition(":")[2]
        with pytest.raises(HttpError) as raised:
            request(f"http://{host}:{port}/", allow_private=False)
        assert server.requests == []
    assert raised.value.permanent or isinstance(raised.value, HttpUnreachableError)


def test_a_redirect_to_a_private_address_is_refused_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's own address has to count as public here, since no test may leave this machine."""
    real = http.is_public
    monkeypatch.setattr(http, "is_public", lambda address: address == "127.0.0.1" or real(address))
    with socket.create_server(("127.0.0.2", 0)) as inside:
        inside.setblocking(False)
        target = f"http://127.0.0.2:{inside.getsockname()[1]}/secrets"
        with serving(lambda request: (302, {"Location": target}, b"")) as server:
            with pytest.raises(HttpError, match=r"127\.0\.0\.2 is a private address") as raised:
                request(server.url, allow_private=False)
            assert len(server.requests) == 1
        with pytest.raises(BlockingIOError):
            inside.accept()
    assert raised.value.permanent
