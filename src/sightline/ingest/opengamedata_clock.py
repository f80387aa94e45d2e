"""When an OpenGameData event really happened: each logger writes its clock in its own way.

All write `client_time` as `2026-03-01 09:30:00.123Z` and an offset from UTC, east positive, as `h:mm:ss`. But the
browser logger writes *local* time there and an hour without a leading zero (`-5:00:00`, `1:00:00`); the Unity
logger writes true UTC and an hour of two digits (`-05:00:00`). Where both write the same (from ten hours on),
the session id tells: its first 12 digits are the local time of the session's start, with months counted from 0
in the browser and from 1 in Unity. The Godot logger writes an honest offset behind the time; the oldest loggers
write true UTC without an offset, or seconds since 1970. (Behaviour read in the loggers' public sources.)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

STAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?\s*(Z|UTC|[+-]\d\d:?\d\d)?", re.IGNORECASE
)
OFFSET = re.compile(r"(-?)(\d{1,2}):(-?)(\d{1,2})(?::(-?)(\d{1,2}))?")
START = re.compile(r"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)\d{5}")
FARTHEST = timedelta(hours=14)
"""No place on Earth is farther from UTC than this."""

MILLISECONDS_FROM = 1e11
"""Seconds since 1970 reach this in the year 5138; a larger number counts milliseconds."""


class Clock(StrEnum):
    """How a time was read; kept with the event, so that a wrong reading can be found later."""

    LOCAL = "local"
    UTC = "utc"
    STATED = "stated"
    EPOCH = "epoch"
    NO_OFFSET = "utc_without_offset"
    UNREADABLE_OFFSET = "utc_as_offset_is_unreadable"


@dataclass(frozen=True, slots=True)
class Offset:
    """East of UTC; `bare` when its hour has a single digit, which only the browser logger writes."""

    east: timedelta
    bare: bool


def read_offset(value: object) -> Offset | None:
    """The offset as a logger writes it, None when it is none. The number 0 is UTC; other numbers have no unit."""
    if isinstance(value, int | float):
        return Offset(timedelta(0), bare=False) if value == 0 else None
    found = OFFSET.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return None
    size = timedelta(hours=int(found[2]), minutes=int(found[4]), seconds=int(found[6] or 0))
    if size > FARTHEST:
        return None
    west = "-" in {found[1], found[3], found[5]}
    return Offset(-size if west else size, bare=len(found[2]) == 1)


def read_time(stamp: object, offset: object, session: str) -> tuple[datetime, Clock] | None:
    """The true time in UTC and how it was read; None for what is no time."""
    try:
        if isinstance(stamp, int | float) and not isinstance(stamp, bool):
            seconds = stamp / 1000 if stamp >= MILLISECONDS_FROM else stamp
            return datetime.fromtimestamp(seconds, UTC), Clock.EPOCH
        found = STAMP.fullmatch(stamp.strip()) if isinstance(stamp, str) else None
        if found is None:
            return None
        micro = int((found[7] or "0").ljust(6, "0")[:6])
        written = datetime(*(int(found[i]) for i in range(1, 7)), micro, tzinfo=UTC)  # type: ignore[arg-type, misc]
        return _corrected(written, found[8] or "Z", offset, session)
    except (ValueError, OverflowError, OSError):
        return None


def _corrected(written: datetime, zone: str, offset: object, session: str) -> tuple[datetime, Clock]:
    if zone[0] in "+-":
        size = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
        return written - size if zone[0] == "+" else written + size, Clock.STATED
    if offset is None or offset == "":
        return written, Clock.NO_OFFSET
    read = read_offset(offset)
    if read is None:
        return written, Clock.UNREADABLE_OFFSET
    if is_local(written, read, session):
        return written - read.east, Clock.LOCAL
    return written, Clock.UTC


def is_local(written: datetime, offset: Offset, session: str) -> bool:
    """True when the time is the browser logger's local time, False when it is Unity's UTC."""
    if offset.bare:
        return True
    if abs(offset.east) < timedelta(hours=10):
        return False
    browser = _start(session, first_month=0)
    unity = _start(session, first_month=1)
    if browser is None or unity is None:
        return unity is None
    return abs(written - browser) <= abs(written + offset.east - unity)


def _start(session: str, *, first_month: int) -> datetime | None:
    """The local time at which the session began, by its id; None when the id holds no such time."""
    found = START.fullmatch(session)
    if found is None:
        return None
    year, month, *rest = (int(part) for part in found.groups())
    try:
        return datetime(2000 + year, month + 1 - first_month, *rest, tzinfo=UTC)  # type: ignore[arg-type, misc]
    except ValueError:
        return None
