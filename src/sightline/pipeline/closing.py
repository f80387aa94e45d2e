"""The end of a session: closed once, extracted in the same transaction; late events only recompute."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sightline.errors import NOTHING_HERE, NotFound
from sightline.pipeline import jobs
from sightline.pipeline.scoring import SessionExtract, extract_session
from sightline.store import telemetry
from sightline.store.database import Work


async def close_idle_session(
    work: Work, school_id: UUID, session_id: UUID, *, now: datetime, idle: timedelta
) -> None:
    """Close a session unless an event came, or somebody closed it, since it was found idle."""
    await telemetry.hold_sittings(work, school_id, [session_id], alone=True)
    if (school_id, session_id) in await telemetry.idle_sessions(work, now - idle, session_id=session_id):
        await close_session(work, school_id, session_id, now=now, reason="idle")


async def close_session(
    work: Work,
    school_id: UUID,
    session_id: UUID,
    *,
    now: datetime,
    reason: str,
    student_id: UUID | None = None,
) -> SessionExtract:
    """Close a session and extract its observables; closing again gives the same answer.

    With a student, only a session of that student. Raises NotFound for a session of which no event is stored.
    """
    await telemetry.hold_sittings(work, school_id, [session_id], alone=True)
    states = await telemetry.session_states(work, school_id, [session_id])
    if not states or student_id not in {None, states[0].student_id}:
        raise NotFound(NOTHING_HERE)
    await telemetry.close_session(work, school_id, session_id, now, reason)
    extract = await extract_session(work, school_id, session_id, now=now)
    await jobs.ask_update(work, school_id, extract.session.student_id)
    await jobs.ask_rescore(work, school_id, now)
    return extract
