"""What a device knows of time: a clock that may be wrong and may be set, and the time since it was started.

A tablet that comes online sets its clock, and an event recorded before then carries the old clock's time. The
time since the device was started takes no part in that. So each event keeps both, and a batch states its time of
sending by the clock of its events: the server computes received - (sent - stated), in which any error cancels.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

SAME_CLOCK = 0.25
"""Seconds by which events of one batch may differ in wall clock minus uptime. A step that is smaller stays in the
times; the server lets errors up to 2 s stand anyway."""

Uptime = tuple[str, float]
"""The name of this start of the device, and the seconds since then, sleep included."""


@cache
def _this_boot() -> str | None:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None


def device_uptime() -> Uptime | None:
    """Uptime on Linux (and Android); None on systems that do not name their starts.

    CLOCK_BOOTTIME and not CLOCK_MONOTONIC: the latter stands still while a tablet sleeps, and eight hours in a
    school bag would look like a clock that was set by eight hours.
    """
    boot = _this_boot()
    if boot is None or not hasattr(time, "CLOCK_BOOTTIME"):
        return None
    return boot, time.clock_gettime(time.CLOCK_BOOTTIME)


def no_uptime() -> Uptime | None:
    """For devices (and tests) on which the time since the start is not to be used."""
    return None


def wall_clock() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment as the device saw it; `boot` and `uptime` (seconds) are both there or both None."""

    wall: datetime
    boot: str | None = None
    uptime: float | None = None

    def by_the_clock_of(self, other: Instant) -> datetime:
        """The same moment as the clock that stamped `other` would show it, had nobody set it since.

        Without a common start of the device there is no telling, and the clock is believed to be as wrong as
        it was; so too when the uptime went back, as it does in a machine that was set back to a copy.
        """
        if self.uptime is None or other.uptime is None or self.boot != other.boot or self.uptime < other.uptime:
            return self.wall
        return other.wall + timedelta(seconds=self.uptime - other.uptime)

    def same_clock(self, other: Instant) -> bool:
        """Whether nobody set the clock between the two, as far as can be known."""
        if self.boot != other.boot:
            return False
        if self.uptime is None or other.uptime is None:
            return True
        between = (self.wall - other.wall).total_seconds()
        return abs(between - (self.uptime - other.uptime)) <= SAME_CLOCK


@dataclass(frozen=True, slots=True)
class Clocks:
    """Where time comes from; tests give their own.

    wall: the device's clock, with an offset; uptime: see `device_uptime`, and whoever replaces `wall` replaces it
    too; timer: seconds that only grow, for waits; sleep: how `flush` waits without a background thread.
    """

    wall: Callable[[], datetime] = wall_clock
    uptime: Callable[[], Uptime | None] = device_uptime
    timer: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def now(self) -> Instant:
        """Raises ValueError for a wall clock without an offset: its times would say nothing."""
        since_start = self.uptime()
        wall = self.wall()
        if wall.utcoffset() is None:
            raise ValueError("the wall clock gives times without an offset; use datetime.now(UTC)")
        boot, uptime = (None, None) if since_start is None else since_start
        return Instant(wall.astimezone(UTC), boot, uptime)
