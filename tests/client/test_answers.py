"""What each kind of answer does to the queue, from a server that answers as it is told."""

from __future__ import annotations

import gzip
import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from sightline.client import Client, Clocks, State, no_uptime

Answer = tuple[int, dict[str, str], bytes]
PROBLEM = {"Content-Type": "application/problem+json"}
ANOTHER = "sk_another"
SLACK = 1.0
"""Seconds; the first wait without a Retry-After is shorter than that."""


def problem(status: int, code: str, **headers: str) -> Answer:
    return status, PROBLEM | headers, json.dumps({"status": status, "code": code, "detail": "in words"}).encode()


def taken(batch: dict[str, Any]) -> Answer:
    size = len(batch["events"])
    said = {"batch_id": batch["batch_id"], "counts": {"created": size, "rejected": 0}, "results": []}
    return 201, {"Content-Type": "application/json"}, json.dumps(said).encode()


def sentence(page: str, status: int = 200) -> Callable[[Any], Answer]:
    return lambda _: (status, {"Content-Type": "text/html"}, page.encode())


@dataclass
class Told:
    """A server that answers each batch with the next of `answers`, and with "taken" when there is none left."""

    url: str = ""
    answers: list[Callable[[dict[str, Any]], Answer]] = field(default_factory=list)
    batches: list[dict[str, Any]] = field(default_factory=list)
    closings: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    def answer(self, path: str, token: str, body: bytes) -> Answer:
        self.tokens.append(token)
        if path.endswith("/close"):
            session = path.split("/")[-2]
            self.closings.append(session)
            return 200, {"Content-Type": "application/json"}, json.dumps({"session_id": session}).encode()
        batch = json.loads(gzip.decompress(body))
        self.batches.append(batch)
        return (self.answers.pop(0) if self.answers else taken)(batch)


@pytest.fixture
def server() -> Iterator[Told]:
    told = Told()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, content = told.answer(self.path, self.headers["Authorization"], body)
            self.send_response_only(status)  # without a Date of its own
            for name, value in (headers | {"Content-Length": str(len(content))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

    door = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.url = f"http://127.0.0.1:{door.server_port}"
    thread = threading.Thread(target=door.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield told
    door.shutdown()
    thread.join()
    door.server_close()


class Life:
    """Simulated time: sleeping takes none of the test's."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds

    def clocks(self) -> Clocks:
        begin = datetime(2026, 3, 2, 9, tzinfo=UTC)
        return Clocks(
            wall=lambda: begin + timedelta(seconds=self.seconds),
            uptime=no_uptime,
            timer=lambda: self.seconds,
            sleep=self.sleep,
        )


@pytest.fixture
def life() -> Life:
    return Life()


@pytest.fixture
def client(server: Told, life: Life, tmp_path: Path) -> Iterator[Client]:
    made = Client(
        server.url,
        "sk_secret",
        queue=tmp_path / "q.db",
        client_version="game 1",
        background=False,
        clocks=life.clocks(),
    )
    yield made
    made.close(timeout=0)


def record(client: Client, count: int = 1) -> None:
    session = client.session(uuid4())
    for n in range(count):
        session.event("choice_made", n=n)


def test_a_busy_server_is_left_alone_for_as_long_as_it_asks(server: Told, client: Client, life: Life) -> None:
    server.answers = [lambda _: problem(429, "rate_limited", **{"Retry-After": "17"})]
    record(client)
    assert client.send_once().state is State.LATER
    life.seconds += 16.9
    assert client.send_once().state is State.LATER
    assert len(server.batches) == 1
    assert client.flush(60)
    assert 17 <= life.seconds <= 17 + SLACK
    assert len(server.batches) == 2


@pytest.mark.parametrize("wrong_by", [timedelta(0), timedelta(days=-400), timedelta(days=400)], ids=str)
def test_a_date_to_retry_after_is_read_by_the_servers_clock_not_by_the_devices(
    server: Told, client: Client, life: Life, wrong_by: timedelta
) -> None:
    there = datetime(2026, 3, 2, 9, tzinfo=UTC) + wrong_by
    dates = {
        "Date": format_datetime(there, usegmt=True),
        "Retry-After": format_datetime(there + timedelta(seconds=90), usegmt=True),
    }
    server.answers = [lambda _: problem(503, "database_unavailable", **dates)]
    record(client)
    assert client.flush(200)
    assert 90 <= life.seconds <= 90 + SLACK


def test_waits_double_at_most_up_to_five_minutes_and_differ_from_device_to_device(
    server: Told, client: Client, life: Life
) -> None:
    server.answers = [sentence("bad gateway", 502)] * 14
    record(client)
    assert client.flush(3_600 * 10)
    assert len(server.batches) == 15
    assert all(wait <= min(300.0, 2.0**n) for n, wait in enumerate(life.slept))
    assert life.slept != sorted(life.slept) or len(set(life.slept)) == 14
    assert sum(life.slept) > 1


def test_the_same_events_go_out_each_time_in_the_same_bytes_and_only_the_time_of_sending_differs(
    server: Told, client: Client
) -> None:
    server.answers = [sentence("bad gateway", 502), sentence("", 500), lambda _: problem(503, "x")]
    record(client, 3)
    assert client.flush(3_600)
    first, *others = server.batches
    for other in others:
        assert other["events"] == first["events"]
        assert other["batch_id"] == first["batch_id"]
    assert len({batch["sent_at"] for batch in server.batches}) == 4
    assert [event["sequence"] for event in first["events"]] == [0, 1, 2]


@pytest.mark.parametrize(("status", "code"), [(401, "not_signed_in"), (403, "not_allowed"), (422, "bad_input")])
def test_a_no_of_the_server_stops_sending_until_there_is_another_token_and_nothing_is_lost(
    server: Told, client: Client, status: int, code: str
) -> None:
    server.answers = [lambda _: problem(status, code)]
    record(client, 2)
    assert not client.flush(1_000)
    for _ in range(5):
        report = client.send_once()
        assert (report.state, report.reason) == (State.STOPPED, f"HTTP {status} {code}")
    assert len(server.batches) == 1
    assert client.waiting == 2
    client.token = ANOTHER
    assert client.flush(10)
    assert server.tokens == ["Bearer sk_secret", f"Bearer {ANOTHER}"]


@pytest.mark.parametrize(
    "answer",
    [
        sentence("<h1>Welcome to the guest network</h1>"),
        sentence("<h1>Sign in</h1>", 302),
        sentence("<h1>Blocked by the filter</h1>", 403),
        sentence("{}", 201),
        sentence("[]", 207),
        lambda batch: (201, {}, taken(batch | {"batch_id": str(uuid4())})[2]),
        lambda batch: (201, {}, taken(batch | {"events": batch["events"][1:]})[2]),
    ],
    ids=["page", "redirect", "filter", "empty", "list", "of another batch", "of fewer events"],
)
def test_only_an_answer_that_accounts_for_every_event_of_the_batch_takes_them_out(
    server: Told, client: Client, answer: Callable[[dict[str, Any]], Answer]
) -> None:
    server.answers = [answer]
    record(client, 3)
    assert client.send_once().state is State.LATER
    assert client.waiting == 3
    assert client.flush(60)


def test_a_batch_that_is_too_large_is_halved_and_one_event_that_is_too_large_is_put_aside(
    server: Told, client: Client
) -> None:
    def at_most_two(batch: dict[str, Any]) -> Answer:
        huge = any(event["data"]["n"] == 4 for event in batch["events"])
        return problem(413, "body_too_large") if len(batch["events"]) > 2 or huge else taken(batch)

    server.answers = [at_most_two] * 50
    record(client, 9)
    assert client.flush(10)
    (aside,) = client.rejected()
    assert (aside.status, aside.code, aside.detail) == ("too_large", "body_too_large", "in words")
    assert aside.event is not None
    assert aside.event["data"] == {"n": 4}


def test_a_session_is_closed_after_its_last_event_was_answered_for(server: Told, client: Client) -> None:
    session, nothing_done = client.session(uuid4()), client.session(uuid4())
    session.event("choice_made")
    session.close()
    nothing_done.close()
    server.answers = [lambda _: problem(503, "x")]
    assert client.send_once().state is State.LATER
    assert (client.waiting, server.closings) == (2, [])
    assert client.flush(60)
    assert server.closings == [str(session.session_id)]


def test_a_launch_token_carries_only_its_own_students_events(server: Told, client: Client) -> None:
    ada, ben = uuid4(), uuid4()
    for student in (ada, ben):
        with client.session(student) as session:
            session.event("choice_made")
    client.sign("launch_of_ada", ada)
    assert client.flush(10)
    assert {event["student_id"] for batch in server.batches for event in batch["events"]} == {str(ada)}
    assert client.waiting == 2
    client.sign("launch_of_ben", ben)
    assert client.flush(10)
    assert client.waiting == 0


def test_neither_tokens_nor_what_students_do_get_into_logs_or_representations(
    server: Told, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="sightline.client")
    server.answers = [
        lambda _: problem(503, "canary in code"),
        sentence("canary", 502),
        lambda _: problem(401, "not_signed_in"),
    ]
    client.session(uuid4()).event("choice_made", note="canary")
    client.flush(60)
    assert client.state.state is State.STOPPED
    said = caplog.text + repr(client) + repr(client.state) + repr(vars(client)) + repr(client._sender.credential)  # noqa: SLF001
    assert "401" in said
    assert "canary" not in said
    assert "sk_secret" not in said
    with pytest.raises(AttributeError):
        _ = client.token
