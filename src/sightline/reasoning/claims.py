"""Contributions to claims. Each sentence says what was observed, how often, and which way it moved the estimate.

The observed part comes from the observables alone, the direction from the sign of their summed contributions
alone, so neither can say what the evidence does not carry. A negative indicator that was rare raises.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, fsum, log
from uuid import UUID

from sightline.domain.claims import Claim, Direction
from sightline.domain.estimates import SkillResult
from sightline.domain.indicators import Indicator, Scale
from sightline.domain.observables import Observable
from sightline.domain.skills import Skill, Source
from sightline.reasoning.words import duration_words, plural

VISIBLE = 0.01
"""SD; a sum of contributions below this is under a fiftieth of a typical standard error: nobody could see it."""

SOURCE_WORDS = {Source.GAME: "in play", Source.TALK: "in group talk"}
SITTING_WORDS = {
    Source.GAME: ("session", "sessions"),
    Source.TALK: ("talk", "talks"),
    Source.TEACHER: ("rating", "ratings"),
}


@dataclass(frozen=True, slots=True)
class Group:
    """All observables of one indicator behind one skill, with the sum of their contributions in SD."""

    indicator: Indicator
    observables: tuple[Observable, ...]
    amount: float
    direct: bool


def groups_of(
    result: SkillResult, observables: Mapping[UUID, Observable], indicators: Mapping[str, Indicator]
) -> tuple[Group, ...]:
    """Contributions by indicator, the largest movement first."""
    amounts: dict[str, list[tuple[UUID, float]]] = {}
    for contribution in result.contributions:
        amounts.setdefault(contribution.indicator, []).append((contribution.observable_id, contribution.amount))
    groups = [
        Group(
            indicator=indicators[name],
            observables=tuple(sorted((observables[o] for o, _ in parts), key=lambda o: (o.at, o.observable_id))),
            amount=fsum(amount for _, amount in parts),
            direct=indicators[name].skill is result.skill,
        )
        for name, parts in amounts.items()
    ]
    return tuple(sorted(groups, key=lambda g: (-abs(g.amount), g.indicator.name)))


def claims_of(groups: Sequence[Group], skill: Skill) -> tuple[Claim, ...]:
    """One claim for each indicator of the skill itself: strengths first, then what lowers, each by size."""
    own = [group for group in groups if group.direct]
    claims = [
        Claim(
            skill=skill,
            sentence=sentence(group),
            direction=direction_of(group.amount),
            evidence=tuple(o.observable_id for o in group.observables),
        )
        for group in own
    ]
    order = (Direction.RAISES, Direction.LOWERS, Direction.NEITHER)
    return tuple(sorted(claims, key=lambda claim: order.index(claim.direction)))


def direction_of(amount: float) -> Direction:
    if abs(amount) < VISIBLE:
        return Direction.NEITHER
    return Direction.RAISES if amount > 0 else Direction.LOWERS


DIRECTION_WORDS = {
    Direction.RAISES: "this raises the estimate",
    Direction.LOWERS: "this lowers the estimate",
    Direction.NEITHER: "this hardly moves the estimate",
}


def sentence(group: Group) -> str:
    """What was observed over all sittings, where, and which way it points compared with other students."""
    seen = observed_words(group.indicator, group.observables)
    sittings = plural(len({o.sitting_id for o in group.observables}), *SITTING_WORDS[group.indicator.source])
    place = SOURCE_WORDS.get(group.indicator.source)
    where = f"({sittings})" if place is None else f"{place} ({sittings})"
    return f"{seen} {where}; compared with other students, {DIRECTION_WORDS[direction_of(group.amount)]}."


def observed_words(indicator: Indicator, observables: Sequence[Observable]) -> str:
    """The observed part of a sentence, from counts and values only; at least one observable is needed."""
    if indicator.scale is Scale.PROPORTION:
        counted = sum(round(o.measured.value * o.measured.opportunities) for o in observables)
        chances = sum(o.measured.opportunities for o in observables)
        return f"In {counted} of {chances} {indicator.chance}, {indicator.act}"
    if indicator.scale is Scale.DURATION:
        weights = [o.measured.opportunities for o in observables]
        mean = exp(
            fsum(log(o.measured.value) * w for o, w in zip(observables, weights, strict=True)) / sum(weights)
        )
        return f"Typically {indicator.act.format(value=duration_words(mean))} ({sum(weights)} {indicator.chance})"
    if indicator.scale is Scale.RUBRIC:
        levels = ", ".join(f"{o.measured.value:g}" for o in observables)
        return indicator.act.format(value=levels).capitalize()
    typical = fsum(o.measured.value for o in observables) / len(observables)
    return f"On average {indicator.act.format(value=f'{typical:.0%}')}"
