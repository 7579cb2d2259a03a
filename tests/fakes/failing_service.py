"""A web service on loopback whose connections break as often as a test says."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


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
