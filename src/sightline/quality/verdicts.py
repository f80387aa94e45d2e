"""What a check of the measurement can conclude, and the numbers that several checks share."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from sightline.quality.matching import Floats, Index

Z90 = 1.6448536269514722
"""Half width of a 90 % interval in standard errors of a normal distribution."""

COVERAGE_HOLDS = (0.88, 0.92)
"""Share of 90 % intervals that must hold the truth (measurement.md)."""


class Verdict(StrEnum):
    """GOOD: as it should be. WATCH: off, by little or not surely. BAD: off. NOT_ENOUGH: nothing can be said."""

    GOOD = "good"
    WATCH = "watch"
    BAD = "bad"
    NOT_ENOUGH = "not enough"


def clustered_error(values: Floats, cluster: Index) -> float:
    """Standard error of the mean of values whose errors are shared within clusters (any integer labels)."""
    _, label = np.unique(cluster, return_inverse=True)
    sums = np.bincount(label, values - values.mean())
    return float(np.sqrt(np.sum(sums**2)) / len(values))


def coverage_verdict(share: float, standard_error: float) -> Verdict:
    """GOOD inside the range, WATCH where two standard errors reach into it, BAD beyond."""
    low, high = COVERAGE_HOLDS
    if low <= share <= high:
        return Verdict.GOOD
    off = max(low - share, share - high)
    return Verdict.WATCH if off <= 2 * standard_error else Verdict.BAD


def percent(share: float) -> str:
    """For a sentence: one decimal, because half a percent decides here."""
    return f"{100 * share:.1f} %"
