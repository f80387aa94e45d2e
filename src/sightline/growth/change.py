"""Change of one skill of one student. With typical evidence its error is near 1 SD: almost none can be seen.

A single student's change in one skill is never called growth here: that takes a false-discovery control over
the class. What may be said is how likely a rise is, when that is likely, and what could have been seen at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

from sightline.domain.estimates import Slope

LIKELY = 0.90
"""P(change > 0) from which "likely" may be said."""

SEEN_AT_POWER_80 = 1.959964 + 0.841621
"""Standard errors of change that a two-sided 5 % test sees with a power of .80."""


@dataclass(frozen=True, slots=True)
class Change:
    """Probability that the skill rose over the window, and the smallest change (SD) this evidence could show."""

    probability_of_rise: float
    smallest_visible: float
    words: str


def change_of(slope: Slope, weeks: float) -> Change:
    """What may be said of a slope over a window of the given weeks."""
    probability = NormalDist().cdf(slope.mean / slope.standard_error)
    smallest = SEEN_AT_POWER_80 * slope.standard_error
    bound = f"Over {weeks:g} weeks this evidence could only have shown a change of {smallest:.1f} SD or more."
    if probability >= LIKELY:
        words = f"A rise is likely, and not certain. {bound}"
    elif probability <= 1 - LIKELY:
        words = f"A fall is likely, and not certain. {bound}"
    else:
        words = f"No change that stands out from noise. {bound}"
    return Change(probability, smallest, words)
