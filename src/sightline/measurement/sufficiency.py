"""When there is no estimate, and the words for what would help; `advice` computes what these rules look at."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightline.domain.estimates import Shortfall
from sightline.domain.indicators import Indicator
from sightline.domain.skills import SKILLS, SOURCES, Skill, Source
from sightline.measurement.card import Card
from sightline.measurement.norms import MINIMUM_STUDENTS, Norm, Norms
from sightline.measurement.observations import Floats, Index
from sightline.measurement.parameters import loadings_of
from sightline.measurement.robust import information_share

COMPARISON_HELPS = "the same observed of more students, at least ten who differ in it"
"""What helps when there is nobody to compare with."""

SITTING_WORDS = {
    Source.GAME: ("game session", "game sessions"),
    Source.TALK: ("recorded group talk", "recorded group talks"),
    Source.TEACHER: ("teacher rating", "teacher ratings"),
}

UNRATED = Norm(mean=0.0, spread=1.0, students=MINIMUM_STUDENTS, observables=1, typical_sampling_variance=0.0)
"""Stands for the norm of a rating that nobody gave yet."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What sufficiency looks at, by student and skill (N x 7 each).

    sittings and sources (N x 7 x 3): those with the skill's own indicators; reliability: 1 - a'Pa/a'Ca; dominated:
    whether one sitting has more of the precision than it may.
    """

    sittings: Index
    sources: NDArray[np.bool_]
    reliability: Floats
    dominated: NDArray[np.bool_]


def shortfalls(standing: Standing, student: int, skill: int, card: Card) -> tuple[Shortfall, ...]:
    """Why this evidence is not enough; empty when it is.

    One source alone is too little as long as what students bring to it is only assumed.
    """
    if standing.sittings[student, skill] == 0:
        return (Shortfall.NO_EVIDENCE,)
    found: list[Shortfall] = []
    if standing.sittings[student, skill] < card.minimum_sessions:
        found.append(Shortfall.TOO_FEW_SESSIONS)
    seen = np.flatnonzero(standing.sources[student, skill])
    if len(seen) == 1 and SOURCES[seen[0]] not in card.gam_learned:
        found.append(Shortfall.ONE_SOURCE)
    if standing.reliability[student, skill] < card.minimum_reliability:
        found.append(Shortfall.LOW_RELIABILITY)
    if standing.dominated[student, skill]:
        found.append(Shortfall.ONE_SESSION_DOMINATES)
    return tuple(found)


def typical_sitting(
    skill: Skill, source: Source, indicators: Mapping[str, Indicator], norms: Norms, card: Card
) -> Floats | None:
    """Information of one more sitting of a source at the end of the window; None when it cannot show the skill.

    In four directions (4 x 4): the level now, and what the student brings to each source. Only the skill's own
    indicators count, so the advice is on the safe side. A rating that nobody gave yet has no norm; it is taken as
    comparable, with the whole variance of rater severity on top. With Student-t errors an item is worth less.
    """
    tau2, om2 = (card.tau2, card.om2) if card.learned is None else (card.learned.tau2, card.learned.om2)
    share = information_share(math.inf if card.learned is None else card.learned.nu)
    rows: list[Floats] = []
    precision: list[float] = []
    for indicator, norm in _known(indicators.values(), norms, card):
        if indicator.skill is not skill or indicator.source is not source:
            continue
        found = loadings_of(indicator, norm, card)
        row = np.zeros(1 + len(SOURCES))
        row[0], row[1 + SOURCES.index(source)] = found.lam, found.gam
        rows.append(row)
        extra = norm.typical_sampling_variance + 1.0 / norm.students
        severity = tau2 if source is Source.TEACHER else 0.0
        precision.append(1.0 / ((found.s2 + extra) / share + severity))
    if not rows:
        return None
    design, weights = np.stack(rows), np.array(precision)
    summed = design.T @ weights
    shrink = om2[source] / (1.0 + om2[source] * weights.sum())
    gain: Floats = (design.T * weights) @ design - shrink * np.outer(summed, summed)
    return gain


def _known(indicators: Iterable[Indicator], norms: Norms, card: Card) -> list[tuple[Indicator, Norm]]:
    known: list[tuple[Indicator, Norm]] = []
    for indicator in indicators:
        norm = norms.by_indicator.get(indicator.name)
        if norm is None and indicator.source is Source.TEACHER and card.learned is None:
            norm = UNRATED
        if norm is not None:
            known.append((indicator, norm))
    return known


def in_words(ways: Sequence[Sequence[int]], possible: frozenset[Source]) -> str:
    """The smallest additions that would be enough, in words.

    ways: further sittings of each source, all of one together; possible: the sources that can show the skill.
    """
    if ways:
        return " or ".join(
            " together with ".join(_words(source, n) for source, n in zip(SOURCES, way, strict=True) if n)
            for way in ways
        )
    if not possible - {Source.TEACHER}:
        return "sessions or talks in which this can be seen, together with teacher ratings"
    return "evidence of all kinds, over several weeks"


def _words(source: Source, count: int) -> str:
    one, many = SITTING_WORDS[source]
    return f"1 further {one}" if count == 1 else f"about {count} further {many}"


def typical_sittings(
    indicators: Mapping[str, Indicator], norms: Norms, card: Card
) -> tuple[Floats, dict[Skill, frozenset[Source]]]:
    """`typical_sitting` of every skill and source (7 x 3 x 4 x 4, zero for none), and which sources show it."""
    size = 1 + len(SOURCES)
    typical = np.zeros((len(SKILLS), len(SOURCES), size, size))
    possible: dict[Skill, frozenset[Source]] = {}
    for k, skill in enumerate(SKILLS):
        gains = {source: typical_sitting(skill, source, indicators, norms, card) for source in SOURCES}
        possible[skill] = frozenset(source for source, gain in gains.items() if gain is not None)
        for s, source in enumerate(SOURCES):
            gain = gains[source]
            if gain is not None:
                typical[k, s] = gain
    return typical, possible
