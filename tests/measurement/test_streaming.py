"""Laws of evidence as a group: what is added can be withdrawn, the order is free, and nothing is approximate."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schools_of_arrays import array_schools
from sightline.measurement import kernel
from sightline.measurement.observations import Observations, Parameters
from sightline.measurement.streaming import (
    NOTHING,
    Evidence,
    evidence_of,
    from_bytes,
    moved,
    posterior_of,
    prior_of,
    rater_sums,
    to_bytes,
)

School = tuple[Observations, Parameters]
RATERS = tuple(UUID(int=9 - i) for i in range(3))


def part(observations: Observations, rows: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Observations:
    """These rows as one sitting of one student."""
    n = int(rows.sum())
    return Observations(
        student=np.zeros(n, dtype=np.intp),
        sitting=np.zeros(n, dtype=np.intp),
        indicator=observations.indicator[rows],
        time=observations.time[rows],
        y=observations.y[rows],
        sampling_variance=observations.sampling_variance[rows],
        rater=observations.rater[rows],
        task=observations.task[rows],
        n_students=1,
        n_sittings=1,
        n_raters=observations.n_raters,
        n_tasks=observations.n_tasks,
    )


def sittings_of(school: School, student: int) -> list[Evidence]:
    observations, parameters = school
    own = np.unique(observations.sitting[observations.student == student])
    return [evidence_of(part(observations, observations.sitting == g), parameters, RATERS) for g in own]


def total(pieces: list[Evidence]) -> Evidence:
    history = NOTHING
    for piece in pieces:
        history = history + piece
    return history


def assert_same(one: Evidence, other: Evidence) -> None:
    assert (one.items, one.raters, one.rated_items) == (other.items, other.raters, other.rated_items)
    for name in ("gain", "eta", "borne", "rated", "rated_residual"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(array_schools())
def test_streaming_equals_solving_everything_again(school: School) -> None:
    observations, parameters = school
    solved, prior = kernel.solve(observations, parameters), prior_of(parameters)
    students = [total(sittings_of(school, i)) for i in range(observations.n_students)]
    sums = rater_sums(students, prior)
    severity = sums.severity(parameters.tau2)
    for i, evidence in enumerate(students):
        mean, covariance = posterior_of(evidence, prior, severity, sums.at(evidence))
        np.testing.assert_allclose(mean, solved.mean[i], atol=1e-9)
        np.testing.assert_allclose(covariance, solved.covariance[i], atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(array_schools(), st.randoms(use_true_random=False))
def test_what_is_added_and_withdrawn_was_never_there_in_any_order(school: School, order: object) -> None:
    pieces = sittings_of(school, 0)
    whole = total(pieces)
    shuffled = list(pieces)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    assert_same(total(shuffled), whole)
    left = whole
    for n, piece in enumerate(shuffled):
        left = left - piece
        assert_same(left, total(shuffled[n + 1 :]))
    assert_same(left, NOTHING)


@settings(max_examples=40, deadline=None)
@given(array_schools())
def test_an_item_leaves_as_its_sitting_enters_without_it(school: School) -> None:
    observations, parameters = school
    for g in np.unique(observations.sitting[observations.student == 0]):
        rows = observations.sitting == g
        without = rows.copy()
        without[np.flatnonzero(rows)[0]] = False
        old = evidence_of(part(observations, rows), parameters, RATERS)
        new = evidence_of(part(observations, without), parameters, RATERS)
        rest = [piece for piece in sittings_of(school, 0) if piece.items]
        kept = observations.student == 0
        kept[np.flatnonzero(rows)[0]] = False
        fewer = replace(
            observations,
            **{
                name: getattr(observations, name)[kept]
                for name in ("student", "sitting", "indicator", "time", "y", "sampling_variance", "rater", "task")
            },
        )
        assert_same(total(rest) - old + new, total(sittings_of((fewer, parameters), 0)))


@settings(max_examples=20, deadline=None)
@given(array_schools())
def test_raters_sums_follow_one_changed_student_exactly(school: School) -> None:
    observations, parameters = school
    prior = prior_of(parameters)
    students = [total(sittings_of(school, i)) for i in range(observations.n_students)]
    sums = rater_sums(students, prior)
    pieces = sittings_of(school, 0)
    before = students[0] - pieces[0] if pieces else NOTHING
    back = sums.changed(prior, before=students[0], after=before).changed(prior, before=before, after=students[0])
    np.testing.assert_allclose(back.precision, sums.precision, atol=1e-9)
    np.testing.assert_allclose(back.shift, sums.shift, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(array_schools(), st.floats(0, 1))
def test_a_window_that_moves_on_needs_no_items(school: School, by: float) -> None:
    observations, parameters = school
    later = replace(observations, time=observations.time - by)
    for i in range(observations.n_students):
        here, there = total(sittings_of(school, i)), total(sittings_of((later, parameters), i))
        assert_same(moved(here, parameters, by), there)


@settings(max_examples=20, deadline=None)
@given(array_schools())
def test_evidence_survives_its_bytes(school: School) -> None:
    for i in range(school[0].n_students):
        evidence = total(sittings_of(school, i))
        raw = to_bytes(evidence)
        assert_same(from_bytes(raw), evidence)
        assert len(raw) <= 1400 + 220 * len(evidence.raters)
        with pytest.raises(ValueError, match="bytes"):
            from_bytes(raw[:-1])


@settings(max_examples=20, deadline=None)
@given(array_schools())
def test_what_was_never_there_cannot_be_withdrawn(school: School) -> None:
    for piece in sittings_of(school, 0):
        with pytest.raises(ValueError, match="never part"):
            NOTHING - piece
        with pytest.raises(ValueError, match="never part"):
            piece - piece - piece
