"""What a rule made of records: a value with its opportunities, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sightline.domain.skills import Source


class Absence(StrEnum):
    """Why there is no observable. Absence is a value with a reason; zero is a measurement."""

    NO_OPPORTUNITY = "no_opportunity"
    TOO_FEW_OPPORTUNITIES = "too_few_opportunities"
    NOT_STATED_BY_GAME = "not_stated_by_game"
    TOO_FEW_UTTERANCES = "too_few_utterances"
    NO_OTHER_SPEAKER = "no_other_speaker"
    NOT_SEEN = "not_seen"
    ACTS_OUT_OF_DOMAIN = "acts_out_of_domain"


ABSENCE_WORDS: dict[Absence, str] = {
    Absence.NO_OPPORTUNITY: "the session gave no opportunity",
    Absence.TOO_FEW_OPPORTUNITIES: "too few opportunities to count",
    Absence.NOT_STATED_BY_GAME: "the game does not say",
    Absence.TOO_FEW_UTTERANCES: "fewer than five own turns",
    Absence.NO_OTHER_SPEAKER: "nobody else spoke",
    Absence.NOT_SEEN: "the teacher chose “not seen”",
    Absence.ACTS_OUT_OF_DOMAIN: "the classifier of talk acts was not trained on talk like this",
}


class MomentKind(StrEnum):
    """Which kind of record a moment is."""

    EVENT = "event"
    UTTERANCE = "utterance"
    RATING = "rating"


@dataclass(frozen=True, slots=True)
class Moment:
    """A record that a person can look at. `counted` says whether it was the act itself or only its chance."""

    kind: MomentKind
    record_id: UUID
    at: datetime
    counted: bool


@dataclass(frozen=True, slots=True)
class Measured:
    """What a rule found in one sitting.

    `value` is in the indicator's unit; `opportunities` is how often it could have happened (1 for a single
    measurement); `counted` is how often it did, for proportions only; `exposure` is the number of
    opportunities that the value is worth (smaller than `opportunities` when an instrument errs) and depends
    on exposure alone, never on the outcome.
    """

    value: float
    opportunities: int
    moments: tuple[Moment, ...]
    counted: int | None = None
    exposure: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observable:
    """The value that an indicator took for one student in one sitting (session, transcript or occasion)."""

    observable_id: UUID
    indicator: str
    student_id: UUID
    source: Source
    sitting_id: UUID
    at: datetime
    measured: Measured
    rater_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotObserved:
    """An indicator that could not be observed for one student in one sitting, and why."""

    indicator: str
    student_id: UUID
    source: Source
    sitting_id: UUID
    reason: Absence


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """Everything that one catalog version found for one student in one sitting.

    fingerprint: of what happened, without ids; two sittings of a student with the same one are the same sitting
    sent twice under other ids, and count once.
    """

    student_id: UUID
    source: Source
    sitting_id: UUID
    catalog_version: str
    fingerprint: str
    observables: tuple[Observable, ...]
    absences: tuple[NotObserved, ...]
