"""The three kinds of catalog row: an indicator with the one function that computes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from sightline.domain.acts import ActReadings
from sightline.domain.indicators import Indicator
from sightline.domain.observables import Absence, Measured
from sightline.domain.records import Conversation, Rating, Session


@dataclass(frozen=True, slots=True)
class PlayRule:
    """(session, minimum of opportunities) to a value or an absence."""

    indicator: Indicator
    function: Callable[[Session, int], Measured | Absence]


@dataclass(frozen=True, slots=True)
class TalkRule:
    """(conversation, student, minimum of own turns, act readings or why none) to a value or an absence."""

    indicator: Indicator
    function: Callable[[Conversation, UUID, int, ActReadings | Absence], Measured | Absence]


@dataclass(frozen=True, slots=True)
class RubricRule:
    """One rating to a value or an absence."""

    indicator: Indicator
    function: Callable[[Rating], Measured | Absence]
