"""The explorer's own server: this machine only, and only for who was told its address.

It listens on 127.0.0.1, and its address holds a random token. A page from elsewhere that a browser
is tricked into sending here is refused by its Origin, and one whose name was rebound to this
machine by its Host. What is too large for the page is computed by PyTorch.
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Mapping
from hmac import compare_digest
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from glassconv.explore.answers import answer
from glassconv.explore.page import policy

LARGEST_BODY = 64 * 2**20  # bytes; refused by what the request says, without reading it
PATIENCE = 30  # seconds for a request to arrive
NOTHING = "there is nothing here"


class Server(ThreadingHTTPServer):
    """Serve pages at an address that nobody can guess.

    pages: HTML by its place behind the address; "/" is the first page.

    >>> with Server({"/": "<!doctype html>"}) as server:
    ...     server.address.startswith("http://127.0.0.1:")
    True
    """

    def __init__(self, pages: Mapping[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)  # 0: any port that is free
        self.token = secrets.token_urlsafe(32)
        self.pages = pages
        self.computing = Lock()  # one at a time: each uses every core

    @property
    def address(self) -> str:
        """Return where to open the page, token included."""
        return f"http://127.0.0.1:{self.server_port}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say what failed, unless it is that the browser left before its answer was there."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Answer one request: GET /TOKEN/… is a page, POST /TOKEN/message asks Python."""

    server: Server
    timeout = PATIENCE
    server_version = "glassconv"
    sys_version = ""

    def do_GET(self) -> None:
        """Send a page."""
        place = self._admitted()
        if place is None:
            return
        with self.server.computing:
            content = self.server.pages.get(place)
        if content is None:
            self._refuse(HTTPStatus.NOT_FOUND, NOTHING)
        else:
            self._send(HTTPStatus.OK, "text/html; charset=utf-8", content.encode())

    def do_POST(self) -> None:
        """Answer a message."""
        place = self._admitted()
        if place is None:
            return
        if place != "/message":
            self._refuse(HTTPStatus.NOT_FOUND, NOTHING)
            return
        body = self._body()
        if body is None:
            return
        try:
            message = json.loads(body)
        except (ValueError, RecursionError):
            self._refuse(HTTPStatus.BAD_REQUEST, "the body is not JSON")
            return
        with self.server.computing:
            answered = answer(message)
        refused = answered["type"] == "error"
        self._send_json(HTTPStatus.UNPROCESSABLE_ENTITY if refused else HTTPStatus.OK, answered)

    def _admitted(self) -> str | None:
        """Return the place that the request asks for, or None where it has been refused."""
        port = self.server.server_port
        hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
        host = self.headers.get_all("Host", [])
        origin = self.headers.get_all("Origin", [])
        token, slash, rest = urlsplit(self.path).path.removeprefix("/").partition("/")
        if len(host) != 1 or host[0] not in hosts:
            self._refuse(HTTPStatus.FORBIDDEN, "this server answers on 127.0.0.1 only")
        elif origin not in ([], [f"http://{host[0]}"]):
            self._refuse(HTTPStatus.FORBIDDEN, "another page asked")
        elif not compare_digest(token.encode(), self.server.token.encode()):
            self._refuse(HTTPStatus.FORBIDDEN, "the address needs the token it was given")
        else:
            return slash + rest
        return None

    def _body(self) -> bytes | None:
        """Return the request's body, or None where that has been refused."""
        length = self.headers.get("Content-Length", "")
        if self.headers.get_content_type() != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a message is application/json")
        elif not (length.isascii() and length.isdigit()):
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "the request does not say its length")
        elif len(length) > len(str(LARGEST_BODY)) or int(length) > LARGEST_BODY:
            most = f"a message is at most {LARGEST_BODY} bytes"
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, most)
        else:
            return self.rfile.read(int(length))
        return None

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self._send_json(status, {"type": "error", "error": why})

    def _send_json(self, status: HTTPStatus, document: dict[str, Any]) -> None:
        content = json.dumps(document).encode()
        self._send(status, "application/json", content)

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header(
            "Content-Security-Policy", policy(remote=True) + "; frame-ancestors 'none'"
        )
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet: a log would hold the token."""
