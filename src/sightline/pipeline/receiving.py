"""Telemetry in: one request is one transaction, and what is answered is committed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sightline.domain.records import Event
from sightline.errors import NOTHING_HERE, NotFound
from sightline.ingest.event_types import KNOWN_TYPES
from sightline.ingest.events import Reject, WireBatch, content_hash, read_event
from sightline.pipeline import jobs
from sightline.pipeline.scoring import SessionExtract, extract_session
from sightline.store import people, telemetry
from sightline.store.database import Work


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
class Sender:
    """The credential that sends, and its school."""

    school_id: UUID
    credential_id: UUID


async def receive_batch(
    work: Work, sender: Sender, batch: WireBatch, *, received_at: datetime, verbose: bool
) -> BatchAnswer:
    """Store a batch, each event judged alone, and keep what became of it under its id."""
    answer = await _receive(
        work,
        sender,
        [bytes(raw) for raw in batch.events],
        batch_id=batch.batch_id,
        sent_at=batch.sent_at,
        received_at=received_at,
        verbose=verbose,
    )
    await telemetry.add_batch(
        work,
        sender.school_id,
        sender.credential_id,
        batch_id=batch.batch_id,
        received_at=received_at,
        client_version=batch.client_version,
        answer=asdict(answer),
    )
    return answer


async def receive_event(work: Work, sender: Sender, raw: bytes, *, received_at: datetime) -> BatchAnswer:
    """Store a single event; it has no `sent_at`, so its time stands as stated."""
    return await _receive(work, sender, [raw], batch_id=None, sent_at=None, received_at=received_at, verbose=True)


async def _receive(
    work: Work,
    sender: Sender,
    raws: Sequence[bytes],
    *,
    batch_id: UUID | None,
    sent_at: datetime | None,
    received_at: datetime,
    verbose: bool,
) -> BatchAnswer:
    judged: list[Event | Reject] = [read_event(raw, received_at=received_at, sent_at=sent_at) for raw in raws]
    judged = await _checked(work, sender.school_id, judged, received_at)
    first: dict[UUID, tuple[Event, bytes]] = {}
    hashes: list[bytes | None] = []
    for one in judged:
        if isinstance(one, Reject):
            hashes.append(None)
            continue
        said = content_hash(one)
        hashes.append(said)
        first.setdefault(one.event_id, (one, said))
    fresh, stored = await telemetry.add_events(work, sender.school_id, list(first.values()), received_at)
    results = _results(judged, hashes, fresh, stored, {k: said for k, (_, said) in first.items()})
    await _keep_rejects(work, sender, batch_id, received_at, results)
    await _recompute_closed(work, sender.school_id, [first[i][0] for i in sorted(fresh)])
    return _answer(batch_id, results, verbose=verbose)


async def _checked(
    work: Work, school_id: UUID, judged: Sequence[Event | Reject], received_at: datetime
) -> list[Event | Reject]:
    """Reject events of unknown students and of other students' sessions; make the sessions that are new."""
    good = [e for e in judged if isinstance(e, Event)]
    known = await people.known_students(work, school_id, {e.student_id for e in good})
    owners: dict[UUID, UUID] = {}
    for event in good:
        if event.student_id in known:
            owners.setdefault(event.session_id, event.student_id)
    await telemetry.hold_sittings(work, school_id, list(owners), alone=False)
    states = await telemetry.open_sessions(work, school_id, owners, received_at)
    checked: list[Event | Reject] = []
    for one in judged:
        if isinstance(one, Reject):
            checked.append(one)
        elif one.student_id not in known:
            checked.append(
                Reject(
                    str(one.event_id),
                    "unknown_student",
                    "/student_id",
                    "no student of this school has this id; add the student to the roster, then send again",
                )
            )
        elif states[one.session_id].student_id != one.student_id:
            checked.append(
                Reject(
                    str(one.event_id),
                    "session_of_another_student",
                    "/session_id",
                    "this session belongs to another student; use a new session id for each student",
                )
            )
        else:
            checked.append(one)
    return checked


def _results(
    judged: Sequence[Event | Reject],
    hashes: Sequence[bytes | None],
    fresh: set[UUID],
    stored: Mapping[UUID, bytes],
    first_said: Mapping[UUID, bytes],
) -> list[EventResult]:
    unseen = set(fresh)
    results: list[EventResult] = []
    for one, said in zip(judged, hashes, strict=True):
        if isinstance(one, Reject):
            results.append(EventResult(one.event_id, "rejected", one.code, one.pointer, one.detail))
        elif one.event_id in unseen:
            unseen.remove(one.event_id)
            note = None if one.event_type in KNOWN_TYPES else "unknown_type"
            detail = None if note is None else "stored and counted, but no rule reads this type"
            results.append(EventResult(str(one.event_id), "created", note, None, detail))
        elif said == stored.get(one.event_id, first_said[one.event_id]):
            results.append(EventResult(str(one.event_id), "duplicate"))
        else:
            results.append(
                EventResult(
                    str(one.event_id),
                    "conflict",
                    "same_id_other_content",
                    "/event_id",
                    "an event of this id with other content is stored and stays; give a new event a new id",
                )
            )
    return results


async def _keep_rejects(
    work: Work, sender: Sender, batch_id: UUID | None, received_at: datetime, results: Sequence[EventResult]
) -> None:
    await telemetry.keep_rejects(
        work,
        [
            {
                "school_id": sender.school_id,
                "credential_id": sender.credential_id,
                "batch_id": batch_id,
                "received_at": received_at,
                "event_id": r.event_id,
                "code": r.code,
                "pointer": r.pointer or "",
                "detail": r.detail,
            }
            for r in results
            if r.status in {"rejected", "conflict"}
        ],
    )


async def _recompute_closed(work: Work, school_id: UUID, created: Sequence[Event]) -> None:
    """Late events reopen nothing; their sessions' observables are recomputed by a job."""
    states = await telemetry.session_states(work, school_id, sorted({e.session_id for e in created}))
    for state in states:
        if state.closed_at is not None:
            await jobs.ask_extraction(work, school_id, state.session_id)


def _answer(batch_id: UUID | None, results: Sequence[EventResult], *, verbose: bool) -> BatchAnswer:
    seen = Counter(r.status for r in results)
    counts = {status: seen[status] for status in ("created", "duplicate", "conflict", "rejected")}
    received = counts["created"] + counts["duplicate"]
    refused = counts["conflict"] + counts["rejected"]
    unknown = sum(r.code == "unknown_type" for r in results)
    message = f"{received} of {len(results)} events are stored"
    if refused:
        message += f"; {refused} are not, each with its reason in results"
    if unknown:
        message += f"; {unknown} have a type that no rule reads"
    return BatchAnswer(
        status="partial" if refused else "processed",
        received_count=received,
        batch_id=batch_id,
        message=message,
        counts=counts,
        results=tuple(r for r in results if verbose or r.status != "created"),
    )


async def close_idle_session(
    work: Work, school_id: UUID, session_id: UUID, *, now: datetime, idle: timedelta
) -> None:
    """Close a session unless an event came, or somebody closed it, since it was found idle."""
    await telemetry.hold_sittings(work, school_id, [session_id], alone=True)
    if (school_id, session_id) in await telemetry.idle_sessions(work, now - idle, session_id=session_id):
        await close_session(work, school_id, session_id, now=now, reason="idle")


async def close_session(
    work: Work, school_id: UUID, session_id: UUID, *, now: datetime, reason: str
) -> SessionExtract:
    """Close a session and extract its observables; closing again gives the same answer.

    Raises NotFound for a session of which no event is stored.
    """
    await telemetry.hold_sittings(work, school_id, [session_id], alone=True)
    if not await telemetry.session_states(work, school_id, [session_id]):
        raise NotFound(NOTHING_HERE)
    await telemetry.close_session(work, school_id, session_id, now, reason)
    extract = await extract_session(work, school_id, session_id, now=now)
    await jobs.ask_rescore(work, school_id, now)
    return extract
