"""The services that the guide's blocks talk to: the embedded PostgreSQL with the sample data, and a web server."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from kailash_studio.services.embedded_database import EmbeddedDatabase


@pytest.fixture
def database(with_database: Path) -> Iterator[dict[str, Any]]:
    """Where the guide says localhost: host, port, user, password and database of a real server, which stays up."""
    loop = asyncio.new_event_loop()
    embedded = loop.run_until_complete(EmbeddedDatabase.open())
    try:
        target = loop.run_until_complete(embedded.target())
        yield {name: target[name] for name in ("host", "port", "user", "password", "database")}
    finally:
        loop.run_until_complete(embedded.aclose())
        loop.close()


class Service:
    """A web service on loopback that fails as often as it is told."""

    def __init__(self) -> None:
        self.failures = 0
        self.calls = 0
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.calls += 1
                if service.failures:
                    service.failures -= 1
                    self.connection.close()  # no answer at all: the caller sees a lost connection
                    self.close_connection = True
                    return
                body = json.dumps({"price": 42}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/data"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    yield made
    made.close()
