"""Vectors of texts from a service that speaks OpenAI's interface: ``POST {address}/embeddings``.

OpenAI, Azure, Ollama, vLLM, LM Studio, llama.cpp and text-embeddings-inference do. Requests are batches, one after the
other; waiting and trying again is the node's retry policy, which gets to know the service's ``Retry-After``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from kailash_studio.errors import HttpError
from kailash_studio.services.http import Answer, HttpClient, retry_after

_MAX_BYTES = 256 * 2**20  # of an answer: 2,048 vectors of 3,072 numbers as text are some 130 MB


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A service and how it is asked.

    Attributes:
        address: Up to the version, such as ``https://api.openai.com/v1``.
        model: The model's name there.
        key: Sent as bearer token; empty for none.
        dimensions: Asked of the service; 0 takes what the model gives.
        batch: Texts in a request.
    """

    address: str
    model: str
    key: str = ""
    dimensions: int = 0
    batch: int = 64


async def embed(client: HttpClient, endpoint: Endpoint, texts: Sequence[str]) -> list[list[float]]:
    """The vectors of texts, in their order.

    Raises:
        HttpError: The service cannot be reached, refuses, or answers with something else than one vector a text.
    """
    vectors: list[list[float]] = []
    for start in range(0, len(texts), endpoint.batch):
        vectors += await _batch(client, endpoint, texts[start : start + endpoint.batch])
    if len({len(vector) for vector in vectors}) > 1:
        raise _strange(endpoint, "its vectors are not all of the same length")
    return vectors


async def _batch(client: HttpClient, endpoint: Endpoint, texts: Sequence[str]) -> list[list[float]]:
    body: dict[str, Any] = {"model": endpoint.model, "input": list(texts), "encoding_format": "float"}
    if endpoint.dimensions:
        body["dimensions"] = endpoint.dimensions
    answer = await client.request(
        "POST",
        f"{endpoint.address.rstrip('/')}/embeddings",
        headers={"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {},
        query={},
        json_body=body,
        max_bytes=_MAX_BYTES,
    )
    if answer.status >= 400:
        raise HttpError(
            f"{_host(endpoint)} answers {answer.status}: {_reason(answer)}",
            status=answer.status,
            retry_after=retry_after(answer.headers.get("retry-after", "")),
        )
    return _vectors(endpoint, answer, len(texts))


def _vectors(endpoint: Endpoint, answer: Answer, count: int) -> list[list[float]]:
    try:
        data = json.loads(answer.body or "")["data"]
        found = {int(item["index"]): [float(number) for number in item["embedding"]] for item in data}
    except (ValueError, TypeError, KeyError):
        raise _strange(endpoint, "it is not the list of vectors of OpenAI's interface") from None
    if sorted(found) != list(range(count)) or len(data) != count:
        raise _strange(endpoint, f"it has {len(data)} vectors for {count} texts")
    vectors = [found[number] for number in range(count)]
    if not all(vector and all(math.isfinite(number) for number in vector) for vector in vectors):
        raise _strange(endpoint, "a vector is empty or holds a number that is not finite")
    if endpoint.dimensions and len(vectors[0]) != endpoint.dimensions:
        raise _strange(
            endpoint,
            f"its vectors have {len(vectors[0]):,} numbers and not the {endpoint.dimensions:,} that were asked for",
        )
    return vectors


def _reason(answer: Answer) -> str:
    """What the service says, from the place where OpenAI's interface has it, or the beginning of the text."""
    try:
        said = json.loads(answer.body or "")["error"]
        said = said["message"] if isinstance(said, dict) else said
    except (ValueError, TypeError, KeyError):
        said = answer.body or "nothing"
    return " ".join(str(said).split())[:200]


def _strange(endpoint: Endpoint, reason: str) -> HttpError:
    return HttpError(f"The answer of {_host(endpoint)} cannot be used: {reason}.", permanent=True)


def _host(endpoint: Endpoint) -> str:
    return urlsplit(endpoint.address).netloc.rpartition("@")[2] or endpoint.address
