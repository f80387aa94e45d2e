"""Partial invariance: what to do about indicators of class C, proposed by the numbers and decided by people.

Nothing here changes a score by itself. A proposal becomes an acceptance only with a person's decision for every
indicator in it, and the acceptance gives intercepts by group, or switches an indicator off for everyone. A group
intercept belongs to the *indicator*: a student's prior never knows a group.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from sightline.errors import BadInput
from sightline.quality.dif import Dif, Judged, Letter
from sightline.quality.matching import Flags, Floats


class Repair(StrEnum):
    """KEEP is never proposed for class C; a reviewer may choose it and must say why."""

    OFF = "off"
    GROUP_INTERCEPT = "group_intercept"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Proposed:
    """One indicator of class C: the repair that the numbers suggest, and by flagged group the shift and its error.

    shifts: group to (size, standard error) in SD of the indicator, against the reference group.
    """

    indicator: int
    repair: Repair
    reference: int
    shifts: Mapping[int, tuple[float, float]]
    why: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided for one indicator, who, and why. Name and reason are kept with the parameters."""

    indicator: int
    repair: Repair
    reviewer: str
    reason: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """A proposal with a decision for each of its indicators, in the same order."""

    proposed: tuple[Proposed, ...]
    decisions: tuple[Decision, ...]


@dataclass(frozen=True, slots=True)
class GroupIntercepts:
    """For the scorer: c by group (G x J), c where the group is not known (J), and what is off (J)."""

    by_group: Floats
    unknown: Floats
    off: Flags


def propose(results: Iterable[Dif]) -> tuple[Proposed, ...]:
    """A repair for every indicator of class C, by indicator; empty when there is none.

    Off when the difference is not the same at all levels of skill: an intercept would not mend that.
    """
    found: dict[int, list[Dif]] = {}
    for dif in results:
        if isinstance(dif.outcome, Judged):
            found.setdefault(dif.indicator, []).append(dif)
    proposals = []
    for indicator, difs in sorted(found.items()):
        if not any(Letter.C in {dif.letter, dif.slope_letter} for dif in difs):
            continue
        crossed = any(dif.slope_letter is not Letter.A for dif in difs)
        shifts = {
            dif.group: (dif.outcome.uniform.size, dif.outcome.uniform.standard_error)
            for dif in difs
            if isinstance(dif.outcome, Judged) and dif.letter is not Letter.A
        }
        proposals.append(
            Proposed(
                indicator,
                Repair.OFF if crossed else Repair.GROUP_INTERCEPT,
                difs[0].reference,
                shifts,
                "the difference changes with skill, which no intercept mends"
                if crossed
                else "the difference is the same at all levels of skill, so an intercept by group removes it",
            )
        )
    return tuple(proposals)


def accept(proposed: Sequence[Proposed], decisions: Iterable[Decision]) -> Accepted:
    """Join decisions to a proposal. Raises BadInput unless each indicator has one, with name and reason."""
    by_indicator: dict[int, Decision] = {}
    for decision in decisions:
        if decision.indicator in by_indicator:
            raise BadInput(f"there are two decisions for indicator {decision.indicator}: keep one")
        if not decision.reviewer.strip() or not decision.reason.strip():
            raise BadInput(f"the decision for indicator {decision.indicator} needs a reviewer's name and a reason")
        by_indicator[decision.indicator] = decision
    wanted = [one.indicator for one in proposed]
    if set(wanted) != set(by_indicator):
        raise BadInput(
            f"decisions are needed for the indicators {sorted(wanted)} and for no others; "
            f"these have one: {sorted(by_indicator)}"
        )
    return Accepted(tuple(proposed), tuple(by_indicator[indicator] for indicator in wanted))


def group_intercepts(accepted: Accepted, c: Floats, group_shares: Floats) -> GroupIntercepts:
    """Apply accepted decisions to the intercepts c (J), for groups with the given shares of students (G, sum 1).

    Shifts are laid around c so that their mean over the groups is c: the population keeps its place. Groups that
    were not flagged have the reference group's intercept. Raises BadInput when a group or indicator has no place.
    """
    groups = len(group_shares)
    if not np.isclose(group_shares.sum(), 1.0) or np.any(group_shares < 0):
        raise BadInput("the shares of the groups must be 0 or more and add up to 1")
    by_group = np.tile(np.asarray(c, dtype=np.float64), (groups, 1))
    off: Flags = np.zeros(len(c), dtype=np.bool_)
    for one, decision in zip(accepted.proposed, accepted.decisions, strict=True):
        if one.indicator >= len(c) or max((one.reference, *one.shifts)) >= groups:
            raise BadInput(f"indicator {one.indicator} or one of its groups has no place in these parameters")
        if decision.repair is Repair.OFF:
            off[one.indicator] = True
        elif decision.repair is Repair.GROUP_INTERCEPT:
            shift = np.zeros(groups)
            shift[list(one.shifts)] = [size for size, _ in one.shifts.values()]
            by_group[:, one.indicator] += shift - float(shift @ group_shares)
    return GroupIntercepts(by_group, np.array(c, dtype=np.float64), off)


def proposal_words(one: Proposed, indicator: str) -> str:
    """Two sentences for the reviewer."""
    if one.repair is Repair.OFF:
        return f"{indicator}: proposed to be switched off for everyone, because {one.why}. A person decides."
    return (
        f"{indicator}: proposed to be read with its own starting point in each group: {one.why}. A person decides."
    )
