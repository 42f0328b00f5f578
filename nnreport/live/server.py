"""A web server for one reader on this machine: loopback only, and only for those who know the token in the address."""

from __future__ import annotations

import contextlib
import hmac
import secrets
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from nnreport.errors import UsageError
from nnreport.live.board import Board

HOST = "127.0.0.1"
HEARTBEAT = 10.0
"""Seconds after which a silent stream says that it is alive."""
LAST = 2.0
"""Seconds that followers have to take the last state."""


class Server:
    """Serves a :class:`Board` until :meth:`close`.

    Attributes:
        address: what to open, token and all.

    Raises:
        UsageError: the port is taken.
    """

    def __init__(self, board: Board, port: int = 0) -> None:
        self.board = board
        self.token = secrets.token_urlsafe(16)
        self.followers = 0
        handler = type("Handler", (Handler,), {"owner": self})
        try:
            self.http = ThreadingHTTPServer((HOST, port), handler)
        except OSError as error:
            raise UsageError(
                f"--live: port {port} cannot be used ({error.strerror}); leave --port out, and any free one is"
            ) from None
        self.http.daemon_threads = True
        self.port = self.http.server_address[1]
        self.address = f"http://{HOST}:{self.port}/{self.token}/"
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.1,), daemon=True, name="nnreport-live")
        self.thread.start()

    def close(self, line: str) -> None:
        """Sends the last state and goes."""
        self.board.close(line)
        if self.followers:
            self.ended.wait(LAST)
        self.http.shutdown()
        self.http.server_close()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    owner: Server
    protocol_version = "HTTP/1.1"
    server_version = "nnreport"
    sys_version = ""

    def do_GET(self) -> None:
        """The page, its stream, or the whole report so far; nothing for anybody else."""
        hosts = {f"{HOST}:{self.owner.port}", f"localhost:{self.owner.port}"}
        _, token, name = (*self.path.split("/", 2), "", "")[:3]
        if self.headers.get("Host") not in hosts:  # another name that was made to point here
            self.answer(HTTPStatus.FORBIDDEN, "this page is for this machine alone")
        elif not hmac.compare_digest(token.encode(), self.owner.token.encode()):
            self.answer(HTTPStatus.NOT_FOUND, "there is nothing here; the address that nnreport printed has a token in it")
        elif name == "":
            self.answer(HTTPStatus.OK, self.owner.board.page(), "text/html")
        elif name == "events":
            self.follow()
        elif name == "report":
            from nnreport.render.html import render

            self.answer(HTTPStatus.OK, render(self.owner.board.report()), "text/html")
        else:
            self.answer(HTTPStatus.NOT_FOUND, "there is nothing of that name here")

    def answer(self, status: HTTPStatus, text: str, kind: str = "text/plain") -> None:
        body = text.encode()
        self.send_response(status)
        self.headers_for(kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(body)

    def headers_for(self, kind: str) -> None:
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("X-Frame-Options", "DENY")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")

    def follow(self) -> None:
        """The stream: the state now, then every change."""
        board = self.owner.board
        self.send_response(HTTPStatus.OK)
        self.headers_for("text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        self.owner.followers += 1
        known: dict[str, str] = {}
        seen = -1
        try:
            while True:
                with board.changed:
                    news = board.changed.wait_for(lambda last=seen: board.version != last, timeout=HEARTBEAT)  # type: ignore[misc]
                    seen, state = board.version, board.state
                    data = board.message(known) if news else ""
                self.wfile.write(f"data: {data}\n\n".encode() if data else b": alive\n\n")
                self.wfile.flush()
                if state == "ended":
                    return
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            return
        finally:
            self.owner.followers -= 1
            if not self.owner.followers:
                self.owner.ended.set()

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not told on the terminal, which is the script's."""
