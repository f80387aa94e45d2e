"""Parameter cards that schools use: appended; the newest of a school is the one it uses."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import insert, select

from sightline.store.database import Work
from sightline.store.schema import cards


class CardInUse(NamedTuple):
    """The bytes of a card as they were published, and the entry that put it to use."""

    entry: int
    content: bytes


async def use_card(work: Work, school_id: UUID, *, version: str, content: bytes, at: datetime) -> None:
    """Let a school use a card from now on; what was assessed with another one stays as it is."""
    await work.execute(insert(cards).values(school_id=school_id, version=version, content=content, used_from=at))


async def card_in_use(work: Work, school_id: UUID) -> CardInUse | None:
    """None for a school that never chose a card."""
    row = (
        await work.execute(
            select(cards.c.entry, cards.c.content)
            .where(cards.c.school_id == school_id)
            .order_by(cards.c.entry.desc())
            .limit(1)
        )
    ).one_or_none()
    return None if row is None else CardInUse(row.entry, bytes(row.content))
