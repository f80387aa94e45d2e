"""Laws of the posterior: it equals brute force, its contributions add up, and evidence counts once."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from importlib.resources import files
from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import START
from dense import brute_force
from sightline.domain.estimates import Assessment, Estimate, Shortfall, Unscored
from sightline.domain.observables import Measured, Observable
from sightline.domain.skills import SKILLS, Skill, Source
from sightline.errors import CardInvalid
from sightline.features.catalog import INDICATORS
from sightline.measurement import kernel
from sightline.measurement.assess import Frame, assess, target_now
from sightline.measurement.card import Card, read_card
from sightline.measurement.items import items_of
from sightline.measurement.levels import level_name, level_probabilities
from sightline.measurement.norms import Norm, Norms, norms_of
from sightline.measurement.parameters import parameters_for
from sightline.measurement.posterior import Solved

RAW = files("sightline.params").joinpath("measurement-literature-1.json").read_bytes()
CARD = read_card(RAW)
NAMES = sorted(INDICATORS)
NORMS = Norms(
    version="test",
    by_indicator={
        name: Norm(mean=0.8, spread=0.3, students=40, observables=100, typical_sampling_variance=0.1)
        for name in NAMES
    },
)


def an_observable(
    student: UUID, indicator: str, value: float, n: int, days: float, sitting: UUID, rater: UUID | None = None
) -> Observable:
    found = INDICATORS[indicator]
    counted = round(value * n) if found.scale == "proportion" else None
    natural = counted / n if counted is not None else (1 + 3 * value if found.scale == "rubric" else 0.05 + value)
    return Observable(
        observable_id=uuid4(),
        indicator=indicator,
        student_id=student,
        source=found.source,
        sitting_id=sitting,
        at=START - timedelta(days=days),
        measured=Measured(natural, n, (), counted=counted),
        rater_id=rater if found.source is Source.TEACHER else None,
    )


@st.composite
def schools(draw: st.DrawFn) -> dict[UUID, list[Observable]]:
    """Up to five students with up to 25 observables in up to five sittings each, rated by up to three teachers."""
    raters = [UUID(int=i + 1) for i in range(draw(st.integers(1, 3)))]
    school: dict[UUID, list[Observable]] = {}
    for s in range(draw(st.integers(1, 5))):
        student = UUID(int=100 + s)
        sittings: dict[tuple[str, int, int], UUID] = {}
        seen: list[Observable] = []
        for _ in range(draw(st.integers(0, 25))):
            name = draw(st.sampled_from(NAMES))
            day, rater = draw(st.integers(0, 50)), draw(st.integers(0, len(raters) - 1))
            source = INDICATORS[name].source
            key = (source.value, day, rater if source is Source.TEACHER else 0)
            sitting = sittings.setdefault(key, uuid4())
            value = draw(st.floats(0, 1))
            seen.append(an_observable(student, name, value, draw(st.integers(1, 20)), day, sitting, raters[rater]))
        school[student] = seen
    return school


def frame(card: Card = CARD, norms: Norms = NORMS) -> Frame:
    return Frame(
        indicators=INDICATORS, norms=norms, card=card, catalog_version="t", as_of=START, computed_at=START
    )


def solved(school: dict[UUID, list[Observable]]) -> tuple[tuple[UUID, ...], Solved]:
    """Students in order, and their posterior."""
    items = items_of(school, indicators=INDICATORS, norms=NORMS, as_of=START, weeks=CARD.weeks)
    return items.students, kernel.solve(items.observations, parameters_for(CARD, items.indicators, NORMS))


@settings(max_examples=60, deadline=None)
@given(schools())
def test_the_information_form_equals_brute_force(school: dict[UUID, list[Observable]]) -> None:
    students, state = solved(school)
    truth = brute_force(school, frame())
    for i, student in enumerate(students):
        np.testing.assert_allclose(state.mean[i], truth[student][0], atol=1e-9)
        np.testing.assert_allclose(state.covariance[i], truth[student][1], atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(schools())
def test_prior_contributions_and_rater_lines_add_up_to_the_mean(school: dict[UUID, list[Observable]]) -> None:
    truth = brute_force(school, frame())
    for assessment in assess(school, frame()):
        for result in assessment.results:
            total = result.prior_mean + sum(c.amount for c in result.contributions)
            total += sum(amount for _, amount in result.rater_adjustments)
            mean = target_now(result.skill) @ truth[assessment.student_id][0]
            assert total == pytest.approx(mean, abs=1e-9)
            if isinstance(result.outcome, Estimate):
                assert result.outcome.mean == pytest.approx(mean, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(schools(), st.randoms())
def test_the_order_of_observables_changes_nothing(school: dict[UUID, list[Observable]], order: object) -> None:
    shuffled = {student: list(seen) for student, seen in school.items()}
    for seen in shuffled.values():
        order.shuffle(seen)  # type: ignore[attr-defined]
    assert assess(school, frame()) == assess(shuffled, frame())


@settings(max_examples=30, deadline=None)
@given(schools())
def test_more_evidence_never_makes_an_estimate_less_sure(school: dict[UUID, list[Observable]]) -> None:
    for student, seen in school.items():
        own = [o for o in seen if o.rater_id is None]
        before = solved({student: []})[1].covariance[0]
        for n in range(len(own) + 1):
            covariance = solved({student: own[:n]})[1].covariance[0]
            for skill in SKILLS:
                target = target_now(skill)
                assert target @ covariance @ target <= target @ before @ target + 1e-9
            before = covariance


def test_without_evidence_every_skill_is_unscored_and_has_no_number() -> None:
    (assessment,) = assess({uuid4(): []}, frame())
    for result in assessment.results:
        assert isinstance(result.outcome, Unscored)
        assert not any(isinstance(value, float) for value in (result.outcome.reasons, result.outcome.would_help))
        assert result.outcome.would_help


def strong_student(value: float, *, weeks: int = 6) -> list[Observable]:
    """Plenty from all three sources in separate sittings, all equally high or low."""
    student, rater, seen = uuid4(), uuid4(), []
    for week in range(weeks):
        for source in Source:
            sitting = uuid4()
            seen += [
                an_observable(student, name, value, 12, 1 + 7 * week, sitting, rater)
                for name in NAMES
                if INDICATORS[name].source is source and INDICATORS[name].direction > 0
            ]
    return seen


def one(seen: list[Observable], card: Card = CARD) -> Assessment:
    return assess({UUID(int=1): seen}, frame(card))[0]


def test_plenty_of_evidence_is_scored_and_follows_its_direction() -> None:
    high, low = one(strong_student(0.95)), one(strong_student(0.05))
    for skill in SKILLS:
        up, down = high.of(skill).outcome, low.of(skill).outcome
        assert isinstance(up, Estimate)
        assert isinstance(down, Estimate)
        assert up.mean > 0 > down.mean
        assert up.interval_90[0] < up.mean < up.interval_90[1]


@pytest.mark.parametrize("source", list(Source))
def test_one_source_alone_is_never_enough(source: Source) -> None:
    seen = [o for o in strong_student(0.9, weeks=8) if o.source is source]
    assert all(isinstance(result.outcome, Unscored) for result in one(seen).results)


def test_two_sessions_are_not_enough() -> None:
    seen = strong_student(0.9, weeks=1)
    assert all(isinstance(result.outcome, Unscored) for result in one(seen).results if result.skill)


SITTINGS = {"game session": Source.GAME, "recorded group talk": Source.TALK, "teacher rating": Source.TEACHER}


def promised(words: str) -> list[dict[Source, int]]:
    """The ways that the sentence offers, each as counts by source."""
    return [
        {SITTINGS[what]: int(n) for n, what in re.findall(r"(\d+) further ([a-z ]+?)s?(?= together|$)", way)}
        for way in words.split(" or ")
    ]


def more_of(source: Source, skill: Skill, count: int, value: float) -> list[Observable]:
    """So many further sittings of a source at the end of the window, each with all it can show of the skill.

    28 opportunities give the sampling variance that NORMS calls typical.
    """
    sittings = [(uuid4(), UUID(int=500 + n)) for n in range(count)]
    return [
        an_observable(UUID(int=1), name, value, 28, 0, sitting, rater)
        for sitting, rater in sittings
        for name in NAMES
        if INDICATORS[name].source is source and INDICATORS[name].skill is skill
    ]


@pytest.mark.parametrize("skill", list(Skill))
@pytest.mark.parametrize("start", ["play", "talk", "one rating", "nothing"])
def test_what_would_help_really_helps(skill: Skill, start: str) -> None:
    """Adding exactly what the sentence asks for makes the skill scored."""
    source = {"play": Source.GAME, "talk": Source.TALK, "one rating": Source.TEACHER}.get(start)
    seen = [] if source is None else more_of(source, skill, 1, 0.6)
    outcome = one(seen).of(skill).outcome
    assert isinstance(outcome, Unscored)
    ways = promised(outcome.would_help)
    assert ways[0], outcome.would_help
    for way in ways:
        more = [o for source, count in way.items() for o in more_of(source, skill, count, 0.6)]
        assert isinstance(one(seen + more).of(skill).outcome, Estimate), (outcome.would_help, way)


def test_a_card_that_is_loaded_is_used() -> None:
    seen = strong_student(0.9)
    usual, other = one(seen), one(seen, replace(CARD, lam=dict.fromkeys(Source, 0.2)))
    first, second = usual.of(Skill.EMPATHY).outcome, other.of(Skill.EMPATHY)
    assert isinstance(first, Estimate)
    assert sum(c.amount for c in second.contributions) != pytest.approx(
        sum(c.amount for c in usual.of(Skill.EMPATHY).contributions)
    )


def test_an_edited_card_is_refused() -> None:
    with pytest.raises(CardInvalid, match="checksum"):
        read_card(RAW.replace(b'"game": 0.4', b'"game": 0.5', 1))
    with pytest.raises(CardInvalid):
        read_card(b"[]")


@settings(max_examples=200)
@given(st.floats(-4, 4), st.floats(0.05, 2))
def test_level_probabilities_sum_to_one_and_rise_with_the_mean(mean: float, error: float) -> None:
    here, above = (level_probabilities(m, error, CARD.cuts) for m in (mean, mean + 0.1))
    assert sum(p for _, p in here) == pytest.approx(1)
    assert above[3][1] >= here[3][1]
    assert above[0][1] <= here[0][1]
    assert level_name(here)


def test_one_cell_that_differs_makes_no_norm() -> None:
    """36 ratings of which one is lower: divided by so small a spread it would be an extreme score."""
    seen = [
        an_observable(
            UUID(int=i % 12 + 1), "rubric_empathy", 0.333 if i == 7 else 0.667, 1, i % 3, uuid4(), UUID(int=99)
        )
        for i in range(36)
    ]
    norms = norms_of(seen, INDICATORS)
    assert norms.all_alike == {"rubric_empathy"}
    by_student = {UUID(int=s): [o for o in seen if o.student_id == UUID(int=s)] for s in range(1, 13)}
    for assessment in assess(by_student, frame(norms=norms)):
        outcome = assessment.of(Skill.EMPATHY).outcome
        assert isinstance(outcome, Unscored)
        assert outcome.reasons == (Shortfall.ALL_ALIKE,)


def test_norms_need_ten_students_and_variation() -> None:
    def seen(students: int, value: float) -> list[Observable]:
        return [
            an_observable(UUID(int=i + 1), "asking", (value * (i + 1)) % 1, 20, 1, uuid4())
            for i in range(students)
        ]

    assert "asking" not in norms_of(seen(9, 0.13), INDICATORS).by_indicator
    assert "asking" in norms_of(seen(10, 0.13), INDICATORS).by_indicator
    assert "asking" not in norms_of(seen(30, 0.0), INDICATORS).by_indicator
