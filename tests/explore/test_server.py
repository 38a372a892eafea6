"""The server answers the page it sent, and refuses everything that is not it."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from glassconv.explore import server as serving
from glassconv.explore.page import page
from glassconv.explore.reports import of_problems
from glassconv.explore.server import LARGEST_BODY, Server
from glassconv.explore.tensors import from_document
from glassconv.problem.shorthand import parse

EXPLORED = of_problems([parse("2x6x6 3@3x3")])
REPORT = EXPLORED.to_json()
PAGE = page(REPORT, "the title", remote=True)
MESSAGE = json.dumps({"type": "convolve", "id": 1, **json.loads(REPORT)})
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def server() -> Iterator[Server]:
    with Server({"/": PAGE}) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def ask(
    server: Server,
    path: str | None = None,
    headers: Mapping[str, str] | None = None,
    body: str | None = None,
    method: str | None = None,
) -> tuple[int, str, Mapping[str, str]]:
    """Return the status, text and headers that a request gets; by default the page's own."""
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    where = f"/{server.token}/" + ("" if body is None else "message") if path is None else path
    method = method or ("GET" if body is None else "POST")
    connection.request(method, where, body, {**(JSON if body else {}), **(headers or {})})
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text, dict(response.getheaders())


def test_the_address_gives_the_page(server: Server) -> None:
    parts = urlsplit(server.address)
    assert (parts.scheme, parts.hostname, parts.port) == ("http", "127.0.0.1", server.server_port)
    status, text, headers = ask(server, parts.path)
    assert status == 200
    assert text == PAGE
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "Python" not in headers["Server"]


def test_it_listens_on_this_machine_only(server: Server) -> None:
    assert server.server_address[0] == "127.0.0.1"


def test_every_server_has_a_token_of_its_own(server: Server) -> None:
    with Server({"/": PAGE}) as other:
        assert other.token != server.token
        assert len(other.token) >= 43  # 32 bytes in base64


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_message_is_answered(server: Server, host: str) -> None:
    own = f"{host}:{server.server_port}"
    status, text, _ = ask(server, headers={"Host": own, "Origin": f"http://{own}"}, body=MESSAGE)
    assert status == 200
    answered = json.loads(text)
    assert answered["id"] == 1
    output = from_document(answered["output"], "output")
    assert EXPLORED.output is not None
    np.testing.assert_array_equal(output, EXPLORED.output)


def test_a_refusal_says_its_cause(server: Server) -> None:
    status, text, _ = ask(server, body='{"type": "convolve", "id": 4, "problem": "3"}')
    assert status == 422
    assert json.loads(text)["id"] == 4
    assert "a problem needs an input and filters" in json.loads(text)["error"]


@pytest.mark.parametrize("body", [None, MESSAGE])
@pytest.mark.parametrize("wrong", ["", "x", "SHORT", "LONG"])
def test_a_wrong_token_is_refused(server: Server, body: str | None, wrong: str) -> None:
    token = {"SHORT": server.token[:-1], "LONG": server.token + "A"}.get(wrong, wrong)
    status, text, _ = ask(server, f"/{token}/" if body is None else f"/{token}/message", body=body)
    assert status == 403
    assert server.token not in text
    assert "glassconv.explorer/1" not in text


@pytest.mark.parametrize(
    "host",
    [
        "attacker.example",
        "attacker.example:{port}",  # a name that was rebound to 127.0.0.1
        "127.0.0.1",
        "127.0.0.1:1",
        "127.0.0.1:{port}.attacker.example",
        "[::1]:{port}",
        "0.0.0.0:{port}",
        "LOCALHOST.:{port}",
        "",
    ],
)
@pytest.mark.parametrize("body", [None, MESSAGE])
def test_a_foreign_host_is_refused_even_with_the_token(
    server: Server, host: str, body: str | None
) -> None:
    status, text, _ = ask(server, headers={"Host": host.format(port=server.server_port)}, body=body)
    assert status == 403
    assert "127.0.0.1 only" in text
    assert "glassconv.explorer/1" not in text


@pytest.mark.parametrize(
    "origin",
    [
        "http://attacker.example",
        "null",
        "https://127.0.0.1:{port}",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "http://localhost:{port}",  # the host of this request is 127.0.0.1
        "http://127.0.0.1:{port}.attacker.example",
        "",
    ],
)
@pytest.mark.parametrize("body", [None, MESSAGE])
def test_another_origin_is_refused_even_with_the_token(
    server: Server, origin: str, body: str | None
) -> None:
    headers = {"Origin": origin.format(port=server.server_port)}
    status, text, answered = ask(server, headers=headers, body=body)
    assert status == 403
    assert "another page asked" in text
    assert "Access-Control-Allow-Origin" not in answered


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/{token}", None),
        ("/{token}/message", None),
        ("/{token}/favicon.ico", None),
        ("/{token}//", None),
        ("/{token}/../../etc/passwd", None),
        ("/{token}/%2e%2e/", None),
        ("/{token}/", MESSAGE),
        ("/{token}/message/", MESSAGE),
    ],
)
def test_an_unknown_path_is_not_found(server: Server, path: str, body: str | None) -> None:
    assert ask(server, path.format(token=server.token), body=body)[0] == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "HEAD", "TRACE"])
def test_other_methods_are_not_there(server: Server, method: str) -> None:
    status, text, headers = ask(server, method=method)
    assert status == 501
    assert "glassconv.explorer/1" not in text
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("body", ["{", "[1,", "\x00", '{"a": NaN', "[" * 100_000])
def test_what_is_not_json_is_refused(server: Server, body: str) -> None:
    assert ask(server, body=body)[0] == 400
    assert ask(server)[0] == 200, "it lives on"


def test_letters_that_are_none_are_refused_too(server: Server) -> None:
    status, text, _ = ask(server, body=r'{"id": "\ud800", "type": "\ud800"}')
    assert status == 422
    assert json.loads(text)["id"] == "\ud800"


def test_who_leaves_early_leaves_no_traceback(
    server: Server, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[BaseException | None] = []
    handle_error = server.handle_error

    def told(request: Any, address: Any) -> None:
        failed.append(sys.exception())
        handle_error(request, address)

    monkeypatch.setattr(server, "handle_error", told)
    monkeypatch.setattr(serving.Handler, "do_GET", left)
    with pytest.raises(OSError):
        ask(server)
    assert [type(each) for each in failed] == [BrokenPipeError]
    assert capfd.readouterr() == ("", "")


def left(_handler: object) -> None:
    raise BrokenPipeError


def test_json_that_is_no_message_is_refused(server: Server) -> None:
    assert ask(server, body="[1]")[0] == 422


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_what_a_form_could_send_is_refused(server: Server, kind: str) -> None:
    assert ask(server, headers={"Content-Type": kind}, body=MESSAGE)[0] == 415


def test_a_body_over_the_limit_is_refused_unread(server: Server) -> None:
    for size in (LARGEST_BODY + 1, 10**30):
        assert raw(server, f"Content-Length: {size}\r\n").startswith("HTTP/1.0 413 ")
    assert ask(server)[0] == 200, "it lives on"


@pytest.mark.parametrize(
    "headers",
    ["", "Content-Length: -1\r\n", "Content-Length: ٣\r\n", "Transfer-Encoding: chunked\r\n"],
)
def test_a_body_without_a_length_is_refused(server: Server, headers: str) -> None:
    assert raw(server, headers).startswith("HTTP/1.0 411 ")


def test_a_token_of_other_letters_is_refused(server: Server) -> None:
    assert raw(server, "", token="é" * 43).startswith("HTTP/1.0 403 ")


def test_two_hosts_are_refused(server: Server) -> None:
    assert raw(server, "Host: attacker.example\r\n").startswith("HTTP/1.0 403 ")


def test_who_sends_nothing_is_left(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving.Handler, "timeout", 0.2)
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
        assert ask(server)[0] == 200, "others are answered meanwhile"
        assert connection.recv(1) == b""


def raw(server: Server, headers: str, token: str | None = None) -> str:
    """Return the answer to a POST of these headers and no body."""
    request = (
        f"POST /{token or server.token}/message HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{server.server_port}\r\n"
        f"Content-Type: application/json\r\n{headers}\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
        connection.sendall(request.encode())
        return connection.makefile(encoding="utf-8").read()
