"""Model health: do predictions hold for data they have not seen, and does an indicator keep its meaning over time.

A prediction of an observable is a mean and a variance (of the observable, so theta's error, what the sitting has
in common, and the residual are all in it), made without the session that it predicts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import false_discovery_control, norm

from sightline.errors import BadInput
from sightline.quality.matching import Flags, Floats, Index
from sightline.quality.verdicts import Z90, Verdict, clustered_error, coverage_verdict, percent

PIT_BINS = 10
"""Bins of the histogram; each should hold a tenth."""

PIT_CLOSE, PIT_FAR = 0.05, 0.10
"""Largest distance between the distribution of PIT values and the uniform one that is fine, and that is bad: .05
is a shift of .13 SD or a spread that is off by a fifth."""

KOLMOGOROV = 1.36
"""Distance that chance reaches in 5 % of the cases, times the root of the number of independent values."""

LEAST_PREDICTED = 100
"""Predictions below which no check of predictions is made."""

LEAST_IN_WINDOW = 30
"""Values of an indicator inside and outside of a window without which its drift is not judged."""

DRIFT_SMALL, DRIFT_LARGE = 0.17, 0.25
"""SD of an indicator: the same borders as for DIF, because drift is DIF between times."""

LEVEL = 0.05
"""False-discovery rate over all indicators and windows (Benjamini & Hochberg 1995)."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """n observables with their predictions; all of length n. student: index, for errors that a student shares."""

    observed: Floats
    mean: Floats
    variance: Floats
    student: Index


@dataclass(frozen=True, slots=True)
class Pit:
    """shares: of PIT values by tenth (sum 1); distance: largest gap to the uniform distribution.

    bias, spread: mean and SD of standardised residuals; they should be 0 and 1.
    """

    n: int
    shares: tuple[float, ...]
    distance: float
    bias: float
    spread: float
    verdict: Verdict

    @property
    def words(self) -> str:
        if self.verdict is Verdict.NOT_ENOUGH:
            return f"Too few predictions to check their distribution: {self.n}, and {LEAST_PREDICTED} are needed."
        if self.verdict is Verdict.GOOD:
            return f"Predicted distributions fit what was observed (largest gap {percent(self.distance)})."
        reasons = []
        if abs(self.bias) > 0.1:  # noqa: PLR2004 - SD; half of what PIT_FAR stands for
            reasons.append(f"values lie {'above' if self.bias > 0 else 'below'} their predictions")
        if abs(np.log(self.spread)) > 0.1:  # noqa: PLR2004 - a tenth of the spread
            reasons.append(
                "predictions are " + ("too sure" if self.spread > 1 else "less sure than they could be")
            )
        why = " and ".join(reasons) or "the shape is another one than assumed"
        return f"Predicted distributions are off (largest gap {percent(self.distance)}): {why}."


@dataclass(frozen=True, slots=True)
class Tenth:
    """A tenth of the predictions, by size: how many, their mean, the mean that was observed and its error."""

    n: int
    predicted: float
    observed: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class LeftOut:
    """How well left-out sessions are predicted: r, RMSE, RMSE of predicting everybody's mean, 90 % coverage.

    tenths: from the lowest predictions to the highest; empty where there are too few. r is None without variation.
    """

    n: int
    r: float | None
    rmse: float
    rmse_of_mean: float
    coverage: float
    coverage_error: float
    tenths: tuple[Tenth, ...]
    verdict: Verdict

    @property
    def words(self) -> str:
        if self.verdict is Verdict.NOT_ENOUGH or self.r is None:
            return f"Too few left-out values to check predictions: {self.n}, and {LEAST_PREDICTED} are needed."
        return (
            f"Sessions that were left out are predicted with r = {self.r:.2f}; the error is {self.rmse:.2f} SD, "
            f"and {self.rmse_of_mean:.2f} SD when everybody is given the mean. "
            f"{percent(self.coverage)} of the 90 % intervals hold."
        )


@dataclass(frozen=True, slots=True)
class Drift:
    """One indicator in one window against all others: difference of mean residuals in SD, error, adjusted p.

    The three are None when there are too few values to judge.
    """

    indicator: int
    window: int
    n: int
    size: float | None
    standard_error: float | None
    adjusted_p: float | None
    verdict: Verdict

    def words(self, indicator: str, window: str) -> str:
        if self.size is None or self.standard_error is None:
            return f"{indicator}: too few values in {window} to see a drift ({self.n})."
        if self.verdict is Verdict.GOOD:
            return f"{indicator}: means in {window} what it means at other times ({self.size:+.2f} SD)."
        side = "higher" if self.size > 0 else "lower"
        return (
            f"{indicator}: in {window} {abs(self.size):.2f} SD {side} than skills explain "
            f"(standard error {self.standard_error:.2f}). Was the game or the task changed?"
        )


def pit(predicted: Predicted) -> Pit:
    """Probability integral transform of normal predictions (Dawid 1984). Raises BadInput when lengths differ."""
    _fits(predicted)
    z = (predicted.observed - predicted.mean) / np.sqrt(predicted.variance)
    n = len(z)
    u = np.sort(norm.cdf(z))
    steps = np.arange(n + 1) / n
    distance = float(max(np.max(steps[1:] - u), np.max(u - steps[:-1])))
    shares = np.bincount(np.minimum((u * PIT_BINS).astype(np.intp), PIT_BINS - 1), minlength=PIT_BINS) / n
    chance = float(KOLMOGOROV / np.sqrt(len(np.unique(predicted.student))))
    if n < LEAST_PREDICTED:
        verdict = Verdict.NOT_ENOUGH
    elif distance <= max(PIT_CLOSE, chance):
        verdict = Verdict.GOOD
    else:
        verdict = Verdict.BAD if distance > PIT_FAR and distance - chance > PIT_CLOSE else Verdict.WATCH
    return Pit(n, tuple(map(float, shares)), distance, float(z.mean()), float(z.std()), verdict)


def left_out(predicted: Predicted) -> LeftOut:
    """Predictions of sessions that were left out, against what happened. Raises BadInput when lengths differ."""
    _fits(predicted)
    error = predicted.observed - predicted.mean
    held = (np.abs(error) <= Z90 * np.sqrt(predicted.variance)).astype(np.float64)
    varied = predicted.observed.std() > 0 and predicted.mean.std() > 0
    r = float(np.corrcoef(predicted.observed, predicted.mean)[0, 1]) if varied else None
    rmse, of_mean = float(np.sqrt(np.mean(error**2))), float(predicted.observed.std())
    share, share_error = float(held.mean()), clustered_error(held, predicted.student)
    if len(error) < LEAST_PREDICTED or r is None:
        verdict = Verdict.NOT_ENOUGH
    elif rmse >= of_mean:
        verdict = Verdict.BAD
    else:
        verdict = coverage_verdict(share, share_error)
    tenths = () if verdict is Verdict.NOT_ENOUGH else _tenths(predicted)
    return LeftOut(len(error), r, rmse, of_mean, share, share_error, tenths, verdict)


def drift(residual: Floats, indicator: Index, window: Index, student: Index) -> tuple[Drift, ...]:
    """Every indicator in every window, by indicator and window, of n residuals y - predicted mean.

    window: an integer label of the time (n). Raises BadInput when lengths differ.
    """
    if not len(residual) == len(indicator) == len(window) == len(student):
        raise BadInput("drift needs one indicator, one window and one student for each residual")
    found: list[tuple[int, int, int, tuple[float, float] | None]] = []
    for j in np.unique(indicator):
        rows = np.flatnonzero(indicator == j)
        for w in np.unique(window[rows]):
            inside = window[rows] == w
            n = int(inside.sum())
            judged = min(n, len(rows) - n) >= LEAST_IN_WINDOW
            found.append(
                (int(j), int(w), n, _difference(residual[rows], inside, student[rows]) if judged else None)
            )
    tested = [pair for *_, pair in found if pair is not None]
    ps = [float(2 * norm.sf(abs(size) / error)) if error > 0 else 1.0 for size, error in tested]
    adjusted = iter(false_discovery_control(ps) if ps else ())
    return tuple(
        Drift(j, w, n, None, None, None, Verdict.NOT_ENOUGH)
        if pair is None
        else _judged(Drift(j, w, n, *pair, float(next(adjusted)), Verdict.GOOD))
        for j, w, n, pair in found
    )


def _tenths(predicted: Predicted) -> tuple[Tenth, ...]:
    order = np.argsort(predicted.mean, kind="stable")
    return tuple(
        Tenth(
            len(rows),
            float(predicted.mean[rows].mean()),
            float(predicted.observed[rows].mean()),
            clustered_error(predicted.observed[rows], predicted.student[rows]),
        )
        for rows in np.array_split(order, PIT_BINS)
    )


def _judged(one: Drift) -> Drift:
    size, p = abs(one.size or 0.0), 1.0 if one.adjusted_p is None else one.adjusted_p
    if p >= LEVEL or size < DRIFT_SMALL:
        return one
    verdict = Verdict.BAD if size >= DRIFT_LARGE else Verdict.WATCH
    return Drift(one.indicator, one.window, one.n, one.size, one.standard_error, one.adjusted_p, verdict)


def _difference(residual: Floats, inside: Flags, student: Index) -> tuple[float, float]:
    """Difference of means and its error; students who are in both parts are compared with themselves."""
    here, there = residual[inside].mean(), residual[~inside].mean()
    influence = np.where(inside, (residual - here) / inside.sum(), -(residual - there) / (~inside).sum())
    _, label = np.unique(student, return_inverse=True)
    sums = np.bincount(label, influence)
    students = len(sums)
    return float(here - there), float(np.sqrt(students / max(students - 1, 1) * np.sum(sums**2)))


def _fits(predicted: Predicted) -> None:
    lengths = {len(predicted.observed), len(predicted.mean), len(predicted.variance), len(predicted.student)}
    if len(lengths) > 1 or 0 in lengths:
        raise BadInput("predictions need one mean, one variance and one student for each observed value")
