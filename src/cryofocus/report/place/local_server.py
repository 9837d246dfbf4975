"""A page on this machine, for its user alone: nobody else can open it or send to it."""

from __future__ import annotations

import io
import json
import logging
import secrets
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryofocus.errors import CryofocusError, InputError, OutputError

logger = logging.getLogger(__name__)

ADDRESS = "127.0.0.1"
NAMES = (ADDRESS, "localhost")
TOKEN_BYTES = 24
# A browser on this machine sends its request at once, and takes the answer as fast.
IDLE_SECONDS, REQUEST_SECONDS = 10.0, 20.0
MAX_BODY_BYTES = 10_000
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' "
    "'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

Answer = Callable[[Any], str]
"""From the JSON that the page sent to a sentence for it; a CryofocusError is told as well."""


@dataclass(frozen=True)
class Asset:
    """Something the page is made of."""

    media_type: str
    content: bytes


class LocalServer:
    """Serves a handful of assets, held in memory, at an address that cannot be guessed.

    Only requests that name this machine as their host and have the random token in their path are
    answered, so that neither other users nor other pages in the browser get through; all others
    are refused with 403. Connections on which nothing comes, or a request byte by byte, are
    closed. There are no files behind it.

    Args:
        assets: By name; the empty name is the page itself.
        answers: What the page may ask for with POST, by name.
        port: Port to listen on; 0 takes a free one.

    Raises:
        OutputError: When the port is taken.
    """

    def __init__(
        self, assets: Mapping[str, Asset], answers: Mapping[str, Answer], port: int = 0
    ) -> None:
        self.assets = assets
        self.answers = answers
        self.token = secrets.token_urlsafe(TOKEN_BYTES)
        try:
            self._server = _Server((ADDRESS, port), _handler_for(self))
        except (OSError, OverflowError) as error:
            raise OutputError(
                f"port {port}: cannot be used ({getattr(error, 'strerror', error)}). Choose "
                "another with --port, or leave it out."
            ) from error
        self._server.daemon_threads = True

    @property
    def port(self) -> int:
        """Port it listens on."""
        return int(self._server.server_address[1])

    @property
    def address(self) -> str:
        """What to open in a browser."""
        return f"http://{ADDRESS}:{self.port}/{self.token}/"

    def serve(self) -> None:
        """Answer until `stop` or an interruption."""
        try:
            self._server.serve_forever(poll_interval=0.1)
        finally:
            self.close()

    def close(self) -> None:
        """Give the port back, if `serve` was never called."""
        self._server.server_close()

    def stop(self) -> None:
        """End `serve`; to be called from another thread."""
        self._server.shutdown()

    def find(self, host: str, path: str) -> str | None:
        """Name what a request asks for; None if it has no business here."""
        if host not in {f"{name}:{self.port}" for name in NAMES}:
            return None
        token, slash, name = path.removeprefix("/").partition("/")
        is_ours = secrets.compare_digest(token.encode(), self.token.encode())
        return name if is_ours and slash else None

    def is_own_page(self, origin: str | None) -> bool:
        """Tell whether a request comes from our page (browsers name the origin of every POST)."""
        return origin in {f"http://{name}:{self.port}" for name in NAMES}


class _BeforeDeadline(io.RawIOBase):
    """What comes over a connection, until the whole request had its time."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._end = connection, time.monotonic() + REQUEST_SECONDS

    def readable(self) -> bool:
        """Say that this is for reading."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what is there.

        Raises:
            TimeoutError: When nothing comes, or the time of the request is over.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(min(left, IDLE_SECONDS))
        return self._connection.recv_into(buffer)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what went wrong, unless it is that the other end went away."""
        del request, client_address
        if not isinstance(sys.exception(), OSError):
            logger.exception("the page on this machine could not be served")


def _handler_for(server: LocalServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """One request."""

        server_version = "cryofocus"
        sys_version = ""
        timeout = IDLE_SECONDS

        def setup(self) -> None:
            """Bound the time that the request may take."""
            super().setup()
            self.rfile.close()
            self.rfile = io.BufferedReader(_BeforeDeadline(self.connection))

        def do_GET(self) -> None:
            """Give an asset."""
            name = server.find(self.headers.get("Host", ""), self.path)
            if name is None or name not in server.assets:
                self.refuse()
            else:
                self.reply(HTTPStatus.OK, server.assets[name])

        def do_POST(self) -> None:
            """Do what the page asks for."""
            name = server.find(self.headers.get("Host", ""), self.path)
            n_bytes = self.headers.get("Content-Length", "")
            if (
                name is None
                or name not in server.answers
                or not server.is_own_page(self.headers.get("Origin"))
                or not (n_bytes.isascii() and n_bytes.isdigit())
                or int(n_bytes) > MAX_BODY_BYTES
            ):
                self.refuse()
                return
            try:
                told = server.answers[name](self.read_json(int(n_bytes)))
                self.say(HTTPStatus.OK, told)
            except CryofocusError as error:
                self.say(HTTPStatus.BAD_REQUEST, str(error))

        def read_json(self, n_bytes: int) -> Any:
            """Read what the page sent.

            Raises:
                InputError: When less comes than was announced, or it is no JSON.
            """
            try:
                body = self.rfile.read(n_bytes)
            except TimeoutError:
                body = b""
            if len(body) < n_bytes:
                raise InputError(
                    f"The request ended before its {n_bytes} bytes had come. Send it again."
                )
            try:
                return json.loads(body)
            except (ValueError, RecursionError) as error:
                reason = "too deep" if isinstance(error, RecursionError) else error
                raise InputError(
                    f"The request is no JSON ({reason}); expected what this page sends. Load the "
                    "page again."
                ) from error

        def refuse(self) -> None:
            """Send nothing but the refusal, and read no more of the request."""
            self.close_connection = True
            self.reply(HTTPStatus.FORBIDDEN, Asset("text/plain; charset=utf-8", b"Forbidden\n"))

        def say(self, status: HTTPStatus, text: str) -> None:
            self.reply(status, Asset("text/plain; charset=utf-8", text.encode(errors="replace")))

        def reply(self, status: HTTPStatus, asset: Asset) -> None:
            self.connection.settimeout(IDLE_SECONDS)
            self.send_response(status)
            for header, value in HEADERS.items():
                self.send_header(header, value)
            self.send_header("Content-Type", asset.media_type)
            self.send_header("Content-Length", str(len(asset.content)))
            self.end_headers()
            self.wfile.write(asset.content)

        def send_error(self, code: int, *_: Any, **__: Any) -> None:
            """Refuse what is no proper request, and methods other than GET and POST, as well."""
            del code
            self.refuse()

        def log_message(self, *_: Any) -> None:
            """Stay silent; the terminal belongs to the user."""

    return Handler
