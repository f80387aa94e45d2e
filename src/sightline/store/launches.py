"""Launches: which student's game may send until when, and by which server key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert

from sightline.store.database import Work
from sightline.store.schema import credentials, launches


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A stored launch. `credential_id` is the server key that made it; times have whole milliseconds."""

    school_id: UUID
    launch_id: UUID
    credential_id: UUID
    student_id: UUID
    game: str
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None


async def add_launch(work: Work, launch: Launch) -> bool:
    """Store a launch; False when one of this id is stored already, and stays as it is."""
    added = await work.execute(
        pg_insert(launches)
        .values({name: getattr(launch, name) for name in Launch.__slots__})
        .on_conflict_do_nothing()
        .returning(launches.c.launch_id)
    )
    return added.scalar_one_or_none() is not None


async def launch_of(work: Work, school_id: UUID, launch_id: UUID) -> Launch | None:
    found = await work.execute(
        select(launches).where(launches.c.school_id == school_id, launches.c.launch_id == launch_id)
    )
    row = found.mappings().one_or_none()
    return None if row is None else Launch(**row)


async def key_lives(work: Work, launch: Launch, now: datetime) -> bool:
    """Whether the server key that made the launch still works."""
    found = await work.execute(
        select(credentials.c.credential_id).where(
            credentials.c.school_id == launch.school_id,
            credentials.c.credential_id == launch.credential_id,
            credentials.c.ended_at.is_(None),
            or_(credentials.c.expires_at.is_(None), credentials.c.expires_at > now),
        )
    )
    return found.scalar_one_or_none() is not None


async def end_launch(work: Work, school_id: UUID, launch_id: UUID, now: datetime) -> bool:
    """End a launch; ended again, the first time stays. False when there is no such launch."""
    await work.execute(
        update(launches)
        .where(launches.c.school_id == school_id, launches.c.launch_id == launch_id, launches.c.ended_at.is_(None))
        .values(ended_at=now)
    )
    return await launch_of(work, school_id, launch_id) is not None
