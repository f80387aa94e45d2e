"""A source that is broken in a class is set aside there; a class that is better or strictly rated is not."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from known_truth import Faults, School, a_school

from sightline.errors import BadInput
from sightline.quality.matching import Matching
from sightline.quality.monitor import (
    LEAST_STUDENTS,
    LIMIT,
    Cell,
    Monitored,
    Reading,
    Watched,
    monitor_words,
    watch,
)

GAME, TALK, TEACHER = 0, 1, 2


def watched(school: School) -> Watched:
    return Watched(school.y, school.student, school.indicator, school.klass, school.c, school.lam, school.source)


def monitored(school: School) -> Monitored:
    return watch(watched(school), lambda aside: school.matching(aside=aside))


@cache
def broken_schools(class_spread: float) -> tuple[tuple[frozenset[tuple[int, int]], Monitored], ...]:
    """Eight schools of 40 classes; in 8 of them all values of game or talk are .8 SD off, up or down."""
    made = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        classes = rng.choice(40, 8, replace=False)
        broken = {(int(k), int(rng.integers(2))): float(rng.choice([-0.8, 0.8])) for k in classes}
        school = a_school(rng, 1000, Faults(broken=broken), class_spread=class_spread)
        made.append((frozenset(broken), monitored(school)))
    return tuple(made)


@pytest.mark.parametrize("class_spread", [0.0, 0.33])  # the second is an intraclass correlation of .1
def test_a_source_broken_in_a_fifth_of_the_classes_is_found_there(class_spread: float) -> None:
    schools = broken_schools(class_spread)
    found = [len(broken & seen.set_aside) for broken, seen in schools]
    assert sum(found) >= 0.95 * 64  # Monte-Carlo SE at .99: .012


@pytest.mark.parametrize("class_spread", [0.0, 0.33])
def test_hardly_any_sound_source_is_set_aside(class_spread: float) -> None:
    schools = broken_schools(class_spread)
    false = [len(seen.set_aside - broken) for broken, seen in schools]
    sound = [len(seen.readings) - len(broken) for broken, seen in schools]
    assert sum(sound) == 8 * 112
    assert sum(false) <= 0.02 * sum(sound)  # SE at .01: .003


def test_nothing_is_set_aside_where_nothing_is_broken() -> None:
    readings: list[Reading] = []
    for seed in range(6):
        readings += monitored(a_school(np.random.default_rng(50 + seed), 1000, class_spread=0.33)).readings
    assert np.mean([reading.cell is not Cell.FINE for reading in readings]) <= 0.01


def test_plain_differences_would_blame_sources_that_only_lean_on_a_broken_one() -> None:
    """The control that must fail: theta as it is, each source judged once, nothing drawn in."""
    broken = {(k, GAME): 1.5 for k in range(0, 40, 5)}
    school = a_school(np.random.default_rng(3), 1000, Faults(broken=broken))
    evidence = school.matching().evidence()
    left = school.y - school.c[school.indicator] - school.lam[school.indicator] * evidence.value
    talk = school.source[school.indicator] == TALK
    klass = school.klass[school.student[talk]]
    shift = np.bincount(klass, left[talk]) / np.bincount(klass)
    shift -= np.median(shift)
    blamed = np.flatnonzero(np.abs(shift) > LIMIT * 1.4826 * np.median(np.abs(shift)))
    assert len(blamed) >= 3
    assert monitored(school).set_aside == frozenset(broken)


def test_classes_that_truly_differ_by_much_are_not_broken() -> None:
    school = a_school(np.random.default_rng(4), 1000, class_spread=0.8)
    assert len(monitored(school).set_aside) <= 2


def test_a_strict_teacher_is_no_broken_source() -> None:
    """Severities have an SD of .4; the model takes them out, and the monitor leaves them in peace."""
    schools = [a_school(np.random.default_rng(70 + seed), 1000) for seed in range(4)]
    strict = [(k, TEACHER) for school in schools for k in np.flatnonzero(np.abs(school.severity) > 0.6)]
    assert len(strict) >= 15
    aside = [pair for school in schools for pair in monitored(school).set_aside if pair[1] == TEACHER]
    assert len(aside) <= 2


def test_two_sources_that_contradict_each_other_are_both_undecided() -> None:
    """Talk is away everywhere. Game and ratings are broken in opposite directions in one class."""
    broken = {(4, GAME): 2.0, (4, TEACHER): -2.5}
    school = a_school(np.random.default_rng(9), 1000, Faults(broken=broken), class_spread=0.6)
    away = frozenset((k, TALK) for k in range(40))
    there = school.source[school.indicator] != TALK
    data = Watched(
        school.y[there],
        school.student[there],
        school.indicator[there],
        school.klass,
        school.c,
        school.lam,
        school.source,
    )

    def matching(aside: frozenset[tuple[int, int]]) -> Matching:
        found = school.matching(aside=aside | away)
        return Matching(found.mean[there], found.standard_error[there], found.prior_variance)

    seen = watch(data, matching)
    assert {(r.klass, r.source) for r in seen.readings if r.cell is Cell.UNDECIDED} == set(broken)
    assert not seen.set_aside & set(broken)


def test_a_class_with_too_few_students_is_not_judged() -> None:
    school = a_school(np.random.default_rng(5), 250 + LEAST_STUDENTS - 1)
    cells = [reading for reading in monitored(school).readings if reading.klass == 10]
    assert {reading.cell for reading in cells} == {Cell.NOT_ENOUGH}
    assert {reading.shift for reading in cells} == {None}


def test_without_other_classes_there_is_no_median_class() -> None:
    school = a_school(np.random.default_rng(6), 100, Faults(broken={(1, GAME): 3.0}))
    assert {reading.cell for reading in monitored(school).readings} == {Cell.NOT_ENOUGH}


def test_the_shift_is_estimated_with_an_error_that_holds() -> None:
    off = []
    for broken, seen in broken_schools(0.0):
        shifts = [r for r in seen.readings if (r.klass, r.source) in broken & seen.set_aside]
        for reading in shifts:
            assert reading.shift is not None
            assert reading.standard_error is not None
            off.append((abs(reading.shift) - 0.8) / reading.standard_error)
    assert np.mean(np.abs(off) < 1.645) >= 0.8
    assert abs(np.mean(off)) < 0.5


def test_lengths_must_agree() -> None:
    school = a_school(np.random.default_rng(7), 150)
    data = Watched(
        school.y[1:], school.student, school.indicator, school.klass, school.c, school.lam, school.source
    )
    with pytest.raises(BadInput, match="one student and one indicator"):
        watch(data, lambda _: school.matching())


def test_words_say_what_happens_to_the_class_and_blame_nobody() -> None:
    aside = monitor_words(Reading(3, TALK, 25, 0.8, 0.1, 6.0, Cell.SET_ASIDE), "class 4b", "talk")
    assert "set aside in this class" in aside
    assert "far higher" in aside
    undecided = monitor_words(Reading(3, TALK, 25, 0.8, 0.1, 6.0, Cell.UNDECIDED), "class 4b", "talk")
    assert "no third source" in undecided
    assert "agrees" in monitor_words(Reading(3, TALK, 25, 0.0, 0.1, 0.0, Cell.FINE), "class 4b", "talk")


def test_a_matching_without_evidence_judges_nobody() -> None:
    school = a_school(np.random.default_rng(8), 250)
    n = len(school.y)
    nothing = Matching(np.zeros(n), np.full(n, 10.0), prior_variance=100.0)
    seen = watch(watched(school), lambda _: nothing)
    assert {reading.cell for reading in seen.readings} == {Cell.NOT_ENOUGH}
    assert not seen.set_aside
