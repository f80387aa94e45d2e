"""The client and a real server: `python -m sightline serve` on an embedded PostgreSQL, as a school runs it."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
from campaigns import offline
from campaigns.one_server import Ground, ground

from sightline.client import Client, Clocks, State, no_uptime

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ground(tmp_path_factory.mktemp("ground"), students=20) as made:
        yield made


class Device:
    """A queue file and the clients on it, in the foreground; all are let go of at the end of the test."""

    def __init__(self, place: Ground, queue: Path) -> None:
        self.place, self.queue = place, queue
        self.clients: list[Client] = []

    def client(self, clocks: Clocks | None = None) -> Client:
        made = Client(
            self.place.url, self.place.key, queue=self.queue, client_version="g 1", background=False, clocks=clocks
        )
        self.clients.append(made)
        return made


@pytest.fixture
def queue(tmp_path: Path) -> Path:
    return tmp_path / "q.db"


@pytest.fixture
def device(place: Ground, queue: Path) -> Iterator[Device]:
    made = Device(place, queue)
    yield made
    for client in made.clients:
        client.close(timeout=0)


def stored(place: Ground, session: UUID) -> list[tuple[int, str, datetime]]:
    rows = place.rows(
        "select sequence, data->>'n' as n, occurred_at from events where session_id = %s order by sequence",
        session,
    )
    return [(row["sequence"], row["n"], row["occurred_at"]) for row in rows]


def test_what_a_game_records_arrives_once_in_order_and_the_session_is_closed(place: Ground, queue: Path) -> None:
    with Client(place.url, place.key, queue=queue, client_version="my-game 1.4") as client:
        with client.session(place.students[0]) as session:
            for n in range(20):
                session.event("choice_made", n=n)
        assert client.flush(20)
        assert (client.waiting, client.rejected()) == (0, [])
    assert [(sequence, n) for sequence, n, _ in stored(place, session.session_id)] == [
        (n, str(n)) for n in range(20)
    ]
    assert place.rows("select 1 from closures where session_id = %s", session.session_id)


def test_more_than_one_batch_may_hold_arrives_in_parts(place: Ground, device: Device) -> None:
    chance = random.Random(3)  # noqa: S311
    client = device.client()
    session = client.session(place.students[0])
    for n in range(150):  # 1.4 MB that gzip cannot make smaller than 1 MiB
        session.event("choice_made", n=n, noise=chance.randbytes(4_600).hex() if n else "")
    assert client.flush(60)
    assert client.rejected() == []
    assert [n for _, n, _ in stored(place, session.session_id)] == [str(n) for n in range(150)]


def test_what_is_not_taken_is_kept_with_its_reason_and_can_be_sent_again(place: Ground, device: Device) -> None:
    newcomer = uuid4()
    with device.client() as client:
        good = client.session(place.students[1])
        good.event("choice_made", n=0)
        bad_word = good.event("Choice Made", n=1)
        personal = good.event("choice_made", n=2, email="a@b")
        unknown = client.session(newcomer)
        early = unknown.event("choice_made", n=3)
        unknown.close()
    client = device.client()
    aside = {one.event_id: one for one in client.rejected()}
    assert {i: (one.code, one.pointer) for i, one in aside.items()} == {
        bad_word: ("invalid_name", "/event_type"),
        personal: ("personal_data", "/data/email"),
        early: ("unknown_student", "/student_id"),
        None: ("not_found", ""),
    }
    assert all(one.detail for one in aside.values())
    assert [n for _, n, _ in stored(place, good.session_id)] == ["0"]
    with psycopg.connect(place.database_url) as connection:
        connection.execute(
            "insert into students (school_id, student_id, display_name) "
            "select school_id, %s, 'New' from students where student_id = %s",
            (newcomer, place.students[1]),
        )
    client.send_again(aside[early], aside[None])
    client.forget(aside[bad_word], aside[personal])
    assert client.flush(20)
    assert client.rejected() == []
    assert [n for _, n, _ in stored(place, unknown.session_id)] == ["3"]
    assert place.rows("select 1 from closures where session_id = %s", unknown.session_id)


def test_a_token_that_is_not_valid_stops_the_client_and_a_new_one_lets_it_go_on(
    place: Ground, queue: Path
) -> None:
    with Client(place.url, "launch_that_has_expired", queue=queue, client_version="game 1") as client:
        session = client.session(place.students[2])
        session.event("choice_made", n=0)
        assert not client.flush(20)
        assert (client.state.state, client.state.reason) == (State.STOPPED, "HTTP 401 not_signed_in")
        assert client.waiting == 1
        client.token = place.key
        assert client.flush(20)
    assert len(stored(place, session.session_id)) == 1


SEND = """
import sys
from sightline.client import Client, State
client = Client(*sys.argv[1:3], queue=sys.argv[3], client_version="g", background=False, batch_events=7)
print("ready", flush=True)
sys.stdin.readline()
assert client.flush(60)
"""


def test_two_processes_that_send_the_same_queue_double_nothing(place: Ground, device: Device) -> None:
    client = device.client()
    session = client.session(place.students[3])
    for n in range(60):
        session.event("choice_made", n=n)
    session.event("Not A Name")
    both = [
        subprocess.Popen(
            [sys.executable, "-c", SEND, place.url, place.key, str(device.queue)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for one in both:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in both:
        one.communicate("go\n", timeout=60)
        assert one.returncode == 0
    assert [n for _, n, _ in stored(place, session.session_id)] == [str(n) for n in range(60)]
    assert len(client.rejected()) == 1
    assert client.waiting == 0


@pytest.mark.parametrize("wrong_by", [DAY, -DAY, timedelta(minutes=11), timedelta(seconds=-5)], ids=str)
def test_the_time_of_an_event_is_right_however_wrong_the_clock(
    place: Ground, device: Device, wrong_by: timedelta
) -> None:
    client = device.client(clocks=Clocks(wall=lambda: datetime.now(UTC) + wrong_by))
    session = client.session(place.students[4])
    session.event("choice_made", n=0)
    true = datetime.now(UTC)
    time.sleep(0.3)
    assert client.flush(20)
    ((_, _, occurred_at),) = stored(place, session.session_id)
    assert abs(occurred_at - true) < timedelta(seconds=1)


@pytest.mark.parametrize("restarted", [False, True], ids=["same start", "restarted"])
def test_a_clock_that_is_set_between_event_and_sending_does_no_harm_within_one_start_of_the_device(
    place: Ground, device: Device, *, restarted: bool
) -> None:
    wrong_by = [-DAY]
    boots = ["one"]
    clocks = Clocks(wall=lambda: datetime.now(UTC) + wrong_by[0], uptime=lambda: (boots[0], time.monotonic()))
    client = device.client(clocks=clocks)
    session = client.session(place.students[5])
    session.event("choice_made", n=0)
    true = datetime.now(UTC)
    wrong_by[0] = timedelta(0)
    session.event("choice_made", n=1)  # by the clock that was set: goes in a batch of its own
    boots[0] = "two" if restarted else "one"
    assert client.flush(20)
    (_, _, before), (_, _, after) = stored(place, session.session_id)
    assert abs(after - true) < timedelta(seconds=1)
    # over a restart there is no telling, and the docs say so
    assert abs(before - (true - DAY if restarted else true)) < timedelta(seconds=1)


def test_without_uptime_events_of_a_clock_that_is_only_wrong_are_still_right(
    place: Ground, device: Device
) -> None:
    client = device.client(clocks=Clocks(wall=lambda: datetime.now(UTC) + DAY, uptime=no_uptime))
    session = client.session(place.students[6])
    session.event("choice_made", n=0)
    assert client.flush(20)
    ((_, _, occurred_at),) = stored(place, session.session_id)
    assert abs(occurred_at - datetime.now(UTC)) < timedelta(seconds=2)


def test_a_server_that_is_away_costs_nothing_but_time(place: Ground, queue: Path) -> None:
    with Client("http://127.0.0.1:9", place.key, queue=queue, client_version="game 1") as client:
        session = client.session(place.students[7])
        session.event("choice_made", n=0)
        session.close()
        assert not client.flush(0.5)
        client.close(timeout=0)
    with Client(place.url, place.key, queue=queue, client_version="game 1") as client:
        client.session(place.students[7], session.session_id).event("choice_made", n=1)
        assert client.flush(20)
    assert [(sequence, n) for sequence, n, _ in stored(place, session.session_id)] == [(0, "0"), (1, "1")]


def test_devices_offline_for_three_days_killed_and_with_wrong_clocks_deliver_all_once_at_its_true_time(
    place: Ground,
) -> None:
    kinds, said = (offline.KINDS[1], offline.KINDS[3]), list[offline.Found]()
    for found in offline.right_clients(place, offline.SMALL, kinds, said.append):
        assert found.broken() == []
        assert found.recorded == offline.SMALL.events
        assert found.kills == offline.SMALL.recording_kills + offline.SMALL.sending_kills


@pytest.mark.parametrize("name", offline.WRONG_CLIENTS)
def test_a_client_that_is_wrong_on_purpose_is_found_out(place: Ground, name: str) -> None:
    promise, _ = offline.WRONG_CLIENTS[name]
    assert promise in offline.wrong_client(place, name, offline.Size(100, 0, 2)).broken()


def test_the_client_needs_nothing_else_of_sightline(tmp_path: Path) -> None:
    source = offline.source_copy(tmp_path)
    code = (
        "import sys, sightline.client as c; "
        "mine = {m for m in sys.modules if m.startswith('sightline')}; "
        "print(sorted(m for m in mine if not m.startswith('sightline.client')), c.__file__)"
    )
    told = os.environ | {"PYTHONPATH": str(source)}
    said = subprocess.run(
        [sys.executable, "-c", code], env=told, capture_output=True, text=True, check=True
    ).stdout
    assert said.strip() == f"['sightline'] {source / 'sightline' / 'client' / '__init__.py'}"
