"""Sentences shown to people. A claim without evidence cannot be built."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sightline.domain.skills import Skill


class Direction(StrEnum):
    """Which way the cited evidence moved the estimate."""

    RAISES = "raises"
    LOWERS = "lowers"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence about one skill, with the observables that it rests on (at least one)."""

    skill: Skill
    sentence: str
    direction: Direction
    evidence: tuple[UUID, ...]

    def __post_init__(self) -> None:
        if not self.evidence:
            raise ValueError("a claim must cite at least one observable")
