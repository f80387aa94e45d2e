"""A class as the page shows it: one sentence, one line for the whole class, one line for each student."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from markupsafe import Markup

from sightline.domain.estimates import Estimate, SkillSummary
from sightline.domain.skills import SKILLS, Skill
from sightline.features.catalog import INDICATORS
from sightline.pipeline.reading import ClassView, StudentRow
from sightline.web import charts, wording
from sightline.web.charts import Cuts

NAMED_AT_MOST = 6
"""Students whom the sentence at the top names; a longer list is no sentence."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One student and skill. `short` is the level in initials; shade "hatched" without an estimate."""

    skill: Skill
    level: str
    short: str
    shade: str
    chart: Markup


@dataclass(frozen=True, slots=True)
class Row:
    """One student by name, in the order of SKILLS."""

    student_id: UUID
    display_name: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Whole:
    """The whole class in one skill: a bar and its counts."""

    chart: Markup
    short: str


@dataclass(frozen=True, slots=True)
class Thin:
    """A student with too little evidence, and in how many skills."""

    student_id: UUID
    display_name: str
    unscored: int


@dataclass(frozen=True, slots=True)
class ClassPage:
    """Everything the template prints, in words and drawings."""

    title: str
    skills: tuple[Skill, ...]
    rows: tuple[Row, ...]
    whole: tuple[Whole, ...]
    complete: int
    nobody: bool
    thin: tuple[Thin, ...]
    more_thin: int
    notes: tuple[str, ...]
    set_aside: tuple[str, ...]


def class_page(view: ClassView, cuts: Cuts) -> ClassPage:
    """A class view in words and drawings."""
    thin = [
        Thin(row.student.student_id, row.student.display_name, unscored)
        for row in view.rows
        if (unscored := sum(not isinstance(row.results[skill].outcome, Estimate) for skill in SKILLS))
    ]
    return ClassPage(
        title=view.title,
        skills=SKILLS,
        rows=tuple(_row(row, cuts) for row in view.rows),
        whole=tuple(_whole(skill, [row.results[skill] for row in view.rows]) for skill in SKILLS),
        complete=len(view.rows) - len(thin),
        nobody=bool(thin) and all(one.unscored == len(SKILLS) for one in thin) and len(thin) == len(view.rows),
        thin=tuple(thin[:NAMED_AT_MOST]),
        more_thin=max(len(thin) - NAMED_AT_MOST, 0),
        notes=tuple(
            f"{wording.skill_name(skill)}: {note.lower()}"
            for skill in SKILLS
            for note in wording.missing_sources(skill, INDICATORS)
        ),
        set_aside=tuple(one.words for one in view.set_aside),
    )


def _row(row: StudentRow, cuts: Cuts) -> Row:
    name = row.student.display_name
    return Row(row.student.student_id, name, tuple(_cell(name, row.results[skill], cuts) for skill in SKILLS))


def _cell(name: str, result: SkillSummary, cuts: Cuts) -> Cell:
    outcome = result.outcome
    subject = f"{name}, {result.skill.value}"
    if isinstance(outcome, Estimate):
        said = f"{subject}: {outcome.level_name}; {wording.interval_words(outcome, cuts)}."
        return Cell(
            skill=result.skill,
            level=outcome.level_name,
            short=wording.initials(outcome.level_name),
            shade=wording.shade(outcome.level_name),
            chart=charts.dot_and_whisker(outcome, said),
        )
    said = f"{subject}: {wording.NOT_ENOUGH.lower()}. What would help: {outcome.would_help}."
    return Cell(skill=result.skill, level="not yet", short="not yet", shade="unscored", chart=charts.hatch(said))


def _whole(skill: Skill, results: Sequence[SkillSummary]) -> Whole:
    spread = charts.spread_of(results)
    words = wording.spread_words(spread)
    said = f"{wording.skill_name(skill)}, students of the class by most likely level: {words}."
    return Whole(charts.spread_chart(spread, said), wording.short_spread(spread))
