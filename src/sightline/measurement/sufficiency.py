"""When there is no estimate, and what would help: computed from the model, never from a rule of thumb."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from sightline.domain.estimates import Shortfall
from sightline.domain.indicators import Indicator
from sightline.domain.skills import Skill, Source
from sightline.measurement.card import Array, Card
from sightline.measurement.items import SKILL_AXIS, Items, design_row, residual_variance
from sightline.measurement.norms import MINIMUM_STUDENTS, Norm, Norms
from sightline.measurement.one_by_one import Information, Severity

MOST_SITTINGS = 12
"""Further sittings of one source that may still be called help; more than one and a half a week is no advice."""

MOST_RATINGS = 3
"""Further ratings that may be called help: one at the start, in the middle and at the end of a window."""

COMPARISON_HELPS = "the same observed of more students, at least ten who differ in it"
"""What helps when there is nobody to compare with."""

SITTING_WORDS = {
    Source.GAME: ("game session", "game sessions"),
    Source.TALK: ("recorded group talk", "recorded group talks"),
    Source.TEACHER: ("teacher rating", "teacher ratings"),
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What sufficiency looks at for one skill.

    gains: information of each sitting (g x 17 x 17); borne: what the raters' severities bear on the state
    (17 x R), with their covariance (R x R); sittings and sources with the skill's own indicators.
    """

    gains: Array
    borne: Array
    severity: Array
    direct_sittings: int
    direct_sources: frozenset[Source]


def evidence_for(skill: Skill, items: Items, info: Information, raters: Severity) -> Evidence:
    axis = SKILL_AXIS[skill]
    own = np.flatnonzero(items.skill == axis)
    groups = len(items.sitting_variance)
    gains = np.zeros((groups, items.design.shape[1], items.design.shape[1]))
    for g in range(groups):
        members = items.sitting == g
        gains[g] = items.design[members].T @ info.rows[members]
    return Evidence(
        gains=gains,
        borne=items.design.T @ info.z_rows,
        severity=raters.covariance,
        direct_sittings=len(set(items.sitting[own].tolist())),
        direct_sources=frozenset(items.observables[i].source for i in own),
    )


def reliability(target: Array, covariance: Array, card: Card) -> float:
    """1 - a'Pa/a'Ca: the share of the prior's variance that the evidence removed."""
    return float(1.0 - (target @ covariance @ target) / (target @ card.prior_covariance @ target))


def shortfalls(target: Array, evidence: Evidence, covariance: Array, card: Card) -> tuple[Shortfall, ...]:
    """Why this evidence is not enough; empty when it is. `covariance` is the student's 17 x 17 posterior's."""
    if evidence.direct_sittings == 0:
        return (Shortfall.NO_EVIDENCE,)
    found: list[Shortfall] = []
    if evidence.direct_sittings < card.minimum_sessions:
        found.append(Shortfall.TOO_FEW_SESSIONS)
    if len(evidence.direct_sources) == 1:
        found.append(Shortfall.ONE_SOURCE)
    if reliability(target, covariance, card) < card.minimum_reliability:
        found.append(Shortfall.LOW_RELIABILITY)
    along = covariance @ target
    shares = np.einsum("i,gij,j->g", along, evidence.gains, along)
    if shares.max() > card.maximum_session_share * shares.sum():
        found.append(Shortfall.ONE_SESSION_DOMINATES)
    return tuple(found)


def would_help(
    skill: Skill,
    target: Array,
    evidence: Evidence,
    *,
    indicators: Mapping[str, Indicator],
    norms: Norms,
    card: Card,
) -> str:
    """The smallest additions of one source that would be enough, else the smallest mix with ratings, in words."""
    typical = {
        source: gain
        for source in Source
        if (gain := _typical_sitting(skill, source, indicators, norms, card)) is not None
    }

    def enough(extra: Mapping[Source, int]) -> bool:
        after = _with(evidence, extra, typical)
        before = np.linalg.inv(card.prior_information + after.gains.sum(axis=0))
        covariance = before + before @ after.borne @ after.severity @ after.borne.T @ before
        return not shortfalls(target, after, covariance, card)

    alone = [words for source in typical if (words := _alone(source, enough)) is not None]
    if alone:
        return " or ".join(alone)
    mixed = _mixed(typical.keys(), enough)
    if mixed is not None:
        return mixed
    if not typical.keys() - {Source.TEACHER}:
        return "sessions or talks in which this can be seen, together with teacher ratings"
    return "evidence of all kinds, over several weeks"


def _alone(source: Source, enough: Callable[[Mapping[Source, int]], bool]) -> str | None:
    """The least of one source that is enough, in words."""
    most = MOST_RATINGS if source is Source.TEACHER else MOST_SITTINGS
    count = next((n for n in range(1, most + 1) if enough({source: n})), None)
    return None if count is None else _words(source, count)


def _mixed(sources: AbstractSet[Source], enough: Callable[[Mapping[Source, int]], bool]) -> str | None:
    """The least of play or talk that is enough together with ratings, or play together with talk, in words."""
    for second, most in ((Source.TEACHER, MOST_RATINGS), (Source.TALK, MOST_SITTINGS // 2)):
        for n, first in product(range(1, MOST_SITTINGS + 1), (Source.GAME, Source.TALK)):
            if first is second or first not in sources or second not in sources:
                continue
            count = next((m for m in range(1, most + 1) if enough({first: n, second: m})), None)
            if count is not None:
                return f"{_words(first, n)} together with {_words(second, count)}"
    return None


def _words(source: Source, count: int) -> str:
    one, many = SITTING_WORDS[source]
    return f"1 further {one}" if count == 1 else f"about {count} further {many}"


def _with(evidence: Evidence, extra: Mapping[Source, int], typical: Mapping[Source, Array]) -> Evidence:
    added: list[Array] = [typical[source] for source, count in extra.items() for _ in range(count)]
    return replace(
        evidence,
        gains=np.concatenate([evidence.gains, np.stack(added)]),
        direct_sittings=evidence.direct_sittings + len(added),
        direct_sources=evidence.direct_sources | frozenset(extra),
    )


def _typical_sitting(
    skill: Skill, source: Source, indicators: Mapping[str, Indicator], norms: Norms, card: Card
) -> Array | None:
    """Information of one more sitting of a source at the end of the window; None when it cannot show the skill.

    Only the skill's own indicators count, so the advice is on the safe side. A rating that nobody gave yet
    has no norm; it is taken as comparable, with the whole variance of rater severity on top.
    """
    rows: list[Array] = []
    variances: list[float] = []
    for indicator, norm in _known(indicators.values(), norms):
        if indicator.skill is not skill or indicator.source is not source:
            continue
        rows.append(design_row(indicator, 1.0, card))
        extra = norm.typical_sampling_variance + 1.0 / norm.students
        severity = card.tau2 if source is Source.TEACHER else 0.0
        variances.append(residual_variance(indicator, norm, card) + extra + severity)
    if not rows:
        return None
    design = np.stack(rows)
    precision = 1.0 / np.array(variances)
    summed = design.T @ precision
    shrink = 1.0 / (1.0 / card.om2[source] + precision.sum())
    gain: Array = (design.T * precision) @ design - shrink * np.outer(summed, summed)
    return gain


def _known(indicators: Iterable[Indicator], norms: Norms) -> Sequence[tuple[Indicator, Norm]]:
    unrated = Norm(mean=0.0, spread=1.0, students=MINIMUM_STUDENTS, observables=1, typical_sampling_variance=0.0)
    known: list[tuple[Indicator, Norm]] = []
    for indicator in indicators:
        norm = norms.by_indicator.get(indicator.name)
        if norm is None and indicator.source is Source.TEACHER:
            norm = unrated
        if norm is not None:
            known.append((indicator, norm))
    return known
