"""The sample app, served from a port of its own as a developer's would be."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files

WRITTEN_FOR = "http://localhost:8080/fhir"
"""The server that the page's own text names."""


def source() -> str:
    """The page as it is in the documentation."""
    return files("fhir_server.demo").joinpath("app.html").read_text(encoding="utf-8")


@contextmanager
def served(base: str) -> Iterator[str]:
    """The address of the app, for the FHIR server at `base`, as long as the block lasts."""
    body = source().replace(WRITTEN_FOR, base).encode()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Page, body)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


class _Page(BaseHTTPRequestHandler):
    def __init__(self, body: bytes, *arguments: object) -> None:
        self._body = body
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """The one page; there is nothing else here."""
        found = self.path.partition("?")[0] == "/"
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(self._body if found else b"")

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing: the query holds a code."""
