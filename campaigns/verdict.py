"""What a campaign of kills must find afterwards, told from its input and its clients' journals, not from the product.

    input (plays) + journals (what was answered)  ──>  what must be stored        compared with the tables
    the same input into a second database         ──>  what must be estimated     compared byte by byte

An event is known by its session and its number in it, which stands in its data: so one that is stored twice under
two ids is seen, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import psycopg

from campaigns.plays import (
    CLIENTS,
    NTH,
    Request,
    Wire,
    requests,
    school_id,
    school_of_client,
    students_of_client,
)
from campaigns.senders import Answered, journal

EVENTS = """
select event_id::text, student_id::text, session_id::text, event_type, stated_at, occurred_at, sequence, mission_id, data
from events where school_id = %s and student_id = any(%s)
"""
SESSIONS = "select session_id::text from sessions where school_id = %s and student_id = any(%s)"
CLOSED = """
select session_id::text from closures natural join sessions where school_id = %s and student_id = any(%s)
"""
STATUSES = """
select distinct on (batch_id) batch_id::text, answer->>'status', (answer->>'received_count')::int
from batches where school_id = %s order by batch_id, attempt desc
"""
EXTRACTED = "select sitting_id::text from extractions where school_id = %s and student_id = any(%s) group by 1"
SAID_TWICE = (
    """
    select count(*) from extractions a join extractions b using (school_id, sitting_id, student_id, catalog_version)
    where b.revision = a.revision + 1 and a.content_hash = b.content_hash
    """,
    """
    select count(*) from (
        select content_hash, lag(content_hash) over (partition by school_id, student_id order by entry) as before
        from assessments
    ) found where content_hash = before
    """,
    """
    select count(*) - count(distinct (school_id, version, catalog_version)) from norms
    """,
)
"""Revisions of a sitting, assessments of a student and norms that say what was said before: a job done twice."""

NEWEST = """
with newest as (
    select distinct on (school_id, sitting_id, student_id, catalog_version) * from extractions
    order by school_id, sitting_id, student_id, catalog_version, revision desc
)
"""
RESULTS: Mapping[str, str] = {
    "assessments": """
        select * from (
            select distinct on (school_id, student_id) school_id, student_id, as_of, card_version, catalog_version,
                norms_version, encode(content_hash, 'hex'), summary::text, body::text
            from assessments order by school_id, student_id, entry desc
        ) found order by 1, 2
    """,
    "extractions": f"""
        {NEWEST}
        select school_id, sitting_id, student_id, catalog_version, source, fingerprint, absences::text,
            case when source = 'teacher' then null else encode(content_hash, 'hex') end
        from newest order by 1, 2, 3, 4
    """,  # noqa: S608 - a constant of this file
    "observables": f"""
        {NEWEST}
        select o.school_id, o.sitting_id, o.student_id, o.catalog_version, o.indicator,
            o.at, o.value::text, o.opportunities, o.counted, o.exposure::text,
            case when o.source = 'teacher' then null else o.observable_id end,
            case when o.source = 'teacher' then null else o.moments::text end
        from newest join observables o using (school_id, sitting_id, student_id, catalog_version, revision)
        order by 1, 2, 3, 4, 5
    """,  # noqa: S608 - a constant of this file
    "sessions": """
        select school_id, session_id, student_id, reason from sessions left join closures using (school_id, session_id)
        order by 1, 2
    """,
    "transcripts": """
        select school_id, transcript_id, recorded_at, (
            select string_agg(position || ' ' || speaker || ': ' || text, E'\\n' order by position)
            from utterances u where (u.school_id, u.transcript_id) = (t.school_id, t.transcript_id)
        ) from transcripts t order by 1, 2
    """,
    "ratings": """
        select school_id, rater_id, student_id, skill, level, occasion, rated_at from ratings order by 1, 2, 3, 6, 4
    """,
}
"""Everything that follows from the input and from nothing else: no clock, no order of arrival. The ids of ratings
are drawn by the server, so the observables of ratings are compared without the ids that are made from them."""


class Input(Protocol):
    """What a run was given to send."""

    @property
    def seed(self) -> int: ...

    @property
    def everything(self) -> bool: ...


@dataclass(slots=True)
class Verdict:
    """Counts of what was found; `broken` says which promises do not hold."""

    answered: int = 0
    resent: int = 0
    refused: int = 0
    unclear: int = 0
    lost: int = 0
    doubled: int = 0
    strange: int = 0
    moved: int = 0
    half_sessions: int = 0
    unextracted: int = 0
    said_twice: int = 0
    statuses_wrong: int = 0
    restless: int = 0
    different: Counter[str] = field(default_factory=Counter)
    compared: int = 0
    stalled: str = ""
    complaints: list[str] = field(default_factory=list)

    def losses(self) -> list[str]:
        """One sentence for each promise about what was sent that does not hold."""
        found = [
            (self.lost, "answered events are not stored as they were sent"),
            (self.doubled, "events are stored twice"),
            (self.strange, "events are stored that nobody sent"),
            (self.refused, "requests were refused that had to be taken"),
            (self.moved, "events stand at another time than the one that was stated by a right clock"),
            (self.half_sessions, "sessions are not whole"),
            (self.unextracted, "closed sessions have no observables"),
            (self.statuses_wrong, "answered batches do not have their status"),
        ]
        return [f"{number:,} {what}" for number, what in found if number]

    def broken(self) -> list[str]:
        """One sentence for each promise that does not hold; empty when all do."""
        found = [
            (self.said_twice, "revisions say what the one before said already"),
            (self.restless, "jobs never come to rest"),
            (self.different.total(), f"rows differ from the undisturbed run: {dict(self.different)}"),
        ]
        said = self.losses() + [f"{number:,} {what}" for number, what in found if number]
        if self.stalled:
            said.append(self.stalled)
        elif not self.compared:
            said.append("nothing was compared with the undisturbed run")
        return said


def judge(verdict: Verdict, url: str, orders: Input, folder: Path) -> None:
    """Compare the tables with the input and the journals; adds to the verdict."""
    with psycopg.connect(url, autocommit=True) as connection:
        for client in range(CLIENTS):
            answers = journal(folder, client)
            stream = requests(orders.seed, client, everything=orders.everything)
            asked = list(islice(stream, len(answers) + 1))
            _judge_client(verdict, connection, orders.seed, client, asked, answers)


def judge_jobs(verdict: Verdict, url: str) -> None:
    """What the jobs left behind: each effect once. Adds to the verdict."""
    with psycopg.connect(url, autocommit=True) as connection:
        verdict.said_twice = sum(int(_rows(connection, query)[0][0]) for query in SAID_TWICE)


def _rows(connection: psycopg.Connection, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    return connection.execute(query.encode(), parameters).fetchall()


def _judge_client(
    verdict: Verdict,
    connection: psycopg.Connection,
    seed: int,
    client: int,
    asked: Sequence[Request],
    answers: Sequence[Answered],
) -> None:
    """`asked` holds one request more than was answered: the one that may have been on its way."""
    for answer, request in zip(answers, asked, strict=False):
        verdict.resent += answer.sent - 1
        verdict.unclear += answer.unclear
        stored = answer.counts.created + answer.counts.duplicate
        if stored != len(request.events) or answer.complaint:
            verdict.refused += 1
            verdict.complaints.append(f"{request.kind} {answer.status} {answer.complaint[:200]}")
    certain, possible = list(asked[: len(answers)]), {_key(e): e for r in asked for e in r.events}
    where = (school_id(seed, school_of_client(client)), students_of_client(seed, client))
    found: Counter[tuple[str, int]] = Counter()
    ids: Counter[str] = Counter()
    wrong: set[tuple[str, int]] = set()
    for row in _rows(connection, EVENTS, *where):
        key = (row[2], row[8].get(NTH, 0))
        found[key] += 1
        ids[row[0]] += 1
        sent = possible.get(key)
        if sent is None:
            verdict.strange += 1
        elif not _says(row, sent):
            wrong.add(key)
        verdict.moved += row[4] != row[5]
    answered = [_key(e) for r in certain for e in r.events]
    verdict.answered += len(answered)
    lost = {key for key in answered if not found[key] or key in wrong}
    verdict.lost += len(lost)
    verdict.doubled += max(found.total() - len(found), ids.total() - len(ids))
    _judge_sessions(verdict, connection, where, certain, lost)
    _judge_statuses(verdict, connection, where[0], certain)


def _judge_sessions(
    verdict: Verdict,
    connection: psycopg.Connection,
    where: tuple[Any, ...],
    certain: Sequence[Request],
    lost: set[tuple[str, int]],
) -> None:
    there = {row[0] for row in _rows(connection, SESSIONS, *where)}
    closed = {row[0] for row in _rows(connection, CLOSED, *where)}
    extracted = {row[0] for row in _rows(connection, EXTRACTED, *where)}
    played = {e["session_id"] for r in certain for e in r.events}
    asked_to_close = {r.key for r in certain if r.kind == "close"}
    halves = (played - there) | (asked_to_close - closed) | {session for session, _ in lost}
    verdict.half_sessions += len(halves)
    verdict.unextracted += len(asked_to_close - extracted)


def _judge_statuses(
    verdict: Verdict, connection: psycopg.Connection, school: object, certain: Sequence[Request]
) -> None:
    statuses = {row[0]: (row[1], row[2]) for row in _rows(connection, STATUSES, school)}
    for request in certain:
        if request.kind == "batch" and statuses.get(request.key) != ("processed", len(request.events)):
            verdict.statuses_wrong += 1


def _key(event: Wire) -> tuple[str, int]:
    return event["session_id"], event["data"][NTH]


def _says(row: tuple[Any, ...], sent: Wire) -> bool:
    """Whether a stored row says what was sent; its id is looked at elsewhere."""
    _, student, _, event_type, stated_at, _, sequence, mission, data = row
    return bool(
        student == sent["student_id"]
        and event_type == sent["event_type"]
        and stated_at == datetime.fromisoformat(sent["timestamp"])
        and sequence == sent.get("sequence")
        and mission == sent.get("mission_id")
        and data == sent["data"]
    )


def compare(verdict: Verdict, disturbed: str, undisturbed: str) -> None:
    """Compare the results in two databases row by row, as text."""
    with psycopg.connect(disturbed) as left, psycopg.connect(undisturbed) as right:
        for name, query in RESULTS.items():
            here, there = (Counter(_rows(connection, query)) for connection in (left, right))
            verdict.compared += here.total()
            verdict.different[name] += max((here - there).total(), (there - here).total())
