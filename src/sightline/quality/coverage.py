"""On simulated students, whose truth is known: do 90 % intervals hold it, and do level probabilities come true."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sightline.errors import BadInput
from sightline.quality.matching import Flags, Floats, Index
from sightline.quality.verdicts import Z90, Verdict, clustered_error, coverage_verdict, percent

RELIABILITY_EDGES = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Bins of reliability; .6 is where scores begin to be shown."""

LEVEL_BINS = 10
"""Bins of stated probability, each a tenth wide."""

CALIBRATED = 0.03
"""Largest mean distance between stated probability and share that counts as calibrated (measurement.md)."""

LEAST_ESTIMATES = 50
"""Estimates below which a share is no share: its standard error at .90 would be above .04."""


@dataclass(frozen=True, slots=True)
class Share:
    """How many of n 90 % intervals hold the truth, as a share; its error allows for skills of one student."""

    low: float
    high: float
    n: int
    value: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class Coverage:
    """Coverage over all estimates and by bins of reliability (low to high; empty bins are left out)."""

    overall: Share
    bins: tuple[Share, ...]
    verdict: Verdict

    @property
    def words(self) -> str:
        if self.verdict is Verdict.NOT_ENOUGH:
            return f"Too few estimates to check the intervals: {self.overall.n}, and {LEAST_ESTIMATES} are needed."
        return (
            f"{percent(self.overall.value)} of {self.overall.n} 90 % intervals hold the true skill "
            f"(88 to 92 % is right)."
        )


@dataclass(frozen=True, slots=True)
class LevelBin:
    """Level statements of about one stated probability: how many, the mean stated, the share that was true."""

    n: int
    stated: float
    came_true: float


@dataclass(frozen=True, slots=True)
class LevelCalibration:
    """error: mean distance between stated and true, weighted by n; by_chance: what a perfect model would show."""

    bins: tuple[LevelBin, ...]
    error: float
    by_chance: float
    verdict: Verdict

    @property
    def words(self) -> str:
        if self.verdict is Verdict.NOT_ENOUGH:
            return f"Too few estimates to check the level probabilities: {LEAST_ESTIMATES} are needed."
        return (
            f"Level probabilities are off by {self.error:.3f} on average ({CALIBRATED} or less is right; "
            f"chance alone would show {self.by_chance:.3f})."
        )


def coverage(truth: Floats, mean: Floats, standard_error: Floats, reliability: Floats, student: Index) -> Coverage:
    """Coverage of n estimates (all arguments of length n; estimates of one student share its index).

    Raises BadInput when lengths differ or there is no estimate.
    """
    if not 0 < len(truth) == len(mean) == len(standard_error) == len(reliability) == len(student):
        raise BadInput(
            "coverage needs as many truths as means, errors, reliabilities and students, and at least one"
        )
    held = (np.abs(truth - mean) <= Z90 * standard_error).astype(np.float64)
    everything = np.ones(len(truth), dtype=np.bool_)
    bins = []
    for low, high in pairwise(RELIABILITY_EDGES):
        last = high == RELIABILITY_EDGES[-1]
        inside = (reliability >= low) & ((reliability <= high) if last else (reliability < high))
        if inside.any():
            bins.append(_share(low, high, held, student, inside))
    overall = _share(RELIABILITY_EDGES[0], RELIABILITY_EDGES[-1], held, student, everything)
    enough = overall.n >= LEAST_ESTIMATES
    verdict = coverage_verdict(overall.value, overall.standard_error) if enough else Verdict.NOT_ENOUGH
    return Coverage(overall, tuple(bins), verdict)


def level_calibration(probabilities: Floats, truth: Floats, cuts: tuple[float, float, float]) -> LevelCalibration:
    """Stated probabilities (n x 4, lowest level first) against true skills (n); a border is of the level above.

    Raises BadInput when shapes do not fit or there is no estimate.
    """
    if probabilities.shape != (len(truth), len(cuts) + 1) or not len(truth):
        raise BadInput("level calibration needs one probability for each of the four levels of each true skill")
    true = np.eye(len(cuts) + 1)[np.searchsorted(np.asarray(cuts), truth, side="right")].ravel()
    stated = probabilities.ravel()
    place = np.minimum((stated * LEVEL_BINS).astype(np.intp), LEVEL_BINS - 1)
    n = np.bincount(place, minlength=LEVEL_BINS)
    used = np.flatnonzero(n)
    said = np.bincount(place, stated, LEVEL_BINS)[used] / n[used]
    came = np.bincount(place, true, LEVEL_BINS)[used] / n[used]
    noise = np.bincount(place, stated * (1 - stated), LEVEL_BINS)[used] / n[used] ** 2
    share = n[used] / len(stated)
    error = float(np.sum(share * np.abs(said - came)))
    by_chance = float(np.sum(share * np.sqrt(2 / np.pi * noise)))
    if len(truth) < LEAST_ESTIMATES:
        verdict = Verdict.NOT_ENOUGH
    elif error <= CALIBRATED:
        verdict = Verdict.GOOD
    else:
        verdict = Verdict.WATCH if error - by_chance <= CALIBRATED else Verdict.BAD
    bins = tuple(LevelBin(int(k), float(a), float(b)) for k, a, b in zip(n[used], said, came, strict=True))
    return LevelCalibration(bins, error, by_chance, verdict)


def _share(low: float, high: float, held: Floats, student: Index, inside: Flags) -> Share:
    chosen = held[inside]
    return Share(low, high, len(chosen), float(chosen.mean()), clustered_error(chosen, student[inside]))
