"""`sightline lint-events`: it tells before the sending what the server would tell after it."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from builders import START, Town, send, wire_batch, wire_event
from sightline.cli.linting import Linter
from sightline.demo.generator import simulate

STUDENT, SESSION = uuid4(), uuid4()
MEASURED = """
import resource, subprocess, sys
subprocess.run([sys.executable, "-m", "sightline", "lint-events", sys.argv[1]], check=False)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
"""
"""Runs the command with no other child beside it, and says the most memory that it held (KiB)."""


def lint(file: Path | str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "sightline", "lint-events", str(file)],
        input=given,
        capture_output=True,
        check=False,
    )


def lines(events: Sequence[Any]) -> bytes:
    return b"".join(json.dumps(e).encode() + b"\n" for e in events)


def at(seconds: float, number: int | None, **changes: Any) -> dict[str, Any]:
    """An event of the one session, so many seconds after its start."""
    when = (START + timedelta(seconds=seconds)).isoformat()
    return wire_event(STUDENT, SESSION, **({"timestamp": when, "sequence": number} | changes))


def test_a_simulated_school_passes_plain_packed_and_from_standard_input(tmp_path: Path) -> None:
    school = simulate(4, datetime(2026, 3, 9, tzinfo=UTC), classes=1, class_size=4)
    events = [e for session in school.sessions for e in session.events]
    plain, packed = tmp_path / "events.jsonl", tmp_path / "events.jsonl.gz"
    plain.write_bytes(lines(events))
    packed.write_bytes(gzip.compress(lines(events), mtime=0))
    for done, name in ((lint(plain), plain), (lint(packed), packed), (lint("-", packed.read_bytes()), "-")):
        assert done.returncode == 0, done.stdout
        (summary,) = done.stdout.decode().splitlines()
        assert summary.startswith(f"{name}: {len(events)} events, 0 problems, 0 warnings; ")
        assert "choice_made" in summary


def test_each_problem_has_its_line_its_place_its_code_and_what_to_do(tmp_path: Path) -> None:
    first = at(0, 0, event_type="failure", data={"task": "a"})
    faults = [
        first,
        at(1, 1, event_type="failure", data={"feedback": "yes"}),
        at(1, 1, event_type="initial_reaction"),
        at(1, 1, data={"playerName": "x"}),
        at(1, 1, timestamp="2026-03-02T09:00:00"),
        "no event",
        first | {"data": {"task": "b"}},
        first,
        at(1, 1, student_id=str(uuid4())),
    ]
    file = tmp_path / "faults.jsonl"
    file.write_bytes(lines(faults) + b"\n{torn\n" + json.dumps(at(2, 1, data={"\x1b[2J": {"email": 1}})).encode())
    done = lint(file)
    assert done.returncode == 1
    *told, summary = done.stdout.decode().splitlines()
    assert [line.removeprefix(f"{file}:").split(":")[0] for line in told] == [
        "2 /data/feedback invalid_data",
        "3 /data/reaction missing_field",
        "4 /data/playerName personal_data",
        "5 /timestamp naive_time",
        "6 - invalid_type",
        "7 /event_id same_id_other_content",
        "9 /session_id session_of_another_student",
        "11 - malformed_json",
        "12 /data/\\u001b[2J/email personal_data",
    ]
    assert "send true or false" in told[0]
    assert summary == f"{file}: 11 events, 9 problems, 0 warnings, 1 sent again; failure 1"


def test_what_the_server_takes_but_hardly_was_meant_is_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "odd.jsonl"
    odd = [
        at(0, 0),
        at(1, 1, event_type="failre"),
        at(2, 2, event_type="failre"),
        at(3, 2),
        at(1, 5),
        at(4, 4),
        at(5, 9, event_type="initial_reaction", data={"reaction": "analyze"}),
        at(9, None),
        at(7, None),
    ]
    file.write_bytes(lines(odd))
    done = lint(file)
    assert done.returncode == 0
    *told, summary = done.stdout.decode().splitlines()
    assert [line.removeprefix(f"{file}:").split(":")[0] for line in told] == [
        "2 /event_type warning unknown_type",
        "4 /sequence warning duplicate_sequence",
        "5 /timestamp warning time_goes_backwards",
        "6 /timestamp warning time_goes_backwards",
        "7 /data/reaction warning unread_word",
        "9 /timestamp warning time_goes_backwards",
        "6 /sequence warning sequence_gap",
    ]
    assert "did you mean failure?" in told[0]
    assert "no event numbered 3 to 3, and 1 more gap" in told[-1]
    assert summary.startswith(f"{file}: 9 events, 0 problems, 7 warnings; ")
    assert "failre 2" in summary


def test_a_session_in_any_order_has_gaps_only_where_numbers_are_missing() -> None:
    linter = Linter()
    for line, number in enumerate([7, 3, 5, 4, 0, 9, 1, 6, 2], start=1):
        raw = json.dumps(at(number, number)).encode()
        assert list(linter.judge(raw, line, START)) == []
    (gap,) = linter.gaps()
    assert (gap.line, gap.code) == (6, "sequence_gap")
    assert "8 to 8" in gap.detail


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(b"{}\n" * 999, mtime=0)[:-9], "cannot be read to its end"),
        (None, "No such file or directory"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line_and_a_failure(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    file = tmp_path / "broken.gz"
    if content is not None:
        file.write_bytes(content)
    done = lint(file)
    assert done.returncode == 1
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("sightline: ")
    assert said in line


def test_a_long_line_costs_no_memory_and_no_other_line(tmp_path: Path) -> None:
    file = tmp_path / "long.jsonl.gz"
    with gzip.open(file, "wb") as out:
        for _ in range(256):
            out.write(b" " * 2**20)
        out.write(b"\n" + lines([at(0, 0)]))
    done = subprocess.run([sys.executable, "-c", MEASURED, str(file)], capture_output=True, check=False)
    assert b":1 - body_too_large" in done.stdout
    assert b"2 events, 1 problem, 0 warnings; choice_made 1" in done.stdout
    assert int(done.stderr) < 220 * 1024, "in KiB; the line alone has 256 MiB"


async def test_it_says_of_each_event_what_the_server_says(client: httpx.AsyncClient, town: Town) -> None:
    mine, session = town.here.students[0], uuid4()
    first = wire_event(mine, session)

    def one(**changes: Any) -> dict[str, Any]:
        return wire_event(mine, session, **changes)

    later = (datetime.now(UTC) + timedelta(minutes=9)).isoformat()
    events: list[Any] = [
        first,
        first,
        first | {"data": {"choice": "other"}},
        one(event_type="no_such_type"),
        one(event_type="No Type"),
        one(data={"text": "x" * 11_264}),
        one(data={"email": "x"}),
        one(timestamp=later),
        one(timestamp="2014-01-01T00:00:00Z"),
        one(student_id=str(town.here.students[1])),
        one(event_id=None) | {"event_id": "7"},
        {},
        one(data={"takes_perspective": None, "own": [1]}),
        one(data={"takes_perspective": "yes"}),
    ]
    answer = await send(client, town.here.key, wire_batch(events))
    refused = {
        (r["code"], r["pointer"]) for r in answer.json()["results"] if r["status"] in {"rejected", "conflict"}
    }
    linter = Linter()
    found = [
        one
        for line, event in enumerate(events, start=1)
        for one in linter.judge(json.dumps(event).encode(), line, datetime.now(UTC))
        if not one.warning
    ]
    assert {(one.code, one.pointer) for one in found} == refused
    assert answer.json()["counts"] == {
        "created": 3,
        "duplicate": linter.sent_again,
        "conflict": 1,
        "rejected": len(found) - 1,
    }
