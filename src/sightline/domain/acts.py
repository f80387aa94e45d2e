"""What a classifier of talk acts read in a conversation, and how well it can tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class ActReadings:
    """Probability of each act for each utterance, with the card's operating points.

    thresholds: probability from which an act is counted; discrimination: sensitivity minus false positive
    rate at that threshold, in the card's own group-wise validation (0 tells nothing, 1 errs never).
    """

    card_version: str
    probabilities: Mapping[UUID, Mapping[str, float]]
    thresholds: Mapping[str, float]
    discrimination: Mapping[str, float]
