"""The live page: what it shows grows with the events, and only a reader on this machine who has the token sees it."""

from __future__ import annotations

import html
import http.client
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from sample_reports import HOSTILE
from sample_runs import run_of

from nnreport.errors import UsageError
from nnreport.events import DoneEvent, FactEvent, ScriptEvent, StepEvent
from nnreport.facts import Probe
from nnreport.live.board import Board
from nnreport.live.server import Server
from nnreport.session import Collector


class Live:
    """A board with its server, and a reader."""

    def __init__(self) -> None:
        self.collector = Collector()
        self.board = Board(self.collector, HOSTILE)
        self.server = Server(self.board)

    def tell(self, event: Any) -> None:
        self.collector(event)
        self.board.event(event)

    def get(self, path: str, **headers: str) -> tuple[int, str, http.client.HTTPResponse]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        text = answer.read().decode() if "event-stream" not in (answer.getheader("Content-Type") or "") else ""
        return answer.status, text, answer

    @property
    def path(self) -> str:
        return f"/{self.server.token}/"

    def follow(self) -> Iterator[dict[str, Any]]:
        answer = self.get(self.path + "events")[2]
        while line := answer.readline():
            if line.startswith(b"data: "):
                yield json.loads(line[6:])


@pytest.fixture
def live() -> Iterator[Live]:
    made = Live()
    yield made
    made.server.close("over")


def test_the_page_needs_the_token(live: Live) -> None:
    assert live.get(live.path)[0] == 200
    for path in ("/", "/wrong/", "/wrong/events", live.path[:-3] + "/", "//"):
        assert live.get(path)[0] == 404, path


def test_another_host_name_is_refused(live: Live) -> None:
    status, text, _ = live.get(live.path, Host="evil.example")
    assert status == 403
    assert "this machine" in text
    assert live.get(live.path, Host=f"localhost:{live.server.port}")[0] == 200


def test_it_listens_on_the_loopback_alone(live: Live) -> None:
    assert live.server.http.server_address[0] == "127.0.0.1"


def test_the_page_is_strict_and_escapes_the_name(live: Live) -> None:
    text, answer = live.get(live.path)[1:]
    assert HOSTILE not in text
    text = html.unescape(text)
    assert "connect-src 'self'" in text
    assert "default-src 'none'" in text
    assert answer.getheader("Cache-Control") == "no-store"
    assert answer.getheader("X-Frame-Options") == "DENY"


def test_a_follower_gets_the_state_then_every_change(live: Live) -> None:
    stream = live.follow()
    assert next(stream)["line"] == "waiting for the first step"
    live.tell(StepEvent(step=12, steps=100, loss=0.5))
    assert any("step 12 of 100" in next(stream)["line"] for _ in range(3))
    run = run_of("train.py")
    live.tell(FactEvent(run=run, probe=Probe(watched=True, losses=run.losses.values, done=run.steps)))
    until = time.monotonic() + 60
    parts: dict[str, str] = {}
    while "training" not in parts or "was watched for 400" not in parts["training"]:
        parts |= next(stream)["parts"]
        assert time.monotonic() < until
    assert "<svg" in parts["training"]
    assert "Validation loss" in parts["training"]


def test_what_has_not_changed_is_not_sent_again(live: Live) -> None:
    known: dict[str, str] = {}
    live.board.drawn = live.board.draw()
    assert set(json.loads(live.board.message(known))["parts"]) == {"head", "findings", "training"}
    assert json.loads(live.board.message(known))["parts"] == {}


def test_the_whole_report_so_far(live: Live) -> None:
    live.tell(FactEvent(run=run_of("train.py")))
    status, text, _ = live.get(live.path + "report")
    assert status == 200
    assert "train.py" in text
    assert re.search(r"<h1>", text)


def test_the_end_is_told(live: Live) -> None:
    stream = live.follow()
    next(stream)
    live.tell(ScriptEvent(status=3))
    assert any("status 3" in next(stream)["line"] for _ in range(3))
    live.tell(DoneEvent())
    live.server.close("the run has ended")
    last = list(stream)[-1]
    assert last["state"] == "ended"
    assert last["line"] == "the run has ended"


def test_a_port_that_is_taken_is_one_line(live: Live) -> None:
    with pytest.raises(UsageError, match="cannot be used"):
        Server(live.board, live.server.port)


def test_a_state_that_cannot_be_drawn_ends_nothing(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live.board, "report", lambda: 1 / 0)
    assert "ZeroDivisionError" in live.board.draw()["head"]
