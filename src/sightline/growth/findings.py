"""From numbers to a verdict. Nothing here needs a numerical library, so that pages can use it."""

from __future__ import annotations

from sightline.domain.changes import Verdict

LIKELY = 0.90
"""P(change > 0) from which a rise is called likely, and P(change < 0) from which a fall is."""

LARGEST_EXPECTED = 1.0
"""SD per window. Evidence that could only have shown more than this could have shown nothing that happens: the
population's change has an SD of .25 in 8 weeks (the model's prior). A judgement."""


WORTH_SAYING = 0.2
"""SD per window from which a change that is found is called growth (the model's reporting rules)."""

SMALLEST_CLASS = 5
"""Students below whom a mean is not a class but persons. A judgement."""

SMALLEST_OVERALL = 4
"""Skills of seven, more than half, below which their mean is not a student overall. A judgement."""


def verdict_of(*, grew: bool, declined: bool, probability_of_rise: float, smallest_visible: float) -> Verdict:
    """Announced, likely, or nothing; and whether anything could have been seen at all."""
    if grew:
        return Verdict.GROWTH
    if declined:
        return Verdict.DECLINE
    if probability_of_rise >= LIKELY:
        return Verdict.LIKELY_RISE
    if 1 - probability_of_rise >= LIKELY:
        return Verdict.LIKELY_FALL
    if smallest_visible > LARGEST_EXPECTED:
        return Verdict.TOO_LITTLE_EVIDENCE
    return Verdict.NOTHING_STANDS_OUT
