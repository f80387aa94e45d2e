"""What a sender may read of its own events: those that were not taken, and the newest of all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, true

from sightline.store.database import Work
from sightline.store.schema import batches, events, rejects

KEPT = timedelta(days=30)
"""How long rejects, and what became of batches, are kept for their sender."""

LOOKS = (timedelta(seconds=10), timedelta(minutes=10), timedelta(days=1), timedelta(days=30))
"""How far back the newest events are looked for, step by step: the index on arrival is coarse."""


@dataclass(frozen=True, slots=True)
class KeptReject:
    """A rejected event as its sender may read it."""

    reject_id: int
    batch_id: UUID | None
    received_at: datetime
    event_id: str | None
    event_type: str | None
    code: str
    pointer: str
    detail: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """An event that came, stored (`code` is None) or not."""

    received_at: datetime
    event_id: str | None
    event_type: str | None
    session_id: UUID | None = None
    sequence: int | None = None
    data: dict[str, Any] | None = None
    code: str | None = None
    pointer: str | None = None
    detail: str | None = None


async def forget_old(work: Work, now: datetime) -> None:
    """Remove rejects and answers to batches that are older than KEPT."""
    for table in (rejects, batches):
        await work.execute(delete(table).where(table.c.received_at < now - KEPT))


async def rejects_of(
    work: Work, school_id: UUID, credential_id: UUID, *, launch_id: UUID | None, after: int, limit: int
) -> list[KeptReject]:
    """Rejects of one credential, or of one launch of it, with an id above `after`, oldest first."""
    found = await work.execute(
        select(rejects)
        .where(*_sent_by(school_id, credential_id, launch_id), rejects.c.reject_id > after)
        .order_by(rejects.c.reject_id)
        .limit(limit)
    )
    return [
        KeptReject(r.reject_id, r.batch_id, r.received_at, r.event_id, r.event_type, r.code, r.pointer, r.detail)
        for r in found
    ]


def _sent_by(school_id: UUID, credential_id: UUID, launch_id: UUID | None) -> tuple[Any, ...]:
    return (
        rejects.c.school_id == school_id,
        rejects.c.credential_id == credential_id,
        true() if launch_id is None else rejects.c.launch_id == launch_id,
    )


async def newest(
    work: Work,
    school_id: UUID,
    credential_id: UUID,
    *,
    student_id: UUID | None,
    launch_id: UUID | None,
    now: datetime,
    limit: int,
) -> list[Arrived]:
    """The newest events of a credential, newest first: those of one student, or of all that it sent."""
    stored: list[Arrived] = []
    for back in LOOKS:
        found = await work.execute(
            select(events)
            .where(
                events.c.school_id == school_id,
                events.c.sent_by == credential_id,
                events.c.received_at > now - back,
                true() if student_id is None else events.c.student_id == student_id,
            )
            .order_by(events.c.received_at.desc(), events.c.sequence.desc().nulls_last(), events.c.event_id)
            .limit(limit)
        )
        stored = [
            Arrived(e.received_at, str(e.event_id), e.event_type, e.session_id, e.sequence, e.data) for e in found
        ]
        if len(stored) == limit:
            break
    refused = await work.execute(
        select(rejects)
        .where(*_sent_by(school_id, credential_id, launch_id))
        .order_by(rejects.c.reject_id.desc())
        .limit(limit)
    )
    everything = stored + [
        Arrived(r.received_at, r.event_id, r.event_type, code=r.code, pointer=r.pointer, detail=r.detail)
        for r in refused
    ]
    return sorted(everything, key=lambda a: a.received_at, reverse=True)[:limit]
