"""Telemetry in: what each event of a request becomes, and the one transaction that stores a group of requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import msgspec

from sightline.ingest.event_types import KNOWN_TYPES
from sightline.ingest.events import Envelope, Reject, SentBatch, WireEvent, judge_one
from sightline.ingest.times import clock_of
from sightline.pipeline import jobs
from sightline.pipeline.roll import Roll
from sightline.pipeline.senders import Sender
from sightline.store import arrivals
from sightline.store.arrivals import KeptBatch, Key, RefusedEvent, batch_rows, event_rows, refused_rows_of
from sightline.store.database import Driver
from sightline.store.event_rows import EventRow, owner_of, pack, request_part
from sightline.store.exchange import Exchange

UNKNOWN_STUDENT = (
    "unknown_student",
    "/student_id",
    "no student of this school has this id; add the student to the roster, then send again",
)
NOT_OF_LAUNCH = (
    "student_of_another_launch",
    "/student_id",
    "this launch token is for one student, and the event names another; ask for a launch of that student",
)
OTHERS_SESSION = (
    "session_of_another_student",
    "/session_id",
    "this session belongs to another student; use a new session id for each student",
)
OTHER_CONTENT = (
    "same_id_other_content",
    "/event_id",
    "an event of this id with other content is stored and stays; give a new event a new id",
)
REFUSED = frozenset({"rejected", "conflict"})
UNSTORABLE = ("unstorable", "", "the database cannot hold this event; leave out unusual characters and numbers")


@dataclass(frozen=True, slots=True)
class EventResult:
    """What became of one event of a batch."""

    event_id: str | None
    status: str
    code: str | None = None
    pointer: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """The one shape of answer to events: status, counts, and results for what was not created."""

    status: str
    received_count: int
    batch_id: UUID | None
    message: str
    counts: Mapping[str, int]
    results: tuple[EventResult, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Arrival:
    """The events of one request, judged and packed as far as that goes without a database.

    `owners` are the distinct (session, student) pairs in the order of the events.
    """

    sender: Sender
    items: Sequence[EventRow | Reject]
    owners: tuple[tuple[UUID, UUID], ...]
    received_at: datetime
    envelope: Envelope | None
    verbose: bool


def arrival(
    sender: Sender,
    events: Iterable[WireEvent | bytes],
    *,
    envelope: Envelope | None,
    received_at: datetime,
    verbose: bool,
) -> Arrival:
    """Judge and pack the events of a request. One without an envelope has no `sent_at`: its time stands."""
    clock = clock_of(received_at, None if envelope is None else envelope.sent_at)
    request = request_part(sender.school_id, clock.received_us, sender.credential_id)
    items: list[EventRow | Reject] = []
    owners: dict[tuple[UUID, UUID], None] = {}
    session = student = -1  # as numbers: comparing those is what a loop over all events can afford
    owner = b""
    for event in events:
        taken = judge_one(event, clock)
        if isinstance(taken, Reject):
            items.append(taken)
            continue
        wire = taken.wire
        if wire.session_id.int != session or wire.student_id.int != student:
            if sender.student_id is not None and wire.student_id != sender.student_id:
                items.append(Reject(str(wire.event_id), *NOT_OF_LAUNCH))
                continue
            session, student = wire.session_id.int, wire.student_id.int
            owner = owner_of(wire)
            owners[wire.session_id, wire.student_id] = None
        items.append(pack(taken, owner, request))
    return Arrival(sender, items, tuple(owners), received_at, envelope, verbose)


def batch_arrival(sender: Sender, sent: SentBatch, *, received_at: datetime, verbose: bool) -> Arrival:
    return arrival(sender, sent.events, envelope=sent.envelope, received_at=received_at, verbose=verbose)


Fate = EventResult | None
"""What became of one item; None for an event that was created and has a type that the rules know: most of them."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of an arrival, and of each of its items in order."""

    answer: BatchAnswer
    fates: Sequence[Fate]


@dataclass(frozen=True, slots=True)
class Stored:
    """What a group's transaction did for each arrival; None for those whose sessions are held alone."""

    settled: list[Settled | None]
    owners: Mapping[Key, UUID]


class LongWay(Exception):
    """A group is not only new events for sessions that nobody closes: it takes more than one exchange."""


def store_new(driver: Driver, group: Sequence[Arrival], roll: Roll) -> Stored:
    """Store a group in one exchange with the database, as most can be; commits.

    Raises LongWay, psycopg.errors.UniqueViolation or psycopg.DataError, storing nothing, for any other group.
    """
    known = _students(driver, group, roll)
    rows = [item for one in group for item in one.items if isinstance(item, EventRow)]
    if len({row.event_id.int for row in rows}) != len(rows):
        raise LongWay
    fates: list[list[Fate]] = [[_created_or_rejected(item) for item in one.items] for one in group]
    answers = [_answer(*settled) for settled in zip(group, [one.items for one in group], fates, strict=True)]
    refused = refused_rows_of(_refused(group, fates))
    sittings, new, owners = _sittings(group, known, roll)
    with Exchange(driver) as exchange:
        grounds = exchange.ask(sittings, new, group[0].received_at, with_rejects=bool(refused))
        owners |= grounds.owners
        if grounds.busy or grounds.closed or any(_owned(one, known, owners) is not one.items for one in group):
            raise LongWay
        streams = [event_rows(rows), *([refused] if refused else []), batch_rows(_kept(group, answers))]
        exchange.write(*streams)
    return Stored([Settled(*done) for done in zip(answers, fates, strict=True)], owners)


def store_group(
    driver: Driver, group: Sequence[Arrival], roll: Roll, *, merge: bool, careful: bool = False
) -> Stored:
    """Store the events of several requests in one transaction, and what became of each.

    Without `merge` all events must be new: psycopg.errors.UniqueViolation says that one was not, and nothing is
    stored. `careful` finds out which rows the database refuses, one by one.
    """
    known = _students(driver, group, roll)
    sittings, new, remembered = _sittings(group, known, roll)
    grounds = arrivals.take_grounds(driver, list(sittings), new, group[0].received_at)
    owners = remembered | grounds.owners
    apart = [any((a.sender.school_id, session) in grounds.busy for session, _ in a.owners) for a in group]
    here = [a for a, alone in zip(group, apart, strict=True) if not alone]
    judged = [_owned(a, known, owners) for a in here]
    if careful:
        judged = [_storable(driver, items) for items in judged]
    fates = _append(driver, here, judged, merge=merge)
    late = _late(here, judged, fates) & grounds.closed if grounds.closed else set()
    for school, session in sorted(late):
        jobs.ask_extraction(driver, school, session)
    answers = [_answer(*settled) for settled in zip(here, judged, fates, strict=True)]
    arrivals.keep(driver, _kept(here, answers), _refused(here, fates))
    settled = iter([Settled(*done) for done in zip(answers, fates, strict=True)])
    return Stored([None if alone else next(settled) for alone in apart], owners)


def _sittings(
    group: Sequence[Arrival], known: set[Key], roll: Roll
) -> tuple[set[Key], dict[Key, UUID], dict[Key, UUID]]:
    """The sessions of a group; those that may be new, with whose they would be; whose the remembered ones are."""
    claims = _claims(group, known)
    remembered = {session: owner for session in claims if (owner := roll.owner(session)) is not None}
    new = {session: student for session, student in claims.items() if session not in remembered}
    return {(a.sender.school_id, session) for a in group for session, _ in a.owners}, new, remembered


def _students(driver: Driver, group: Sequence[Arrival], roll: Roll) -> set[Key]:
    """The (school, student) pairs of a group that are there."""
    named = {(a.sender.school_id, student) for a in group for _, student in a.owners}
    unsure = roll.unsure_students(named)
    if not unsure:
        return named
    asked = roll.now()
    there = arrivals.known_students(driver, unsure)
    roll.saw_students(there, asked)
    return (named - set(unsure)) | there


def _claims(group: Sequence[Arrival], known: set[Key]) -> dict[Key, UUID]:
    """Sessions with the first known student who names them: whose they are if they are new."""
    claims: dict[Key, UUID] = {}
    for one in group:
        school = one.sender.school_id
        for session, student in one.owners:
            if (school, student) in known:
                claims.setdefault((school, session), student)
    return claims


def _owned(one: Arrival, known: set[Key], owners: Mapping[Key, UUID]) -> Sequence[EventRow | Reject]:
    """The arrival's items, those of unknown students and of other students' sessions rejected."""
    school = one.sender.school_id
    refused: dict[tuple[UUID, UUID], tuple[str, str, str]] = {}
    for session, student in one.owners:
        if (school, student) not in known:
            refused[session, student] = UNKNOWN_STUDENT
        elif owners.get((school, session)) != student:
            refused[session, student] = OTHERS_SESSION
    if not refused:
        return one.items
    return [
        item
        if isinstance(item, Reject) or (why := refused.get((item.session_id, item.student_id))) is None
        else Reject(str(item.event_id), *why)
        for item in one.items
    ]


def _storable(driver: Driver, items: Sequence[EventRow | Reject]) -> list[EventRow | Reject]:
    refused = arrivals.refused_rows(driver, [item for item in items if isinstance(item, EventRow)])
    return [
        Reject(str(item.event_id), *UNSTORABLE)
        if isinstance(item, EventRow) and item.event_id in refused
        else item
        for item in items
    ]


def _append(
    driver: Driver, group: Sequence[Arrival], judged: Sequence[Sequence[EventRow | Reject]], *, merge: bool
) -> list[list[Fate]]:
    """Append what is new and say of each item what became of it."""
    rows = [item for items in judged for item in items if isinstance(item, EventRow)]
    if not merge and len({row.event_id.int for row in rows}) == len(rows):
        if rows:
            arrivals.copy_events(driver, rows)
        return [[_created_or_rejected(item) for item in items] for items in judged]
    first: dict[Key, EventRow] = {}
    for one, items in zip(group, judged, strict=True):
        for item in items:
            if isinstance(item, EventRow):
                first.setdefault((one.sender.school_id, item.event_id), item)
    if merge:
        created = arrivals.merge_events(driver, list(first.values()))
    else:
        arrivals.copy_events(driver, list(first.values()))
        created = set(first)
    stored = arrivals.stored_hashes(driver, sorted(first.keys() - created))
    said = {key: stored.get(key, row.content_hash) for key, row in first.items()}
    return [_fates(one.sender.school_id, items, created, said) for one, items in zip(group, judged, strict=True)]


def _created_or_rejected(item: EventRow | Reject) -> Fate:
    if isinstance(item, Reject):
        return EventResult(item.event_id, "rejected", item.code, item.pointer, item.detail)
    if item.event_type in KNOWN_TYPES:
        return None
    detail = "stored and counted, but no rule reads this type"
    return EventResult(str(item.event_id), "created", "unknown_type", None, detail)


def _fates(
    school: UUID, items: Sequence[EventRow | Reject], unseen: set[Key], said: Mapping[Key, bytes]
) -> list[Fate]:
    """What became of each item; the first of a new id is the one that was created, and leaves `unseen`."""
    fates: list[Fate] = []
    for item in items:
        if isinstance(item, Reject):
            fates.append(_created_or_rejected(item))
            continue
        key = (school, item.event_id)
        if key in unseen:
            unseen.remove(key)
            fates.append(_created_or_rejected(item))
        elif item.content_hash == said[key]:
            fates.append(EventResult(str(item.event_id), "duplicate"))
        else:
            fates.append(EventResult(str(item.event_id), "conflict", *OTHER_CONTENT))
    return fates


def _kept(group: Sequence[Arrival], answers: Sequence[BatchAnswer]) -> list[KeptBatch]:
    """What became of each batch, to be kept under its id."""
    return [
        KeptBatch(
            school_id=one.sender.school_id,
            batch_id=one.envelope.batch_id,
            credential_id=one.sender.credential_id,
            launch_id=one.sender.launch_id,
            received_at=one.received_at,
            client_version=one.envelope.client_version,
            answer=msgspec.json.encode(answer),
        )
        for one, answer in zip(group, answers, strict=True)
        if one.envelope is not None
    ]


def _refused(group: Sequence[Arrival], fates: Sequence[Sequence[Fate]]) -> list[RefusedEvent]:
    """Each event that was not taken, to be kept for its sender."""
    return [
        RefusedEvent(
            school_id=one.sender.school_id,
            credential_id=one.sender.credential_id,
            launch_id=one.sender.launch_id,
            batch_id=None if one.envelope is None else one.envelope.batch_id,
            received_at=one.received_at,
            event_id=fate.event_id,
            event_type=item.event_type if isinstance(item, EventRow) else None,
            code=fate.code or "",
            pointer=fate.pointer or "",
            detail=fate.detail or "",
        )
        for one, results in zip(group, fates, strict=True)
        for item, fate in zip(one.items, results, strict=True)
        if fate is not None and fate.status in REFUSED
    ]


def _late(
    group: Sequence[Arrival], judged: Sequence[Sequence[EventRow | Reject]], fates: Sequence[Sequence[Fate]]
) -> set[Key]:
    """Sessions that have got an event."""
    return {
        (one.sender.school_id, item.session_id)
        for one, items, results in zip(group, judged, fates, strict=True)
        for item, result in zip(items, results, strict=True)
        if isinstance(item, EventRow) and (result is None or result.status == "created")
    }


def _answer(one: Arrival, items: Sequence[EventRow | Reject], fates: Sequence[Fate]) -> BatchAnswer:
    seen = Counter("created" if fate is None else fate.status for fate in fates)
    counts = {status: seen[status] for status in ("created", "duplicate", "conflict", "rejected")}
    received = counts["created"] + counts["duplicate"]
    refused = counts["conflict"] + counts["rejected"]
    unknown = sum(fate is not None and fate.code == "unknown_type" for fate in fates)
    message = f"{received} of {len(fates)} events are stored"
    if refused:
        message += f"; {refused} are not, each with its reason in results"
    if unknown:
        message += f"; {unknown} have a type that no rule reads"
    if one.verbose:
        results = [
            EventResult(str(item.event_id), "created") if fate is None else fate
            for item, fate in zip(items, fates, strict=True)
        ]
    else:
        results = [fate for fate in fates if fate is not None and fate.status != "created"]
    return BatchAnswer(
        status="partial" if refused else "processed",
        received_count=received,
        batch_id=None if one.envelope is None else one.envelope.batch_id,
        message=message,
        counts=counts,
        results=tuple(results),
    )
