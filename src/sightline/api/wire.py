"""What results look like outside, and the named conversions from what the pipeline shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sightline.domain.estimates import Contribution, Estimate, SkillSummary, Unscored
from sightline.domain.observables import Observable
from sightline.features.catalog import INDICATORS
from sightline.pipeline.moments import Shown
from sightline.pipeline.reading import SetAside, SkillView, StudentRow
from sightline.reasoning.words import SHORTFALL_WORDS


@dataclass(frozen=True, slots=True)
class WireEstimate:
    """mean and standard_error in population SD; score on 0 to 1; interval_90 in SD."""

    mean: float
    standard_error: float
    score: float
    score_standard_error: float
    interval_90: tuple[float, float]
    reliability: float
    level: str
    level_probabilities: dict[str, float]
    mostly_inferred: bool


@dataclass(frozen=True, slots=True)
class WireUnscored:
    """Why there is no estimate, and what would help. There is no number in it."""

    reasons: list[str]
    because: list[str]
    would_help: str


@dataclass(frozen=True, slots=True)
class WireSkill:
    """One skill: exactly one of `estimate` and `unscored`."""

    skill: str
    status: str
    as_of: datetime
    estimate: WireEstimate | None
    unscored: WireUnscored | None


@dataclass(frozen=True, slots=True)
class WireStudent:
    """A student with all seven skills."""

    student_id: UUID
    display_name: str
    skills: list[WireSkill]


@dataclass(frozen=True, slots=True)
class WireSetAside:
    """A source that does not count in a class of the student, since when, and why."""

    source: str
    since: datetime
    words: str


@dataclass(frozen=True, slots=True)
class WireOneStudent(WireStudent):
    """One student who was asked for, with what does not count."""

    set_aside: list[WireSetAside]


@dataclass(frozen=True, slots=True)
class WireContribution:
    """How much one observable moved the mean, in SD; amounts plus prior and rater adjustments equal the mean."""

    observable_id: UUID
    indicator: str
    source: str
    sitting_id: UUID
    direct: bool
    amount: float


@dataclass(frozen=True, slots=True)
class WireMoment:
    """The very record: an event, an utterance or a rating. `counted`: the act itself, not only its chance."""

    kind: str
    record_id: UUID
    at: datetime
    counted: bool
    what: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class WireEvidence:
    """One observable with its moments; `used`: whether the newest assessment was made with it."""

    observable_id: UUID
    indicator: str
    source: str
    sitting_id: UUID
    at: datetime
    value: float
    unit: str
    opportunities: int
    counted: int | None
    used: bool
    moments: list[WireMoment]


@dataclass(frozen=True, slots=True)
class WireClaim:
    """A sentence with the observables it rests on."""

    sentence: str
    direction: str
    evidence: list[UUID]


@dataclass(frozen=True, slots=True)
class WireChange:
    """What may be said of change over the window."""

    probability_of_rise: float
    smallest_visible: float
    words: str


@dataclass(frozen=True, slots=True)
class WireReasons:
    """One skill with its reasons. An unscored skill shows evidence and directions, and no amounts."""

    student_id: UUID
    skill: WireSkill
    prior_mean: float | None
    contributions: list[WireContribution] | None
    rater_adjustments: dict[str, float] | None
    claims: list[WireClaim]
    evidence: list[WireEvidence]
    absences: list[dict[str, str]]
    change: WireChange | None
    versions: dict[str, str]


def skill_out(result: SkillSummary) -> WireSkill:
    outcome = result.outcome
    if isinstance(outcome, Unscored):
        unscored = WireUnscored(
            reasons=[reason.value for reason in outcome.reasons],
            because=[SHORTFALL_WORDS[reason] for reason in outcome.reasons],
            would_help=outcome.would_help,
        )
        return WireSkill(result.skill.value, "unscored", outcome.as_of, None, unscored)
    return WireSkill(result.skill.value, "scored", outcome.as_of, _estimate(outcome, result), None)


def _estimate(estimate: Estimate, result: SkillSummary) -> WireEstimate:
    return WireEstimate(
        mean=estimate.mean,
        standard_error=estimate.standard_error,
        score=estimate.score,
        score_standard_error=estimate.score_standard_error,
        interval_90=estimate.interval_90,
        reliability=estimate.reliability,
        level=estimate.level_name,
        level_probabilities={level.value: p for level, p in estimate.level_probabilities},
        mostly_inferred=result.mostly_inferred,
    )


def student_out(row: StudentRow) -> WireStudent:
    return WireStudent(
        row.student.student_id, row.student.display_name, [skill_out(r) for r in row.results.values()]
    )


def one_student_out(row: StudentRow) -> WireOneStudent:
    student = student_out(row)
    return WireOneStudent(student.student_id, student.display_name, student.skills, set_aside_out(row.set_aside))


def set_aside_out(set_aside: Sequence[SetAside]) -> list[WireSetAside]:
    return [WireSetAside(one.source.value, one.since, one.words) for one in set_aside]


def _contribution(contribution: Contribution) -> WireContribution:
    return WireContribution(
        observable_id=contribution.observable_id,
        indicator=contribution.indicator,
        source=contribution.source.value,
        sitting_id=contribution.sitting_id,
        direct=contribution.direct,
        amount=contribution.amount,
    )


def _evidence(observable: Observable, shown: dict[UUID, Shown], used: set[UUID]) -> WireEvidence:
    measured = observable.measured
    return WireEvidence(
        observable_id=observable.observable_id,
        indicator=observable.indicator,
        source=observable.source.value,
        sitting_id=observable.sitting_id,
        at=observable.at,
        value=measured.value,
        unit=INDICATORS[observable.indicator].unit,
        opportunities=measured.opportunities,
        counted=measured.counted,
        used=observable.observable_id in used,
        moments=[
            WireMoment(
                kind=m.kind.value,
                record_id=m.record_id,
                at=m.at,
                counted=m.counted,
                what=shown[m.record_id].what,
                data=dict(shown[m.record_id].data),
            )
            for m in measured.moments
            if m.record_id in shown
        ],
    )


def reasons_out(
    student_id: UUID, view: SkillView, shown: dict[UUID, Shown], versions: dict[str, str]
) -> WireReasons:
    scored = isinstance(view.result.outcome, Estimate)
    used = {c.observable_id for c in view.result.contributions}
    return WireReasons(
        student_id=student_id,
        skill=skill_out(view.result.summary),
        prior_mean=view.result.prior_mean if scored else None,
        contributions=[_contribution(c) for c in view.result.contributions] if scored else None,
        rater_adjustments={str(r): a for r, a in view.result.rater_adjustments} if scored else None,
        claims=[WireClaim(c.sentence, c.direction.value, list(c.evidence)) for c in view.claims],
        evidence=[_evidence(o, shown, used) for o in (*view.observables, *view.borrowed)],
        absences=[
            {"indicator": a.indicator, "sitting_id": str(a.sitting_id), "reason": a.reason.value}
            for a in view.absences
        ],
        change=(
            None
            if view.change is None
            else WireChange(view.change.probability_of_rise, view.change.smallest_visible, view.change.words)
        ),
        versions=versions,
    )
