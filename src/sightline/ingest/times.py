"""Times as senders state them: brought to UTC, corrected by the sender's clock, within what can be meant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta

CLOCK_TOLERANCE = timedelta(seconds=2)
FUTURE_TOLERANCE = timedelta(minutes=5)
EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


_FIRST_US = (datetime(MINYEAR, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_LAST_US = (datetime(MAXYEAR, 12, 31, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
EARLIEST_US = (EARLIEST - _EPOCH) // timedelta(microseconds=1)
FUTURE_US = FUTURE_TOLERANCE // timedelta(microseconds=1)
_TOLERANCE_US = CLOCK_TOLERANCE // timedelta(microseconds=1)


def microseconds(at: datetime) -> int:
    """Microseconds since 1970 UTC of an aware time; at the ends of the calendar, the end itself."""
    past = at - _EPOCH
    us = (past.days * 86_400 + past.seconds) * 1_000_000 + past.microseconds
    return us if _FIRST_US <= us <= _LAST_US else min(max(us, _FIRST_US), _LAST_US)


def moment(us: int) -> datetime:
    """The time in UTC of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=us)


def in_utc(stated: datetime) -> datetime:
    """The time in UTC; at the ends of the calendar, where an offset leads out of it, the end itself."""
    return moment(microseconds(stated))


@dataclass(frozen=True, slots=True)
class Clock:
    """When a request was received, and by how much the sender's clock is behind (0 within CLOCK_TOLERANCE)."""

    received_us: int
    shift_us: int


def clock_of(received_at: datetime, sent_at: datetime | None) -> Clock:
    """How to correct times: received - (sent - stated) when the sender's clock is off by more than tolerated."""
    received = microseconds(received_at)
    shift = 0 if sent_at is None else received - microseconds(sent_at)
    return Clock(received, shift if abs(shift) > _TOLERANCE_US else 0)
