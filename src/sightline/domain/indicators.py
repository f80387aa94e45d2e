"""What can be observed: the definition of an indicator, without the rule that computes it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sightline.domain.skills import Skill, Source


class Scale(StrEnum):
    """Which values an indicator takes, and so how the measurement model transforms them."""

    PROPORTION = "proportion"  # k of n opportunities, 0 to 1
    SHARE = "share"  # 0 to 1, one measurement, no count behind it
    DURATION = "duration"  # seconds, above 0
    RUBRIC = "rubric"  # 1 to 4


class Modality(StrEnum):
    """What an indicator looks at. There is no fourth: no voice, no face, no keystrokes, no emotion."""

    TEXT = "text"
    RUBRIC = "rubric"
    TASK_ACTION = "task action"


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicator:
    """A catalog row without its function.

    `direction` is +1 when more of it speaks for the skill and -1 when it speaks against. `act` and `chance`
    complete the sentences of `reasoning`: "in 3 of 4 {chance}, {act}".
    """

    name: str
    skill: Skill
    source: Source
    direction: int
    scale: Scale
    unit: str
    range: str
    minimum: int
    modality: Modality
    act: str
    chance: str
    rationale: str
    reference: str
    next_step: str
