"""One finding about change, and its verdict. Nothing here needs a numerical library, so that pages can show it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

LIKELY = 0.90
"""P(change > 0) from which "likely" may be said; at 1 - LIKELY a fall is."""

LARGEST_EXPECTED = 1.0
"""SD per window. Evidence that could only have shown more than this could have shown nothing that happens: the
population's change has an SD of .25 in 8 weeks (the model's prior). A judgement."""


class Verdict(StrEnum):
    """What may be said of a change."""

    GROWTH = "growth"
    DECLINE = "decline"
    LIKELY_RISE = "likely_rise"
    LIKELY_FALL = "likely_fall"
    NOTHING_STANDS_OUT = "nothing_stands_out"
    TOO_LITTLE_EVIDENCE = "too_little_evidence"
    TOO_FEW = "too_few"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found about one change, in SD per window.

    p: two-sided, of no change; q: None where it was not tested at its level; counted: students or skills in it;
    smallest_visible: the change that would have been announced with a power of .80; the numbers of a finding with
    the verdict TOO_FEW mean nothing and are not shown.
    """

    change: float
    standard_error: float
    p: float
    q: float | None
    probability_of_rise: float
    smallest_visible: float
    counted: int
    verdict: Verdict


def verdict_of(*, grew: bool, declined: bool, probability_of_rise: float, smallest_visible: float) -> Verdict:
    """Announced, likely, or nothing; and whether anything could have been seen at all."""
    if grew:
        return Verdict.GROWTH
    if declined:
        return Verdict.DECLINE
    if probability_of_rise >= LIKELY:
        return Verdict.LIKELY_RISE
    if probability_of_rise <= 1 - LIKELY:
        return Verdict.LIKELY_FALL
    if smallest_visible > LARGEST_EXPECTED:
        return Verdict.TOO_LITTLE_EVIDENCE
    return Verdict.NOTHING_STANDS_OUT
