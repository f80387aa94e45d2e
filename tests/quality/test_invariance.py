"""A repair is proposed by numbers, accepted by a person, and takes exactly the found difference away."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from known_truth import Faults, School, a_school

from sightline.errors import BadInput
from sightline.quality.dif import Compared, Letter, find_dif, purified_dif
from sightline.quality.invariance import (
    Decision,
    Proposed,
    Repair,
    accept,
    group_intercepts,
    proposal_words,
    propose,
)


def compared(school: School) -> Compared:
    return Compared(school.y, school.indicator, school.student, school.group, np.arange(len(school.klass)))


@cache
def proposed() -> tuple[School, tuple[Proposed, ...]]:
    """Indicator 3 shifts for one group; indicator 15 means more for it (slope)."""
    school = a_school(np.random.default_rng(0), 1500, Faults(dif={3: 0.6}, slope_dif={15: 0.4}))
    found = purified_dif(compared(school), school.skill, school.matching, reference=0)
    return school, propose(found.results)


def decided(repair: Repair | None = None) -> list[Decision]:
    return [
        Decision(one.indicator, repair or one.repair, "A. Reviewer", "the task text was read together")
        for one in proposed()[1]
    ]


def test_a_shift_gets_an_intercept_and_a_slope_switches_the_indicator_off() -> None:
    assert {one.indicator: one.repair for one in proposed()[1]} == {3: Repair.GROUP_INTERCEPT, 15: Repair.OFF}


def test_an_accepted_intercept_removes_the_dif_and_keeps_the_population_in_its_place() -> None:
    school, found = proposed()
    shares = np.bincount(school.group) / len(school.group)
    repaired = group_intercepts(accept(found, decided()), school.c, shares)
    np.testing.assert_allclose(shares @ repaired.by_group, school.c, atol=1e-12)
    assert repaired.by_group[1, 3] - repaired.by_group[0, 3] == found[0].shifts[1][0]
    shift = repaired.by_group[school.group[school.student], school.indicator] - school.c[school.indicator]
    data = Compared(school.y - shift, school.indicator, school.student, school.group, np.arange(1500))
    after = {dif.indicator: dif for dif in find_dif(data, school.matching(frozenset({3, 15})), reference=0)}
    assert after[3].letter is Letter.A


def test_other_indicators_and_students_of_unknown_group_are_left_as_they_are() -> None:
    school, found = proposed()
    repaired = group_intercepts(accept(found, decided()), school.c, np.array([0.5, 0.5]))
    others = np.arange(30) != 3
    assert np.array_equal(repaired.by_group[0, others], school.c[others])
    assert np.array_equal(repaired.unknown, school.c)
    assert list(np.flatnonzero(repaired.off)) == [15]


def test_a_person_may_keep_everything() -> None:
    school, found = proposed()
    kept = group_intercepts(accept(found, decided(Repair.KEEP)), school.c, np.array([0.5, 0.5]))
    assert np.array_equal(kept.by_group, np.tile(school.c, (2, 1)))
    assert not kept.off.any()


def test_nothing_is_accepted_without_a_person_a_reason_and_every_indicator() -> None:
    _, found = proposed()
    with pytest.raises(BadInput, match="decisions are needed"):
        accept(found, decided()[:1])
    with pytest.raises(BadInput, match="name and a reason"):
        accept(found, [Decision(one.indicator, Repair.OFF, " ", "because") for one in found])
    with pytest.raises(BadInput, match="two decisions"):
        accept(found, [*decided(), decided()[0]])


def test_groups_without_a_place_are_refused() -> None:
    school, found = proposed()
    accepted = accept(found, decided())
    with pytest.raises(BadInput, match="no place"):
        group_intercepts(accepted, school.c, np.array([1.0]))
    with pytest.raises(BadInput, match="add up to 1"):
        group_intercepts(accepted, school.c, np.array([0.5, 0.6]))


def test_where_nothing_is_large_nothing_is_proposed() -> None:
    school = a_school(np.random.default_rng(1), 600)
    assert propose(find_dif(compared(school), school.matching())) == ()


def test_words_leave_the_decision_to_a_person() -> None:
    for one in proposed()[1]:
        assert proposal_words(one, "asking").endswith("A person decides.")
