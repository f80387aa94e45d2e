"""How many events of a sender came between two moments: what tells whether there is anything new to show."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from sightline.store.database import Work
from sightline.store.schema import events, rejects


async def arrived_between(
    work: Work, school_id: UUID, credential_id: UUID, after: datetime, until: datetime | None = None
) -> int:
    """Events of a credential, stored or not, that were received later than `after`, up to and with `until`.

    It costs what lies between the two moments, however long the table is: the index on arrival leads there.
    """
    stored = select(func.count()).where(
        events.c.school_id == school_id, events.c.sent_by == credential_id, events.c.received_at > after
    )
    refused = select(func.count()).where(
        rejects.c.school_id == school_id, rejects.c.credential_id == credential_id, rejects.c.received_at > after
    )
    if until is not None:
        stored, refused = (
            stored.where(events.c.received_at <= until),
            refused.where(rejects.c.received_at <= until),
        )
    found = await work.execute(select(stored.scalar_subquery() + refused.scalar_subquery()))
    return int(found.scalar_one())
