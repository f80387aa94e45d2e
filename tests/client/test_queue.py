"""What is on the device's disk: there when `event` returns, counted on after a restart, gone when answered for."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from sightline.client import Client, Clocks, QueueUnusable
from sightline.client.clocks import Instant, device_uptime, no_uptime
from sightline.client.queue_file import QueueFile, Refusal

NOWHERE = "http://127.0.0.1:9"


Opening = Callable[..., Client]


@pytest.fixture
def offline() -> Iterator[Opening]:
    """Opens clients that reach no server; all are let go of at the end of the test."""
    opened: list[Client] = []

    def opening(queue: Path, clocks: Clocks | None = None) -> Client:
        opened.append(
            Client(NOWHERE, "sk_of_the_test", queue=queue, client_version="g 1", background=False, clocks=clocks)
        )
        return opened[-1]

    yield opening
    for client in opened:
        client.close(timeout=0)


def bodies(queue: Path) -> list[dict[str, Any]]:
    with sqlite3.connect(queue) as connection:
        found = connection.execute("select body from events order by position").fetchall()
    connection.close()
    return [json.loads(body) for (body,) in found]


def process(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


RECORD = """
import os, signal, sys
from sightline.client import Client
client = Client("http://127.0.0.1:9", "t", queue=sys.argv[1], client_version="g", background=False)
session = client.session(sys.argv[2], sys.argv[3])
for n in range(int(sys.argv[4])):
    print(session.event("choice_made", n=n), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_an_event_is_on_disk_when_it_is_recorded_even_if_the_game_is_killed_at_once(tmp_path: Path) -> None:
    killed = process(RECORD, tmp_path / "q.db", uuid4(), uuid4(), 3)
    said = killed.communicate(timeout=60)[0].split()
    assert killed.returncode == -signal.SIGKILL
    assert [body["event_id"] for body in bodies(tmp_path / "q.db")] == said
    assert len(said) == 3


def test_a_session_counts_on_after_a_restart(offline: Opening, tmp_path: Path) -> None:
    student, session = uuid4(), uuid4()
    for _ in range(2):
        client = offline(tmp_path / "q.db")
        for _ in range(2):
            client.session(student, session).event("choice_made")
    assert [body["sequence"] for body in bodies(tmp_path / "q.db")] == [0, 1, 2, 3]


def test_two_processes_may_record_one_session_into_one_file(tmp_path: Path) -> None:
    student, session = uuid4(), uuid4()
    both = [process(RECORD, tmp_path / "q.db", student, session, 40) for _ in range(2)]
    said = [one.communicate(timeout=60)[0].split() for one in both]
    stored = bodies(tmp_path / "q.db")
    assert sorted(body["event_id"] for body in stored) == sorted(said[0] + said[1])
    assert [body["sequence"] for body in stored] == list(range(80))


def test_a_session_of_another_student_is_refused(offline: Opening, tmp_path: Path) -> None:
    client, session = offline(tmp_path / "q.db"), uuid4()
    client.session(uuid4(), session)
    with pytest.raises(ValueError, match="another student"):
        client.session(uuid4(), session)


@pytest.mark.parametrize("data", [{"x": float("nan")}, {"x": complex(1, 2)}, {"x": "\ud800"}], ids=str)
def test_data_that_json_cannot_hold_is_refused_and_takes_no_number(
    offline: Opening, tmp_path: Path, data: dict[str, Any]
) -> None:
    session = offline(tmp_path / "q.db").session(uuid4())
    with pytest.raises((ValueError, TypeError)):
        session.event("choice_made", data)
    session.event("choice_made", {"task": "bridge"}, note="ä")
    assert [(b["sequence"], b["data"]) for b in bodies(tmp_path / "q.db")] == [
        (0, {"task": "bridge", "note": "ä"})
    ]


def test_only_its_owner_can_read_the_queue_file_whatever_the_umask(offline: Opening, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        (tmp_path / "old.db").touch(mode=0o666)
        for name in ("new.db", "old.db"):
            offline(tmp_path / name).session(uuid4()).event("choice_made")
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_what_was_answered_for_is_nowhere_in_the_files_any_more(offline: Opening, tmp_path: Path) -> None:
    client = offline(tmp_path / "q.db")
    session = client.session(uuid4())
    gone, kept = session.event("choice_made", note="canary-gone"), session.event("choice_made", note="canary-kept")
    client.close(timeout=0)
    queue = QueueFile(tmp_path / "q.db", Instant(datetime.now(UTC)))
    queue.settle([str(gone)], (), datetime.now(UTC))
    queue.close()
    on_disk = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"canary-kept" in on_disk
    assert str(kept).encode() in on_disk
    assert b"canary-gone" not in on_disk


def test_settling_twice_changes_nothing_more(offline: Opening, tmp_path: Path) -> None:
    client = offline(tmp_path / "q.db")
    session = client.session(uuid4())
    taken, refused = str(session.event("choice_made")), str(session.event("choice_made"))
    queue, now = QueueFile(tmp_path / "q.db", Instant(datetime.now(UTC))), datetime.now(UTC)
    for _ in range(2):
        queue.settle([taken], [Refusal(refused, "rejected", "some_code", "/data", "why")], now)
    queue.close()
    assert client.waiting == 0
    (kept,) = client.rejected()
    assert (kept.event_id, kept.session_id, kept.student_id) == (
        UUID(refused),
        session.session_id,
        session.student_id,
    )
    assert (kept.status, kept.code, kept.pointer, kept.detail) == ("rejected", "some_code", "/data", "why")
    client.send_again(kept)
    assert (client.waiting, client.rejected()) == (1, [])


def test_a_students_id_stays_for_a_month_after_its_last_use_and_not_longer(
    offline: Opening, tmp_path: Path
) -> None:
    day = [datetime(2026, 3, 2, 9, tzinfo=UTC)]
    clocks = Clocks(wall=lambda: day[0], uptime=no_uptime)
    client = offline(tmp_path / "q.db", clocks)
    idle, waiting = client.session(uuid4()), client.session(uuid4())
    waiting.event("choice_made")

    def students() -> Sequence[str]:
        with sqlite3.connect(tmp_path / "q.db") as connection:
            found = connection.execute("select student_id from sessions").fetchall()
        connection.close()
        return sorted(student for (student,) in found)

    for days, expected in ((29, [idle, waiting]), (31, [waiting])):
        day[0] = datetime(2026, 3, 2, 9, tzinfo=UTC) + timedelta(days=days)
        offline(tmp_path / "q.db", clocks).close(timeout=0)
        assert students() == sorted(str(s.student_id) for s in expected)


FULL_DISK = """
import resource, signal, sys
from uuid import uuid4
from sightline.client import Client, QueueUnusable
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
client = Client("http://127.0.0.1:9", "t", queue=sys.argv[1], client_version="g", background=False)
session = client.session(uuid4())
session.event("choice_made")
resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, 64 * 1024))
recorded = 1
try:
    while recorded < 1000:
        session.event("choice_made", filler="x" * 2000)
        recorded += 1
except QueueUnusable:
    print(recorded, client.waiting)
"""


def test_a_full_disk_is_said_and_what_was_recorded_before_stays(tmp_path: Path) -> None:
    told, problem = process(FULL_DISK, tmp_path / "q.db").communicate(timeout=60)
    assert told, problem
    recorded, waiting = map(int, told.split())
    assert 1 < recorded < 1000
    assert waiting == recorded == len(bodies(tmp_path / "q.db"))


def test_a_file_that_is_no_queue_or_a_newer_one_is_refused(offline: Opening, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text(
        "this is no database at all, but a text of more than a hundred letters " * 20
    )
    with pytest.raises(QueueUnusable):
        offline(tmp_path / "text.db")
    with sqlite3.connect(tmp_path / "new.db") as newer:
        newer.execute("pragma user_version=99")
    newer.close()
    with pytest.raises(QueueUnusable, match="newer client"):
        offline(tmp_path / "new.db")
    with pytest.raises(QueueUnusable):
        offline(tmp_path / "no such folder" / "q.db")


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://school.example"},
        {"url": "school.example"},
        {"token": ""},
        {"token": "two\nlines"},
        {"client_version": "x" * 101},
        {"client_version": "a\x00b"},
        {"student": "Ada"},
        {"batch_events": 1001},
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_at_the_start_without_showing_the_token(
    tmp_path: Path, wrong: dict[str, Any]
) -> None:
    given: dict[str, Any] = {"url": NOWHERE, "token": "sk_secret", "client_version": "game 1", "background": False}
    with pytest.raises(ValueError, match=r".") as refused:
        Client(**(given | wrong), queue=tmp_path / "q.db")
    assert "sk_secret" not in str(refused.value)
    assert "two" not in str(refused.value)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not name their starts")
def test_on_linux_the_device_knows_its_uptime_and_the_name_of_its_start() -> None:
    first, second = device_uptime(), device_uptime()
    assert first is not None
    assert second is not None
    assert first[0] == second[0]
    assert 0 < first[1] <= second[1]


def test_a_moment_by_a_clock_that_was_set_since_is_what_that_clock_would_have_shown() -> None:
    recorded = Instant(datetime(2026, 3, 1, 9, tzinfo=UTC), "boot 1", 100.0)
    sent = Instant(datetime(2026, 3, 2, 9, tzinfo=UTC), "boot 1", 160.0)
    assert sent.by_the_clock_of(recorded) == datetime(2026, 3, 1, 9, 1, tzinfo=UTC)
    assert not sent.same_clock(recorded)
    later_start = Instant(datetime(2026, 3, 2, 9, tzinfo=UTC), "boot 2", 160.0)
    assert later_start.by_the_clock_of(recorded) == later_start.wall
    set_back = Instant(datetime(2026, 3, 2, 9, tzinfo=UTC), "boot 1", 50.0)
    assert set_back.by_the_clock_of(recorded) == set_back.wall
    assert Instant(recorded.wall + timedelta(seconds=60), "boot 1", 160.0).same_clock(recorded)
