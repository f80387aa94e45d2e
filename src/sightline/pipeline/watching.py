"""What arrives with one server key, for whoever builds the game: the newest, and whether anything is new."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sightline.pipeline.reading import allow
from sightline.security.access import Act, Caller
from sightline.store.arrival_counts import arrived_between
from sightline.store.database import Work
from sightline.store.sender_view import Arrived, newest

MOST = 100
"""Arrivals that are shown."""

LATE = timedelta(seconds=10)
"""How long after it was received an event may be committed and still be noticed as new by itself; a later one is
shown with the next news. Storing takes milliseconds."""

STALE = timedelta(minutes=1)
"""How old a mark may be: to look for news since then costs as much as to show everything."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
LONGEST_MARK = 40
"""Characters; a moment and a count need 20."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Until when somebody has looked, and how many arrivals of the last LATE before it were there to be seen."""

    at: datetime
    late: int

    def __str__(self) -> str:
        return f"{(self.at - EPOCH) // MICROSECOND}-{self.late}"


def read_mark(text: str, now: datetime) -> Mark | None:
    """The mark that was written so; None for what is none, and for one of the future or older than STALE."""
    micros, _, late = text.partition("-")
    if len(text) > LONGEST_MARK or not all(part.isascii() and part.isdigit() for part in (micros, late)):
        return None
    since = timedelta(microseconds=int(micros)) if len(micros) <= len("1777777777000000") else None
    if since is None or not now - STALE <= EPOCH + since <= now:
        return None
    return Mark(EPOCH + since, int(late))


async def marked(work: Work, developer: Caller, now: datetime) -> Mark:
    """The mark of a look that begins now; to be taken before the look, so that nothing falls between the two."""
    allow(developer, Act.READ_ARRIVALS, sent_by=str(developer.staff_id))
    return Mark(now, await arrived_between(work, *_key_of(developer), now - LATE, now))


async def anything_new(work: Work, developer: Caller, since: Mark) -> bool:
    """Whether anything arrived after the mark, or from before it was committed after it."""
    allow(developer, Act.READ_ARRIVALS, sent_by=str(developer.staff_id))
    key = _key_of(developer)
    if await arrived_between(work, *key, since.at):
        return True
    return await arrived_between(work, *key, since.at - LATE, since.at) != since.late


async def arrivals(work: Work, developer: Caller, now: datetime) -> list[Arrived]:
    """The newest arrivals of the developer's server key and of its launches, newest first, MOST of them."""
    allow(developer, Act.READ_ARRIVALS, sent_by=str(developer.staff_id))
    school_id, credential_id = _key_of(developer)
    return await newest(work, school_id, credential_id, student_id=None, launch_id=None, now=now, limit=MOST)


def _key_of(developer: Caller) -> tuple[UUID, UUID]:
    return developer.school_id, developer.staff_id
