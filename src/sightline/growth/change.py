"""Change of one skill of one student. With typical evidence its error is near 1 SD: almost none can be seen.

A single student's change in one skill is never called growth here: that takes a false-discovery control over
the school (`testing`). What may be said is how likely a rise is, when that is likely, and what could have been
seen at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from sightline.domain.changes import Verdict
from sightline.domain.estimates import Slope
from sightline.growth.findings import verdict_of
from sightline.growth.words import bound_words

SEEN_AT_POWER_80 = 1.959964 + 0.841621
"""Standard errors of change that a two-sided 5 % test sees with a power of .80."""


@dataclass(frozen=True, slots=True)
class Change:
    """Probability that the skill rose over the window, and the smallest change (SD) this evidence could show."""

    probability_of_rise: float
    smallest_visible: float
    words: str


def change_of(slope: Slope, weeks: float, spread: float | None = None) -> Change:
    """What may be said of a slope over a window of the given weeks.

    spread: SD of true change among students per window. With it "likely" comes true nine times in ten; without
    it (None, a flat prior) a rise of a student is called likely by chance alone in one case of ten.
    """
    shrink = 1.0 if spread is None else spread / sqrt(spread**2 + slope.standard_error**2)
    probability = NormalDist().cdf(shrink * slope.mean / slope.standard_error)
    smallest = SEEN_AT_POWER_80 * slope.standard_error
    verdict = verdict_of(grew=False, declined=False, probability_of_rise=probability, smallest_visible=smallest)
    bound = bound_words(smallest, weeks)
    if verdict is Verdict.LIKELY_RISE:
        words = f"A rise is likely, and not certain. {bound}"
    elif verdict is Verdict.LIKELY_FALL:
        words = f"A fall is likely, and not certain. {bound}"
    elif verdict is Verdict.TOO_LITTLE_EVIDENCE:
        words = f"There is too little evidence to see a change. {bound}"
    else:
        words = f"No change that stands out from noise. {bound}"
    return Change(probability, smallest, words)
