"""What is received and kept: events, sessions, conversations, ratings. All times are aware and in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sightline.domain.skills import Skill


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing one student did in a game.

    `stated_at` is the client's clock, `occurred_at` the same moment corrected for that clock.
    """

    event_id: UUID
    student_id: UUID
    session_id: UUID
    event_type: str
    stated_at: datetime
    occurred_at: datetime
    data: Mapping[str, object]
    mission_id: str | None = None
    game_version: str | None = None
    sequence: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One student's events in one sitting, in order (`ingest.sessions` knows the order)."""

    session_id: UUID
    student_id: UUID
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """One speaker's turn. `student_id` is empty for adults and for speakers nobody has resolved."""

    utterance_id: UUID
    position: int
    speaker: str
    student_id: UUID | None
    starts_at: datetime
    ends_at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One transcript: the turns of one talk in order, with the students who took part."""

    transcript_id: UUID
    utterances: tuple[Utterance, ...]

    @property
    def students(self) -> tuple[UUID, ...]:
        return tuple(sorted({u.student_id for u in self.utterances if u.student_id is not None}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """A level from 1 to 4 that a teacher gave on a rubric; `level` None means "not seen"."""

    rating_id: UUID
    rater_id: UUID
    student_id: UUID
    skill: Skill
    level: int | None
    occasion: date
    rated_at: datetime
