"""What is believed of a student's skills, with its error and with what it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sightline.domain.skills import Level, Skill, Source

SCORE_SLOPE = 1.0 / 6.0
"""Score points a population SD: three SD either way span 0 to 1."""

INFERRED = 0.5
"""Share of borrowed movement above which a skill is "mostly inferred from related skills"."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is believed of one student's skill at one time; mean and standard_error in population SD units."""

    skill: Skill
    mean: float
    standard_error: float
    as_of: datetime
    reliability: float
    level_probabilities: tuple[tuple[Level, float], ...]
    level_name: str
    interval_90: tuple[float, float]

    @property
    def score(self) -> float:
        """0.5 + theta/6: linear, so that contributions still add up on this scale."""
        return 0.5 + self.mean * SCORE_SLOPE

    @property
    def score_standard_error(self) -> float:
        return self.standard_error * SCORE_SLOPE


class Shortfall(StrEnum):
    """Why there is no estimate."""

    NO_EVIDENCE = "no_evidence"
    NOBODY_TO_COMPARE_WITH = "nobody_to_compare_with"
    ALL_ALIKE = "all_alike"
    TOO_FEW_SESSIONS = "too_few_sessions"
    LOW_RELIABILITY = "low_reliability"
    ONE_SOURCE = "one_source"
    ONE_SESSION_DOMINATES = "one_session_dominates"


@dataclass(frozen=True, slots=True)
class Unscored:
    """Too little evidence for an estimate: why, and what would help. It has no number on purpose."""

    skill: Skill
    as_of: datetime
    reasons: tuple[Shortfall, ...]
    would_help: str


@dataclass(frozen=True, slots=True)
class Contribution:
    """How much one observable moved one skill's mean, in SD units.

    Direct contributions come from an indicator of the same skill, borrowed ones through the correlations
    among skills and sources.
    """

    observable_id: UUID
    indicator: str
    source: Source
    sitting_id: UUID
    direct: bool
    amount: float


@dataclass(frozen=True, slots=True)
class Slope:
    """Change of one skill over the window in SD, with a flat prior on it, and its standard error."""

    mean: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class SkillSummary:
    """One skill of one student without the sum behind it: enough for lists and heatmaps.

    borrowed_share: share of all movement that came from other skills' indicators; None when nothing moved.
    """

    skill: Skill
    outcome: Estimate | Unscored
    borrowed_share: float | None
    slope: Slope | None

    @property
    def mostly_inferred(self) -> bool:
        return self.borrowed_share is not None and self.borrowed_share > INFERRED


@dataclass(frozen=True, slots=True)
class SkillResult:
    """One skill of one student: the outcome, and the exact sum behind it.

    prior_mean + sum of contributions + rater_adjustments = posterior mean, to 1e-9. The sum is kept for
    unscored skills too, so that evidence can be shown; their mean is never shown.
    """

    skill: Skill
    outcome: Estimate | Unscored
    prior_mean: float
    contributions: tuple[Contribution, ...]
    rater_adjustments: tuple[tuple[UUID, float], ...]
    slope: Slope | None = None

    @property
    def borrowed_share(self) -> float | None:
        """Share of all movement that came from other skills' indicators; None without contributions."""
        total = sum(abs(c.amount) for c in self.contributions)
        if total == 0:
            return None
        return sum(abs(c.amount) for c in self.contributions if not c.direct) / total

    @property
    def summary(self) -> SkillSummary:
        return SkillSummary(self.skill, self.outcome, self.borrowed_share, self.slope)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssessmentHead:
    """What lists show of an assessment: when, and the seven summaries."""

    as_of: datetime
    computed_at: datetime
    skills: tuple[SkillSummary, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """All seven skills of one student at one time, and the parameters that they were computed with."""

    student_id: UUID
    as_of: datetime
    computed_at: datetime
    card_version: str
    catalog_version: str
    norms_version: str
    results: tuple[SkillResult, ...]

    @property
    def head(self) -> AssessmentHead:
        return AssessmentHead(
            as_of=self.as_of, computed_at=self.computed_at, skills=tuple(r.summary for r in self.results)
        )

    def of(self, skill: Skill) -> SkillResult:
        return next(r for r in self.results if r.skill is skill)
