"""Who is there and whose each session is, remembered for seconds, so that not every event asks the database."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from uuid import UUID

from sightline.store.arrivals import Key

FRESH = 5.0
"""Seconds for which a yes is believed; a student who was removed is refused after that at the latest."""

MOST = 10_000
"""Entries of each kind; when there are more, all are forgotten and asked for again."""


class Roll:
    """Students and sessions of a process, each with the time at which it was asked for. A no is never kept."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self._students: dict[Key, float] = {}
        self._sessions: dict[Key, tuple[UUID, float]] = {}

    def unsure_students(self, named: Iterable[Key]) -> list[Key]:
        """Those that are not known to be there, in order."""
        since = self.now() - FRESH
        return sorted(key for key in named if self._students.get(key, since) <= since)

    def saw_students(self, there: Iterable[Key], asked: float) -> None:
        """Remember students that a question asked at that time has found."""
        if len(self._students) > MOST:
            self._students.clear()
        self._students.update(dict.fromkeys(there, asked))

    def owner(self, session: Key) -> UUID | None:
        """Whose a session is, if that was found out seconds ago."""
        found = self._sessions.get(session)
        return found[0] if found is not None and found[1] > self.now() - FRESH else None

    def saw_sessions(self, owners: Mapping[Key, UUID], asked: float) -> None:
        """Remember whose sessions are, once the transaction that found or made them is committed."""
        if len(self._sessions) > MOST:
            self._sessions.clear()
        self._sessions.update({session: (owner, asked) for session, owner in owners.items()})
