"""EmbeddingNode."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

from kailash_studio.errors import HttpError, NodeError, ParameterError
from kailash_studio.services.embeddings import endpoint, hashing
from kailash_studio.services.http import HttpClient
from kailash_studio.spec.context import Outputs, RunContext
from kailash_studio.spec.node import Effect, Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import DataType, Input, Number, Output, Table

_ENDPOINT = ("method", ("endpoint",))
_INLINE = 8  # texts that are hashed without a thread


class EmbeddingNode(Node):
    """Turn texts into vectors, for search by meaning.

    ``hashing`` needs no network and no model: words, pairs of words and parts of words are hashed into the vector. It
    finds texts that share words or parts of words with the question, not texts that say the same in other words. More
    dimensions keep more words apart: 384 do for short texts, 2,000 find more in documents. Its formula is written in
    docs/vectors.md and never changes, so stored vectors stay valid.

    ``endpoint`` asks a service that speaks OpenAI's interface (OpenAI, Azure, Ollama, vLLM, llama.cpp), in batches, and
    finds meaning. Stored texts and questions must go through the same model with the same number of dimensions.

    Connect rows to get them back with a ``vector`` each, ready for AsyncPostgreSQLVectorNode's operation upsert; set or
    connect ``text`` to get the vector of a question, ready for its operation search.

    A text without any word that counts (``What is it?``) gets a vector of zeros, which is near to nothing; the run's
    log says so.

    Example: text ``What may a junior trader do alone?``, and ``vector`` connected to the search's ``vector``.

    Errors: a row without the text, a service that cannot be reached or refuses, an answer that holds something else
    than one vector for each text.
    """

    category = "AI"
    icon = "hash"
    keywords = ("vector", "semantic", "openai", "similarity", "text", "model")

    text: str = Parameter("", doc="A text of its own, such as a question.", editor="multiline", port=True)
    text_fields: list[str] = Parameter(
        ["content"], min_length=1, doc="Columns of the rows that make up the text, in this order."
    )
    method: Literal["hashing", "endpoint"] = Parameter("hashing", doc="Hashed words (offline), or a service.")
    dimensions: int = Parameter(
        384, ge=0, le=16_000, doc="Numbers in a vector; 0 takes what the service's model gives.", unit="numbers"
    )
    endpoint: str = Parameter(
        "https://api.openai.com/v1", doc="Address of the service, up to its version.", shown_when=_ENDPOINT
    )
    model_name: str = Parameter("text-embedding-3-small", doc="The model's name there.", shown_when=_ENDPOINT)
    api_key: str = Parameter("", doc="Name of the secret with the key.", secret=True, shown_when=_ENDPOINT)
    batch_size: int = Parameter(64, ge=1, le=2048, unit="texts", doc="Texts in a request.", shown_when=_ENDPOINT)
    allow_private: bool = Parameter(
        False, doc="May call private addresses: a model on this machine or the local network.", shown_when=_ENDPOINT
    )

    rows = Input(Table, "Rows with texts, or a list of texts.", required=False)

    data = Output(Table, "The rows, each with its vector under vector.")
    vector = Output(DataType.LIST, "The vector of text, or of the first row where there is no text.")
    vectors = Output(DataType.LIST, "The vectors of the rows.")
    size = Output(Number, "Numbers in each vector.")

    @classmethod
    def effect_of(cls, parameters: Mapping[str, Any]) -> Effect:
        """A service answers, or nothing but this program."""
        return "pure" if parameters.get("method", "hashing") == "hashing" else "reads"

    @classmethod
    def effects_of(cls, parameters: Mapping[str, Any]) -> list[str]:
        """Sends texts to a service, unless they are hashed here."""
        if parameters.get("method", "hashing") == "hashing":
            return []
        address = parameters.get("endpoint", cls.declarations["endpoint"].default)
        host = urlsplit(address).netloc.rpartition("@")[2] if isinstance(address, str) else ""
        return [f"sends texts to {host or 'a host that a parameter names'}"]

    @classmethod
    def problems_of(cls, parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Hashing without dimensions, a service whose address is none."""
        if parameters.get("method", "hashing") == "hashing":
            if parameters.get("dimensions") == 0:
                return [("dimensions", "dimensions is 0: hashing needs a number, for example 384.")]
            return []
        address = parameters.get("endpoint")
        if isinstance(address, str) and urlsplit(address).scheme not in {"http", "https"}:
            return [("endpoint", "endpoint does not start with http:// or https://.")]
        return []

    async def run(self, context: RunContext) -> Outputs:
        """Embed the texts; rows come back with their vectors."""
        rows: Sequence[Any] = context.inputs.get("rows") or []
        if not self.text.strip() and "rows" not in context.inputs:
            raise NodeError(f"{context.node_id}: there is nothing to embed: set text, or connect rows.")
        texts = [self._text_of(row, number, context.node_id) for number, row in enumerate(rows, 1)]
        asked = [self.text, *texts] if self.text.strip() else texts
        vectors = await self._embedded(asked, context)
        if self.method == "hashing":
            self._warn_of_empty(vectors, context)
        first = vectors[0] if vectors else []
        of_rows = vectors[1:] if self.text.strip() else vectors
        data = [
            {**({"content": row} if isinstance(row, str) else row), "vector": vector}
            for row, vector in zip(rows, of_rows, strict=True)
        ]
        return {"data": data, "vector": first, "vectors": of_rows, "size": len(first)}

    def _warn_of_empty(self, vectors: Sequence[Sequence[float]], context: RunContext) -> None:
        empty = sum(not any(vector) for vector in vectors)
        if empty:
            which = "The text has" if len(vectors) == 1 else f"{empty:,} of {len(vectors):,} texts have"
            context.log(
                f"{which} no word that counts (what, is and the like do not): a vector of zeros is near to nothing.",
                "warning",
            )

    def _text_of(self, row: Any, number: int, node_id: str) -> str:
        if isinstance(row, str):
            return row
        if not isinstance(row, Mapping):
            raise NodeError(f"{node_id}: row {number} is {type(row).__name__}, neither a text nor a record.")
        missing = [name for name in self.text_fields if name not in row]
        if missing:
            has = ", ".join(str(name) for name in row) or "nothing"
            raise NodeError(f"{node_id}: row {number} has no column {missing[0]!r}, only {has}: mend text_fields.")
        return "\n".join(str(row[name]) for name in self.text_fields if row[name] is not None)

    async def _embedded(self, texts: list[str], context: RunContext) -> list[list[float]]:
        if self.method == "hashing":
            if not self.dimensions:
                raise ParameterError(f"{context.node_id}: hashing needs dimensions, for example 384.")
            if len(texts) <= _INLINE:
                return hashing.embed(texts, self.dimensions)
            return await asyncio.to_thread(hashing.embed, texts, self.dimensions)
        if not texts:
            return []
        key = (HttpClient, self.allow_private)
        client = await context.scope.resources.get(key, lambda: HttpClient.open(allow_private=self.allow_private))
        service = endpoint.Endpoint(self.endpoint, self.model_name, self.api_key, self.dimensions, self.batch_size)
        try:
            return await endpoint.embed(client, service, texts)
        except HttpError as error:
            raise error.at(context.node_id) from None
