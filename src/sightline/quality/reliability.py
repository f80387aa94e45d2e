"""Empirical reliability of a set of estimates: how much of what differs between students is skill, not error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sightline.errors import BadInput
from sightline.quality.matching import Floats
from sightline.quality.verdicts import Z90, Verdict

LEAST_STUDENTS = 20
"""Students below which a variance between students is too unsure to divide by (its relative error is above .3)."""

USABLE = 0.60
"""Reliability from which single estimates are shown (measurement.md); the same bar for the set."""


@dataclass(frozen=True, slots=True)
class Reliability:
    """Of one skill: var(means) / (var(means) + mean error variance), its error and 90 % interval (delta method).

    value, standard_error and interval_90 are None with too few students or without any spread and error.
    """

    skill: int
    students: int
    value: float | None
    standard_error: float | None
    interval_90: tuple[float, float] | None
    verdict: Verdict

    def words(self, skill: str) -> str:
        if self.value is None or self.interval_90 is None:
            return f"{skill}: too few estimates to say how reliable they are ({self.students} students)."
        low, high = self.interval_90
        return (
            f"{skill}: {100 * self.value:.0f} % of what differs between {self.students} students is skill "
            f"rather than error (90 % interval {100 * low:.0f} to {100 * high:.0f} %)."
        )


def empirical_reliability(mean: Floats, standard_error: Floats) -> tuple[Reliability, ...]:
    """One entry a skill, from N x K estimates (nan where unscored). Raises BadInput when shapes differ."""
    if mean.shape != standard_error.shape or mean.ndim != 2:  # noqa: PLR2004 - students x skills
        raise BadInput("reliability needs means and standard errors of the same students and skills")
    return tuple(_of_skill(k, mean[:, k], standard_error[:, k]) for k in range(mean.shape[1]))


def _of_skill(skill: int, mean: Floats, standard_error: Floats) -> Reliability:
    known = np.isfinite(mean) & np.isfinite(standard_error)
    n = int(known.sum())
    if n < LEAST_STUDENTS:
        return Reliability(skill, n, None, None, None, Verdict.NOT_ENOUGH)
    squares, errors = (mean[known] - mean[known].mean()) ** 2, standard_error[known] ** 2
    between, within = float(squares.sum() / (n - 1)), float(errors.mean())
    total = between + within
    if total == 0.0:
        return Reliability(skill, n, None, None, None, Verdict.NOT_ENOUGH)
    value = between / total
    influence = (within * (squares - between) - between * (errors - within)) / total**2
    error = float(influence.std(ddof=1) / np.sqrt(n))
    interval = (max(value - Z90 * error, 0.0), min(value + Z90 * error, 1.0))
    verdict = Verdict.BAD if interval[1] < USABLE else Verdict.WATCH if value < USABLE else Verdict.GOOD
    return Reliability(skill, n, value, error, interval, verdict)
