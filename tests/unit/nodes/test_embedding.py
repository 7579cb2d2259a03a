"""EmbeddingNode: offline, and against a real server on loopback that speaks OpenAI's interface."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from fakes.web_server import Reply, Request, serving

from kailash_studio import WorkflowBuilder
from kailash_studio.errors import HttpError, HttpUnreachableError, NodeError, ParameterError
from kailash_studio.runtime.async_local import AsyncLocalRuntime
from kailash_studio.runtime.local import LocalRuntime
from kailash_studio.services.embeddings.hashing import embed
from kailash_studio.spec.registry import installed_node_types

JSON = {"Content-Type": "application/json"}


def run(inputs: dict[str, Any] | None = None, **parameters: Any) -> dict[str, Any]:
    node = installed_node_types().get("EmbeddingNode")("embed", **parameters)
    return dict(asyncio.run(node.async_run(**(inputs or {}))))


def openai(change: Callable[[dict[str, Any]], Any] = lambda body: body) -> Callable[[Request], Reply]:
    """Vectors of the texts' lengths, in reversed order, as the interface allows."""

    def answer(request: Request) -> Reply:
        body = json.loads(request.body)
        size = body.get("dimensions", 3)
        data = [
            {"object": "embedding", "index": index, "embedding": [float(len(text))] * size}
            for index, text in reversed(list(enumerate(body["input"])))
        ]
        return 200, JSON, json.dumps(change({"object": "list", "data": data, "model": body["model"]})).encode()

    return answer


def remote(url: str, **parameters: Any) -> dict[str, Any]:
    return {"method": "endpoint", "endpoint": f"{url}/v1", "allow_private": True, "dimensions": 3, **parameters}


def test_rows_come_back_with_their_vectors() -> None:
    rows = [{"id": 1, "title": "A", "content": "net asset value"}, {"id": 2, "title": "B", "content": None}]
    given = run({"rows": rows}, text_fields=["title", "content"], dimensions=16)
    assert given["data"] == [
        {**rows[0], "vector": embed(["A\nnet asset value"], 16)[0]},
        {**rows[1], "vector": embed(["B"], 16)[0]},
    ]
    assert given["vectors"] == [row["vector"] for row in given["data"]]
    assert given["vector"] == given["vectors"][0]
    assert given["size"] == 16
    assert "vector" not in rows[0]


def test_a_question_has_a_vector_of_its_own() -> None:
    given = run(text="net value")
    assert given["vector"] == embed(["net value"], 384)[0]
    assert given["data"] == given["vectors"] == []
    both = run({"rows": ["one", "two"]}, text="net value")
    assert both["vector"] == given["vector"]
    assert [row["content"] for row in both["data"]] == ["one", "two"]
    many = run({"rows": [f"text {number}" for number in range(50)]})
    assert many["vectors"] == embed([f"text {number}" for number in range(50)], 384)
    assert run({"rows": []})["vector"] == []


@pytest.mark.parametrize(
    ("inputs", "parameters", "kind", "said"),
    [
        ({}, {}, NodeError, "embed: there is nothing to embed"),
        ({"rows": [{"text": "x"}]}, {}, NodeError, "embed: row 1 has no column 'content', only text: mend text_fields"),
        ({"rows": ["x", 5]}, {}, NodeError, "embed: row 2 is int"),
        ({"rows": ["x"]}, {"dimensions": 0}, ParameterError, "hashing needs dimensions"),
    ],
)
def test_what_cannot_be_embedded_is_named(inputs: Any, parameters: Any, kind: Any, said: str) -> None:
    with pytest.raises(kind, match=said):
        run(inputs, **parameters)


def test_a_service_is_asked_in_batches_and_its_order_is_kept() -> None:
    texts = ["a" * number for number in range(1, 8)]
    with serving(openai()) as server:
        given = run({"rows": texts}, **remote(server.url, batch_size=3, model_name="m", api_key="geheim"))
    assert given["vectors"] == [[float(number)] * 3 for number in range(1, 8)]
    assert [json.loads(request.body)["input"] for request in server.requests] == [texts[:3], texts[3:6], texts[6:]]
    first = server.requests[0]
    assert (first.method, first.path, first.headers["Authorization"]) == ("POST", "/v1/embeddings", "Bearer geheim")
    assert json.loads(first.body) == {"model": "m", "input": texts[:3], "encoding_format": "float", "dimensions": 3}


def test_without_a_key_and_dimensions_none_are_sent() -> None:
    with serving(openai()) as server:
        given = run(text="four", **remote(server.url + "/", dimensions=0))
    assert given["vector"] == [4.0, 4.0, 4.0]
    assert "Authorization" not in server.requests[0].headers
    assert "dimensions" not in json.loads(server.requests[0].body)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda body: {"data": body["data"][:1]}, "it has 1 vectors for 2 texts"),
        (lambda body: {"data": [body["data"][0]] * 2}, "it has 2 vectors for 2 texts"),
        (lambda body: {"vectors": []}, "it is not the list of vectors"),
        (lambda body: [], "it is not the list of vectors"),
        (lambda body: {"data": [{**item, "embedding": "abc"} for item in body["data"]]}, "it is not the list"),
        (lambda body: {"data": [{**item, "embedding": []} for item in body["data"]]}, "a vector is empty"),
        (
            lambda body: {"data": [{**item, "embedding": [1.0]} for item in body["data"]]},
            "have 1 numbers and not the 3",
        ),
        (lambda body: {"data": [{**item, "embedding": [float("inf")] * 3} for item in body["data"]]}, "not finite"),
    ],
)
def test_an_answer_that_is_something_else_is_not_used(answer: Any, said: str) -> None:
    with serving(openai(answer)) as server, pytest.raises(HttpError, match=said) as raised:
        run({"rows": ["a", "b"]}, **remote(server.url))
    assert raised.value.permanent
    assert str(raised.value).startswith(f"embed: The answer of {server.url[7:]} cannot be used")


@pytest.mark.parametrize(
    ("status", "body", "said", "permanent"),
    [
        (401, b'{"error": {"message": "Incorrect API key"}}', "answers 401: Incorrect API key", True),
        (404, b'{"error": "model \\"x\\" not found"}', 'answers 404: model "x" not found', True),
        (429, b"slow down", "answers 429: slow down", False),
        (500, b"", "answers 500: nothing", False),
    ],
)
def test_a_refusal_says_what_the_service_said(status: int, body: bytes, said: str, permanent: bool) -> None:
    with serving(lambda request: (status, {"Retry-After": "7"}, body)) as server, pytest.raises(HttpError) as raised:
        run(text="a", **remote(server.url, api_key="geheim"))
    assert said in str(raised.value)
    assert "geheim" not in str(raised.value)
    assert (raised.value.permanent, raised.value.retry_after) == (permanent, 7.0)


def test_a_private_address_is_refused_unless_allowed_and_a_dead_one_is_named() -> None:
    with serving(openai()) as server:
        with pytest.raises(HttpError, match=r"127\.0\.0\.1 is a private address"):
            run(text="a", **remote(server.url, allow_private=False))
        assert server.requests == []
    with pytest.raises(HttpUnreachableError, match="cannot be reached"):
        run(text="a", **remote("http://127.0.0.1:9"))


def test_the_policy_tries_again_where_the_service_was_busy() -> None:
    refusals = [429, 503]
    inner = openai()

    def answer(request: Request) -> Reply:
        return (refusals.pop(), {}, b"busy") if refusals else inner(request)

    with serving(answer) as server:
        builder = WorkflowBuilder()
        builder.add_node("EmbeddingNode", "embed", text="four", **remote(server.url))
        builder.configure_retry("embed", max_retries=3, strategy="immediate")
        results, _ = LocalRuntime().execute(builder)
    assert results["embed"]["vector"] == [4.0, 4.0, 4.0]
    assert len(server.requests) == 3


def test_what_it_touches_and_what_is_wrong_with_it_is_known_before() -> None:
    node_type = installed_node_types().get("EmbeddingNode")
    assert node_type.effects_of({}) == []
    assert node_type.effects_of({"method": "endpoint"}) == ["sends texts to api.openai.com"]
    assert node_type.effects_of({"method": "endpoint", "endpoint": "http://u:p@h:1/v1"}) == ["sends texts to h:1"]
    assert node_type.problems_of({"dimensions": 0})[0][0] == "dimensions"
    assert node_type.problems_of({"method": "endpoint", "endpoint": "ftp://x"})[0][0] == "endpoint"
    assert node_type.problems_of({"method": "endpoint"}) == []


@pytest.mark.parametrize(
    ("parameters", "inputs", "said"),
    [
        ({"text": "What is it?"}, {}, "The text has no word that counts"),
        ({}, {"rows": ["gold", "???", "of the"]}, "2 of 3 texts have no word that counts"),
        ({"text": "gold"}, {}, ""),
    ],
)
def test_texts_without_a_word_that_counts_are_told(parameters: Any, inputs: Any, said: str) -> None:
    builder = WorkflowBuilder()
    builder.add_node("EmbeddingNode", "embed", **parameters)
    lines: list[str] = []

    async def work() -> None:
        def keep(events: Any) -> None:
            lines.extend(event.details["text"] for event in events if event.kind == "log_written")

        await AsyncLocalRuntime(on_events=keep).execute(builder, parameters={"embed": inputs})

    asyncio.run(work())
    assert [line.startswith(said) for line in lines] == ([True] if said else [])
