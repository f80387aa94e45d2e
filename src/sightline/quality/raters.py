"""A report for one rater about their own ratings: severity and halo.

A report is private to the teacher whose ratings it describes: it is no appraisal, and nobody else gets it. Who
may see what is decided in `security`; what stands here is only what the report says. Scores already allow for
severity, so a strict teacher's students lose nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sightline.errors import BadInput
from sightline.quality.matching import Floats, Index
from sightline.quality.verdicts import Z90

LEAST_STUDENTS = 10
"""Students rated on two skills or more without which nothing is said about halo."""

LEAST_RATERS = 5
"""Raters with a known halo from which a usual one is named."""

SURE = 2.0
"""Standard errors above the usual halo from which the report mentions it."""


@dataclass(frozen=True, slots=True)
class Ratings:
    """What ratings say beyond the other sources; a row is one student rated by one rater on one occasion.

    residual: n x K, y - c - lam theta with theta from the other sources; nan where a skill was not rated.
    theta_error: n x K x K, covariance of the errors of lam theta. student, rater: length n.
    """

    residual: Floats
    theta_error: Floats
    student: Index
    rater: Index


@dataclass(frozen=True, slots=True)
class Halo:
    """share: of what ratings of one student hold beyond the skills, how much all skills have in common (0 to 1).

    standard_error: delete-one-student jackknife. usual: the median of all raters, None with too few of them.
    """

    share: float
    standard_error: float
    usual: float | None

    @property
    def stands_out(self) -> bool:
        return self.usual is not None and self.share - self.usual > SURE * self.standard_error


@dataclass(frozen=True, slots=True)
class RaterReport:
    """severity: how much lower this rater tends to rate students of equal skill, in SD of a rating.

    halo is None below LEAST_STUDENTS students.
    """

    rater: int
    students: int
    ratings: int
    severity: float
    standard_error: float
    halo: Halo | None

    @property
    def interval_90(self) -> tuple[float, float]:
        half = Z90 * self.standard_error
        return self.severity - half, self.severity + half

    def words(self, levels_per_sd: float) -> tuple[str, str]:
        """Two sentences to the teacher; levels_per_sd: rubric levels that one SD of ratings spans."""
        low, high = (end * levels_per_sd for end in self.interval_90)
        size = abs(self.severity) * levels_per_sd
        if low <= 0.0 <= high:
            severity = (
                "You rate students of equal skill about as your colleagues do, as far as can be seen "
                f"(90 % interval {-high:+.1f} to {-low:+.1f} levels)."
            )
        else:
            side = "lower" if self.severity > 0 else "higher"
            ends = sorted((abs(low), abs(high)))
            severity = (
                f"You tend to rate students of equal skill about {size:.1f} levels {side} than your colleagues do "
                f"(90 % interval {ends[0]:.1f} to {ends[1]:.1f}). The scores already allow for that."
            )
        if self.halo is None:
            halo = (
                f"To say how much your ratings of different skills move together, {LEAST_STUDENTS} students with "
                f"ratings of two skills or more are needed."
            )
        elif self.halo.usual is None:
            halo = (
                f"To say whether your ratings of different skills move together more than is usual, ratings by "
                f"{LEAST_RATERS} teachers are needed."
            )
        elif self.halo.stands_out:
            halo = (
                "Your ratings of different skills of one student move together more than the skills do, and more "
                "than is usual. It can help to rate one skill for all students before the next skill."
            )
        else:
            halo = "Your ratings tell different skills apart about as well as is usual."
        return severity, halo


def rater_reports(ratings: Ratings, rho: Floats, rho_error: Floats) -> tuple[RaterReport, ...]:
    """One report for each rater with a rating, by index.

    rho, rho_error: what the model adds for each rater (above 0 is lenient) and its standard error. Raises BadInput
    when shapes do not fit.
    """
    n, skills = ratings.residual.shape
    if ratings.theta_error.shape != (n, skills, skills) or not n == len(ratings.student) == len(ratings.rater):
        raise BadInput("a rater report needs one student, one rater and one error covariance for each row")
    halos: dict[int, Halo | None] = {}
    for rater in np.unique(ratings.rater):
        rows = ratings.rater == rater
        halos[int(rater)] = _halo(ratings.residual[rows], ratings.theta_error[rows], ratings.student[rows])
    known = [halo.share for halo in halos.values() if halo is not None]
    usual = float(np.median(known)) if len(known) >= LEAST_RATERS else None
    reports = []
    for rater, halo in halos.items():
        rows = ratings.rater == rater
        reports.append(
            RaterReport(
                rater=rater,
                students=len(np.unique(ratings.student[rows])),
                ratings=int(np.isfinite(ratings.residual[rows]).sum()),
                severity=-float(rho[rater]),
                standard_error=float(rho_error[rater]),
                halo=None if halo is None else Halo(halo.share, halo.standard_error, usual),
            )
        )
    return tuple(reports)


def _halo(residual: Floats, theta_error: Floats, student: Index) -> Halo | None:
    """Shared part of the residuals' covariance among skills, what theta's error brings to it taken off."""
    there = np.isfinite(residual)
    several = there.sum(1) > 1
    residual, theta_error, student = residual[several], theta_error[several], student[several]
    there = there[several]
    names, label = np.unique(student, return_inverse=True)
    students = len(names)
    if students < LEAST_STUDENTS:
        return None
    count = np.maximum(there.sum(0), 1)
    centred = np.where(there, residual - np.where(there, residual, 0.0).sum(0) / count, 0.0)
    both = there[:, :, None] & there[:, None, :]
    products = np.where(both, centred[:, :, None] * centred[:, None, :] * students / (students - 1), 0.0)
    products -= np.where(both, theta_error, 0.0)
    diagonal = np.eye(there.shape[1], dtype=np.bool_)
    parts = np.column_stack(
        [
            np.bincount(label, of.sum((1, 2)), students)
            for of in (products * ~diagonal, both & ~diagonal, products * diagonal, both & diagonal)
        ]
    )
    total = parts.sum(0)
    shares = _share(total - parts)
    share = float(_share(total[None, :])[0])
    error = float(np.sqrt((students - 1) / students * np.sum((shares - shares.mean()) ** 2)))
    return Halo(share, error, None)


def _share(sums: Floats) -> Floats:
    """Mean covariance over mean variance from [covariance, pairs, variance, cells], held within 0 and 1."""
    together = sums[:, 0] / np.maximum(sums[:, 1], 1.0)
    alone = sums[:, 2] / np.maximum(sums[:, 3], 1.0)
    found: Floats = np.clip(together / np.where(alone > 0, alone, np.inf), 0.0, 1.0)
    return found
