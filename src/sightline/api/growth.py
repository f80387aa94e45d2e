"""Change of a class and its students, out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from sightline.api.callers import caller, doors, now
from sightline.api.results import Why, tagged
from sightline.domain.changes import Finding
from sightline.domain.skills import Skill
from sightline.pipeline.reading import Purpose
from sightline.pipeline.reading_growth import ClassGrowthView, Said, class_growth_view

routes = APIRouter(tags=["results"])

TOO_FEW = "too_few"


@dataclass(frozen=True, slots=True)
class WireFinding:
    """One change in SD of the skill per window. q: null where it was not tested at its level."""

    change: float
    standard_error: float
    q: float | None
    probability_of_rise: float
    smallest_visible: float


@dataclass(frozen=True, slots=True)
class WireSaid:
    """What was found, and the words for it. finding: null with the status "too_few".

    status: growth, decline, likely_rise, likely_fall, nothing_stands_out, too_little_evidence or too_few;
    counted: students (of a class) or skills (of a student) that are in it.
    """

    status: str
    counted: int
    finding: WireFinding | None
    words: str


@dataclass(frozen=True, slots=True)
class WireStudentGrowth:
    """A student over the counted skills together; skills one by one only where that was tested."""

    student_id: UUID
    display_name: str
    counted: list[str]
    overall: WireSaid
    skills: dict[str, WireSaid]


@dataclass(frozen=True, slots=True)
class WireClassGrowth:
    """Change of a class over the window of `weeks` that ends with `as_of`; both null before the first test."""

    class_id: UUID
    title: str
    simulated: bool
    as_of: datetime | None
    weeks: float | None
    card_version: str | None
    warning: str | None
    skills: dict[str, WireSaid]
    students: list[WireStudentGrowth]


@routes.get("/classes/{class_id}/growth", response_model=WireClassGrowth)
async def class_growth(request: Request, class_id: UUID, *, why: Why = "teaching") -> Response:
    """Whether a class changed in each skill, and its students over all skills, with what could have been seen."""
    async with doors(request).store.work() as work:
        asking = await caller(request, work)
        view = await class_growth_view(work, asking, class_id, Purpose(why, now()))
    return tagged(request, growth_out(view))


def growth_out(view: ClassGrowthView) -> WireClassGrowth:
    return WireClassGrowth(
        class_id=view.class_id,
        title=view.title,
        simulated=view.school.simulated,
        as_of=view.as_of,
        weeks=view.weeks,
        card_version=view.card_version,
        warning=view.warning,
        skills=_by_skill(view.skills),
        students=[
            WireStudentGrowth(
                student_id=one.student.student_id,
                display_name=one.student.display_name,
                counted=[skill.value for skill in one.counted],
                overall=_said(one.overall),
                skills=_by_skill(one.skills),
            )
            for one in view.students
        ],
    )


def _by_skill(said: tuple[tuple[Skill, Said], ...]) -> dict[str, WireSaid]:
    return {skill.value: _said(one) for skill, one in said}


def _said(said: Said) -> WireSaid:
    found = said.finding
    if not isinstance(found, Finding):
        return WireSaid(TOO_FEW, found.counted, None, said.words)
    return WireSaid(
        status=found.verdict.value,
        counted=found.counted,
        finding=WireFinding(
            change=found.change,
            standard_error=found.standard_error,
            q=found.q,
            probability_of_rise=found.probability_of_rise,
            smallest_visible=found.smallest_visible,
        ),
        words=said.words,
    )
