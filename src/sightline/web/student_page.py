"""One student as the page shows them: seven rows, each with its reasons down to the very moments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from markupsafe import Markup

from sightline.domain.claims import Direction
from sightline.domain.estimates import Estimate
from sightline.domain.indicators import Indicator, Scale
from sightline.domain.observables import ABSENCE_WORDS, Absence, MomentKind, Observable
from sightline.domain.skills import Skill
from sightline.features.catalog import INDICATORS
from sightline.pipeline.moments import Shown
from sightline.pipeline.reading import SkillView, StudentView
from sightline.reasoning.claims import Group, direction_of
from sightline.reasoning.words import SHORTFALL_WORDS, plural
from sightline.web import charts, wording
from sightline.web.charts import Cuts, Parts

MOMENTS_AT_MOST = 12
"""Newest moments of one indicator that are listed; the rest is counted."""

BORROWED_AT_MOST = 5
"""Other skills' indicators that have a bar of their own; the rest is one sum."""

THE_ACT = "the act"

DIRECTION_NAMES = {Direction.RAISES: "Raises", Direction.LOWERS: "Lowers", Direction.NEITHER: "Hardly moves"}


@dataclass(frozen=True, slots=True)
class Reason:
    """A claim with its direction in shape and word, and the id of the evidence that it cites."""

    icon: Markup
    direction: str
    sentence: str
    anchor: str
    moments: int


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of the table of contributions: what, how often seen, how far it moved the estimate in SD."""

    label: str
    seen: str
    amount: float
    chart: Markup


@dataclass(frozen=True, slots=True)
class Bars:
    """The sum behind an estimate: direct and borrowed lines, adjustments by rater, and all parts together."""

    parts: Parts
    direct: tuple[Bar, ...]
    borrowed: tuple[Bar, ...]
    other_borrowed: Bar | None
    adjusted: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """One moment in words. `part` says whether it was the act itself or only its chance."""

    at: datetime
    what: str
    data: str
    counted: bool
    part: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """The moments of one indicator: the acts first, then the chances, each newest first."""

    anchor: str
    name: str
    source: str
    act: str
    moments: tuple[Seen, ...]
    more: str


@dataclass(frozen=True, slots=True)
class SkillRow:
    """One skill as printed; `level` None means unscored, and then no field of it holds a number of the skill."""

    skill: Skill
    level: str | None
    chart: Markup
    probabilities: Sequence[tuple[str, str]]
    interval: str
    why_not: tuple[str, ...]
    would_help: str
    basis: str
    notes: Sequence[str]
    change: str
    reasons: tuple[Reason, ...]
    bars: Bars | None
    evidence: tuple[Evidence, ...]
    absences: tuple[str, ...]
    next_step: str


def student_page(view: StudentView, cuts: Cuts) -> tuple[SkillRow, ...]:
    """The rows of a student's page, in the order of SKILLS."""
    return tuple(_row(view.student.display_name, skill, view.moments, cuts) for skill in view.skills)


def _row(name: str, view: SkillView, moments: Mapping[UUID, Shown], cuts: Cuts) -> SkillRow:
    outcome = view.result.outcome
    skill = view.result.skill
    scored = isinstance(outcome, Estimate)
    subject = f"{wording.skill_name(skill)} of {name}"
    evidence = _evidence(view, moments)
    notes = list(wording.missing_sources(skill, INDICATORS))
    if scored and view.result.summary.mostly_inferred:
        notes.append("Mostly inferred from related skills")
    if isinstance(outcome, Estimate):
        interval = wording.interval_words(outcome, cuts)
        chart = charts.level_scale(outcome, cuts, f"{subject}: {outcome.level_name}; {interval}.")
        level, probabilities = outcome.level_name, wording.named_levels(outcome)
        why_not: tuple[str, ...] = ()
        would_help = ""
    else:
        interval, level, probabilities = "", None, ()
        why_not = tuple(SHORTFALL_WORDS[reason] for reason in outcome.reasons)
        would_help = outcome.would_help
        chart = charts.empty_scale(cuts, f"{subject}: {wording.NOT_ENOUGH.lower()}, so nothing is placed here.")
    return SkillRow(
        skill=skill,
        level=level,
        chart=chart,
        probabilities=probabilities,
        interval=interval,
        why_not=why_not,
        would_help=would_help,
        basis=_basis(view.observables),
        notes=notes,
        change="" if view.change is None else view.change.words,
        reasons=_reasons(view),
        bars=_bars(view) if scored else None,
        evidence=evidence,
        absences=_absences(view),
        next_step=_next_step(view.groups) if scored else "",
    )


def _basis(observables: Sequence[Observable]) -> str:
    """The sittings in which the skill itself was observed, such as "9 game sessions, 2 group talks"."""
    seen = {source: {o.sitting_id for o in observables if o.source is source} for source in wording.SITTINGS}
    return ", ".join(plural(len(found), *wording.SITTINGS[source]) for source, found in seen.items() if found)


def _anchor(skill: Skill, indicator: str) -> str:
    return f"{skill.value}-{indicator.replace('_', '-')}"


def _reasons(view: SkillView) -> tuple[Reason, ...]:
    by_id = {o.observable_id: o for group in view.groups for o in group.observables}
    return tuple(
        Reason(
            icon=charts.icon(claim.direction),
            direction=DIRECTION_NAMES[claim.direction],
            sentence=claim.sentence,
            anchor=_anchor(claim.skill, by_id[claim.evidence[0]].indicator),
            moments=sum(len(by_id[o].measured.moments) for o in claim.evidence),
        )
        for claim in view.claims
    )


def _bars(view: SkillView) -> Bars | None:
    """None when nothing moved the estimate."""
    if not view.groups:
        return None
    direct = [group for group in view.groups if group.direct]
    borrowed = [group for group in view.groups if not group.direct]
    shown, rest = borrowed[:BORROWED_AT_MOST], borrowed[BORROWED_AT_MOST:]
    parts = charts.parts_of(view.result, [group.amount for group in view.groups])
    other = charts.total(group.amount for group in rest)

    def line(label: str, seen: str, amount: float) -> Bar:
        return Bar(label, seen, amount, charts.bar(amount, parts.largest))

    return Bars(
        parts=parts,
        direct=tuple(line(wording.indicator_name(g.indicator), _seen_in(g), g.amount) for g in direct),
        borrowed=tuple(line(_borrowed_name(g.indicator), _seen_in(g), g.amount) for g in shown),
        other_borrowed=line(plural(len(rest), "other indicator", "other indicators"), "", other) if rest else None,
        adjusted=tuple(
            line(f"Adjusted for this teacher's severity: {view.raters[rater]}", "", amount)
            for rater, amount in view.result.rater_adjustments
        ),
    )


def _borrowed_name(indicator: Indicator) -> str:
    return f"{wording.indicator_name(indicator)} ({indicator.skill.value})"


def _seen_in(group: Group) -> str:
    sittings = {o.sitting_id for o in group.observables}
    return plural(len(sittings), *wording.SITTINGS[group.indicator.source])


def _evidence(view: SkillView, moments: Mapping[UUID, Shown]) -> tuple[Evidence, ...]:
    """Moments by indicator; indicators that moved the estimate most come first, as in the table above them."""
    order = [group.indicator.name for group in view.groups if group.direct]
    names = dict.fromkeys([*order, *sorted({o.indicator for o in view.observables})])
    found: list[Evidence] = []
    for name in names:
        indicator = INDICATORS[name]
        seen = [
            _seen(moments[m.record_id], indicator, counted=m.counted)
            for o in view.observables
            if o.indicator == name
            for m in o.measured.moments
            if m.record_id in moments
        ]
        # the acts themselves first, then their chances; each newest first
        newest = sorted(seen, key=lambda s: (not s.counted, -s.at.timestamp()))
        found.append(
            Evidence(
                anchor=_anchor(view.result.skill, name),
                name=wording.indicator_name(indicator),
                source=wording.SOURCE_NAMES[indicator.source],
                act=_act(indicator),
                moments=tuple(newest[:MOMENTS_AT_MOST]),
                more=_more_words(newest[MOMENTS_AT_MOST:]),
            )
        )
    return tuple(found)


def _more_words(rest: Sequence[Seen]) -> str:
    """What is not listed, such as "and 42 more, 7 of them the act"; empty when all are."""
    acts = sum(moment.part == THE_ACT for moment in rest)
    return f"and {len(rest)} more" + (f", {acts} of them {THE_ACT}" if acts else "") if rest else ""


def _act(indicator: Indicator) -> str:
    """What is counted, for indicators that count; for others their reason to be looked at."""
    if indicator.scale is Scale.PROPORTION:
        return f"Counts how often, in {indicator.chance}, a student {indicator.act}."
    return indicator.rationale


def _seen(shown: Shown, indicator: Indicator, *, counted: bool) -> Seen:
    if shown.kind is MomentKind.RATING:
        part = "rating"
    elif indicator.scale is not Scale.PROPORTION:
        part = "measured here" if counted else "measured from here"
    else:
        part = THE_ACT if counted else "opportunity only"
    return Seen(at=shown.at, what=shown.what, data=wording.data_words(shown.data), counted=counted, part=part)


def _absences(view: SkillView) -> tuple[str, ...]:
    """Indicators and sittings with the reason, such as "2 game sessions: the session gave no opportunity"."""
    counts: Counter[tuple[str, Absence]] = Counter((a.indicator, a.reason) for a in view.absences)
    said: list[str] = []
    for (name, reason), count in counts.most_common():
        indicator = INDICATORS[name]
        where = plural(count, *wording.SITTINGS[indicator.source])
        said.append(f"{wording.indicator_name(indicator)}, {where}: {ABSENCE_WORDS[reason]}")
    return tuple(said)


def _next_step(groups: Sequence[Group]) -> str:
    """The catalog's step for the own indicator that lowers most; empty when none lowers."""
    lowering = [g for g in groups if g.direct and direction_of(g.amount) is Direction.LOWERS]
    return min(lowering, key=lambda g: g.amount).indicator.next_step if lowering else ""
