"""The local page: who is answered, and who is refused."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from cryofocus.errors import OutputError, RegionError
from cryofocus.report.place import local_server
from cryofocus.report.place.local_server import HEADERS, MAX_BODY_BYTES, Asset, LocalServer

PAGE = Asset("text/html", b"<p>page</p>")


@dataclass
class Told:
    """What the page asked for; asking for trouble is refused."""

    asked: list[object] = field(default_factory=list)

    def answer(self, asked: object) -> str:
        """Keep what was asked for."""
        if asked == "trouble":
            raise RegionError("Move it.")
        self.asked.append(asked)
        return "Done."


@pytest.fixture
def told() -> Told:
    """What arrives."""
    return Told()


@pytest.fixture
def server(told: Told) -> Iterator[LocalServer]:
    """A server with a page, a script and one thing to ask for."""
    assets = {"": PAGE, "script.js": Asset("text/javascript", b"1")}
    server = LocalServer(assets, {"mask": told.answer})
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield server
    server.stop()
    thread.join()


def request(
    server: LocalServer, method: str, path: str, body: str | None = None, **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    """Send a request with just these headers, and the path to the letter."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
    if body is not None:
        headers.setdefault("Content-Length", str(len(body)))
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders(None if body is None else body.encode())
    answer = connection.getresponse()
    result = answer.status, answer.read(), dict(answer.getheaders())
    connection.close()
    return result


def test_user_gets_the_page(server: LocalServer) -> None:
    """With token and host the page and its parts come, with headers that lock it up."""
    status, body, headers = request(server, "GET", f"/{server.token}/")
    assert (status, body, headers["Content-Type"]) == (200, b"<p>page</p>", "text/html")
    assert HEADERS.items() <= headers.items()
    assert "http" not in HEADERS["Content-Security-Policy"]
    assert request(server, "GET", f"/{server.token}/script.js")[1] == b"1"
    local = {"Host": f"localhost:{server.port}"}
    assert request(server, "GET", f"/{server.token}/", **local)[0] == 200
    assert server.address == f"http://127.0.0.1:{server.port}/{server.token}/"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/{token}",
        "/x{token}/",
        "/{token}x/",
        "/wrong-token-but-long-enough-as-it-is/",
        "/{token}/other",
        "/{token}/../../../etc/passwd",
        "/{token}/..%2f..%2fetc%2fpasswd",
        "/{token}//etc/passwd",
        "/{token}/script.js?x=1",
        "http://127.0.0.1/{token}/",
    ],
)
def test_other_paths_are_refused(server: LocalServer, path: str) -> None:
    """Without the token, or for anything but the assets by name, the answer is 403 alone."""
    status, body, _ = request(server, "GET", path.format(token=server.token))
    assert (status, body) == (403, b"Forbidden\n")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "", "[::1]"])
def test_other_hosts_are_refused(server: LocalServer, host: str) -> None:
    """A name that was made to point to this machine does not open the page."""
    headers = {"Host": host.format(port=server.port)}
    assert request(server, "GET", f"/{server.token}/", **headers)[0] == 403


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(server: LocalServer, method: str) -> None:
    """Nothing but GET and POST is understood."""
    assert request(server, method, f"/{server.token}/")[0] == 403


def test_page_may_ask(server: LocalServer, told: Told) -> None:
    """What the page sends arrives; its answer, or what was wrong with it, comes back as text."""
    origin = {"Origin": f"http://127.0.0.1:{server.port}"}
    path = f"/{server.token}/mask"
    assert request(server, "POST", path, json.dumps([1, 2]), **origin)[:2] == (200, b"Done.")
    assert told.asked == [[1, 2]]
    assert request(server, "POST", path, '"trouble"', **origin)[:2] == (400, b"Move it.")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{nonsense", b"The request is no JSON ("),
        ("", b"The request is no JSON ("),
        ("[" * 9000, b"The request is no JSON ("),
        ("9" * 9000, b"The request is no JSON ("),
    ],
)
def test_bodies_that_are_none(
    server: LocalServer, told: Told, body: str, said: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    """What is no JSON is answered in words, whatever the parser makes of it; nothing is done."""
    origin = {"Origin": f"http://127.0.0.1:{server.port}"}
    status, answer, _ = request(server, "POST", f"/{server.token}/mask", body, **origin)
    assert status == 400
    assert answer.startswith(said)
    assert b"Load the page again." in answer
    assert told.asked == []
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("sent", [b"", b"POST /", b"GET / HTTP/1.1\r\nHost: x\r\n", b"body"])
def test_idle_connections_are_closed(
    monkeypatch: pytest.MonkeyPatch, told: Told, sent: bytes
) -> None:
    """Who connects and says nothing, or stops in the middle, is hung up on; bodies with a word."""
    monkeypatch.setattr(local_server, "IDLE_SECONDS", 0.1)
    server = LocalServer({"": PAGE}, {"mask": told.answer})
    thread = threading.Thread(target=server.serve)
    thread.start()
    host = f"127.0.0.1:{server.port}"
    if sent == b"body":
        head = f"POST /{server.token}/mask HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n"
        sent = f"{head}Content-Length: 5\r\n\r\n[1,".encode()
    try:
        with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
            connection.sendall(sent)
            answer = b""
            while piece := connection.recv(1000):
                answer += piece
    finally:
        server.stop()
        thread.join()
    assert answer == b"" or answer.endswith(
        b"The request ended before its 5 bytes had come. Send it again."
    )
    assert (answer == b"") == (b"[1," not in sent)
    assert told.asked == []


def test_who_sends_byte_by_byte_is_hung_up_on_and_blocks_nobody(
    monkeypatch: pytest.MonkeyPatch, server: LocalServer
) -> None:
    """A request has its time as a whole; others are answered meanwhile."""
    monkeypatch.setattr(local_server, "REQUEST_SECONDS", 0.4)
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port), 10) as slow:
        slow.settimeout(0.04)
        hung_up, n_sent = False, 0
        while not hung_up and time.monotonic() < began + 9:  # idle after 10
            try:
                slow.sendall(b"G")
                n_sent += 1
                hung_up = slow.recv(1) == b""
            except TimeoutError:
                assert n_sent > 1 or request(server, "GET", f"/{server.token}/")[0] == 200
            except ConnectionError:
                hung_up = True
    assert hung_up
    assert n_sent > 3


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("mask", {}),
        ("mask", {"Origin": "http://evil.example"}),
        ("mask", {"Origin": "null"}),
        ("", {"Origin": "http://127.0.0.1:{port}"}),
        ("mask", {"Origin": "http://127.0.0.1:{port}", "Content-Length": str(MAX_BODY_BYTES + 1)}),
        ("mask", {"Origin": "http://127.0.0.1:{port}", "Content-Length": "-1"}),
        ("mask", {"Origin": "http://127.0.0.1:{port}", "Content-Length": "²"}),
    ],
)
def test_others_may_not_ask(
    server: LocalServer, told: Told, path: str, headers: dict[str, str]
) -> None:
    """From another page, for something else, or too much of it: refused, and nothing is done."""
    sent = {name: value.format(port=server.port) for name, value in headers.items()}
    assert request(server, "POST", f"/{server.token}/{path}", "[1]", **sent)[0] == 403
    assert told.asked == []


def test_taken_port_is_named(server: LocalServer) -> None:
    """A port that another program uses is refused with what to do."""
    with pytest.raises(OutputError, match=rf"port {server.port}: cannot be used \(.*\)\. Choose"):
        LocalServer({"": PAGE}, {}, server.port)


def test_tokens_differ() -> None:
    """Every server has a token of its own, too long to be guessed."""
    servers = [LocalServer({}, {}) for _ in range(2)]
    assert servers[0].token != servers[1].token
    assert all(len(server.token) >= 32 for server in servers)
    for server in servers:
        server.close()
