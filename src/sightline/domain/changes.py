"""What was found about change over a window: of a class in a skill, of a student, of a student in a skill."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sightline.domain.skills import Skill


class Verdict(StrEnum):
    """What may be said of a change."""

    GROWTH = "growth"
    DECLINE = "decline"
    LIKELY_RISE = "likely_rise"
    LIKELY_FALL = "likely_fall"
    NOTHING_STANDS_OUT = "nothing_stands_out"
    TOO_LITTLE_EVIDENCE = "too_little_evidence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found about one change, in population SD per window.

    p: two-sided, of no change; q: None where it was not tested at its level; counted: students (of a class) or
    skills (of a student) in the mean; smallest_visible: the change that would have been announced with a power of
    .80.
    """

    change: float
    standard_error: float
    p: float
    q: float | None
    probability_of_rise: float
    smallest_visible: float
    counted: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class TooFew:
    """There are fewer students in a class than make a class: no number on purpose."""

    counted: int


@dataclass(frozen=True, slots=True)
class StudentGrowth:
    """A student over the counted skills together; the skills one by one only where that was tested."""

    student_id: UUID
    counted: tuple[Skill, ...]
    overall: Finding
    skills: tuple[tuple[Skill, Finding], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassGrowth:
    """Change of one class and its students over the window that ends with `as_of`.

    roll: students of the class at that time; skills: all seven; students: those with evidence in the window;
    shared_tasks: share of tasks met in more than one part of the window, None when no tasks were played or nobody
    counted them.
    """

    class_id: UUID
    as_of: datetime
    computed_at: datetime
    weeks: float
    card_version: str
    catalog_version: str
    norms_version: str
    roll: int
    skills: tuple[tuple[Skill, Finding | TooFew], ...]
    students: tuple[StudentGrowth, ...]
    shared_tasks: float | None = None
