"""HTTPRequestNode."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

from kailash_studio.errors import HttpError, NodeError
from kailash_studio.services.http import HttpClient, retry_after
from kailash_studio.spec.context import Outputs, RunContext
from kailash_studio.spec.node import Effect, Node
from kailash_studio.spec.parameter import Parameter
from kailash_studio.spec.port import Anything, Number, Output, Record
from kailash_studio.spec.values import to_plain

_WORDS = r"(?!.*(?:page|next)).*(?:password|passwd|secret|token|api[-_]?key|access[-_]?key)"  # not a page's token
_SECRET_WORD = re.compile(_WORDS, re.IGNORECASE)
_SECRET_HEADER = re.compile(rf"(?:proxy-)?authorization|cookie|{_WORDS}", re.IGNORECASE)


class HTTPRequestNode(Node):
    """Send an HTTP request and read the answer.

    JSON answers are decoded; text stays text. A body that is no text is sent as JSON, dates as ISO text. An answer of
    status 400 or more fails the node, unless told otherwise. Put credentials into headers by reference:
    ``{"Authorization": {"$secret": "api_token"}}``. One that is written in clear is in the file, and validation warns.

    Private addresses (this machine, the local network, a cloud's metadata service) are refused unless allowed: a
    workflow from elsewhere should not reach them by accident. The check holds for redirects too.

    Errors: no answer in time, a host that is not known, an answer that is too large, a status of 400 or more.
    """

    category = "API"
    icon = "globe"
    keywords = ("rest", "web", "fetch", "download", "api", "url")

    url: str = Parameter(doc="Address to call.", placeholder="https://api.example.com/data", port=True)
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] = Parameter("GET", doc="HTTP method.")
    headers: dict[str, str] = Parameter({}, doc="Headers to send.")
    query: dict[str, Any] = Parameter({}, doc="Query parameters, added to the address.", port=True)
    body: Any = Parameter(None, doc="Body: a text is sent as it is, anything else as JSON.", port=True)
    fail_on_status: bool = Parameter(True, doc="Fail the node when the status is 400 or more.")
    allow_private: bool = Parameter(False, doc="May call private addresses: this machine and the local network.")
    idempotency_key: bool = Parameter(
        False,
        doc="Send the header Idempotency-Key: the same in every attempt, resumption and replay of this work, so that a "
        "service that knows it does the work once.",
        advanced=True,
    )
    max_size: int = Parameter(64, ge=1, le=4096, unit="MiB", doc="Largest answer that is read.")

    data = Output(Anything, "The answer: decoded JSON, or text.")
    status = Output(Number, "The HTTP status.")
    result = Output(Record, "Status, headers, url, seconds and data together.")

    @classmethod
    def effect_of(cls, parameters: Mapping[str, Any]) -> Effect:
        """By what the method means (RFC 9110, section 9.2); a service that takes the key does the work once."""
        method = str(parameters.get("method", "GET"))  # a reference is none of these, so it counts as unsafe
        if method in {"GET", "HEAD"}:
            return "reads"
        return (
            "idempotent" if method in {"PUT", "DELETE"} else "keyed" if parameters.get("idempotency_key") else "unsafe"
        )

    @classmethod
    def effects_of(cls, parameters: Mapping[str, Any]) -> list[str]:
        """Calls a host."""
        url = parameters.get("url")
        host = urlsplit(url).netloc.rpartition("@")[2] if isinstance(url, str) else ""
        return [f"calls {host or 'a host that a connection names'}"]

    @classmethod
    def problems_of(cls, parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
        """An address of another kind than http and https."""
        url = parameters.get("url")
        if isinstance(url, str) and url and urlsplit(url).scheme not in {"http", "https"}:
            return [("url", "url does not start with http:// or https://.")]
        return []

    @classmethod
    def clear_secrets_of(cls, parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
        """A password or token in the address, and headers and query values whose names say what they are."""
        found: list[tuple[str, str]] = []
        url = parameters.get("url")
        if isinstance(url, str):
            found += [("url", value) for value in _in_address(url)]
        for name, looks in (("headers", _SECRET_HEADER), ("query", _SECRET_WORD)):
            held = parameters.get(name)
            for key, value in held.items() if isinstance(held, Mapping) else ():
                if isinstance(value, str) and value and looks.fullmatch(str(key)):
                    found.append((f"{name}/{key}", value.split()[-1] if value.strip() else value))
        return found

    async def run(self, context: RunContext) -> Outputs:
        """Send it, and read the answer."""
        key = (HttpClient, self.allow_private)
        client = await context.scope.resources.get(key, lambda: HttpClient.open(allow_private=self.allow_private))
        text = self.body if isinstance(self.body, str) else None
        try:
            answer = await client.request(
                self.method,
                self.url,
                headers={**self.headers, "Idempotency-Key": context.key} if self.idempotency_key else self.headers,
                query=self.query,
                json_body=None if text is not None else to_plain(self.body),
                text_body=text,
                max_bytes=self.max_size * 2**20,
            )
        except HttpError as error:
            raise error.at(context.node_id) from None
        if self.fail_on_status and answer.status >= 400:
            said = (answer.body or "")[:200]
            raise HttpError(
                f"{context.node_id}: {urlsplit(answer.url).netloc} answers {answer.status}: {said}",
                status=answer.status,
                retry_after=retry_after(answer.headers.get("retry-after", "")),
            )
        data: Any = answer.body if answer.body is not None else answer.content
        if "json" in answer.headers.get("content-type", "") and answer.body:
            try:
                data = json.loads(answer.body)
            except ValueError as error:
                raise NodeError(f"{context.node_id}: the answer says it is JSON and is not: {error}.") from None
        result = {
            "status": answer.status,
            "headers": answer.headers,
            "url": answer.url,
            "seconds": answer.seconds,
            "data": data,
        }
        return {"data": data, "status": answer.status, "result": result}


def _in_address(url: str) -> list[str]:
    """The credentials in an address: before its host, and as values of its query."""
    try:
        parts = urlsplit(url)
        held = [parts.password or (parts.username if "@" in parts.netloc else "")]
    except ValueError:
        return []  # no address; the call says so
    held += [value for name, value in parse_qsl(parts.query) if _SECRET_WORD.fullmatch(name)]
    return [value for value in held if value]
