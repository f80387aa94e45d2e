"""A school whose errors have heavy tails, scored as the product scores it: from observables to assessments."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from uuid import UUID

import numpy as np
import pytest

from sightline.domain.estimates import Estimate
from sightline.domain.indicators import Scale
from sightline.domain.observables import Measured, Observable
from sightline.domain.skills import SKILLS, SOURCES, Source
from sightline.features.catalog import INDICATORS
from sightline.measurement.assess import Assessed, Frame, assess, assess_school
from sightline.measurement.card import N_SKILLS, Card, fitted_card, read_card
from sightline.measurement.learned import Learned, LearnedFrom, LearnedIndicator
from sightline.measurement.norms import Norm
from sightline.measurement.observations import Parameters
from sightline.measurement.slopes import slopes_of_school
from sightline.measurement.sufficiency import typical_sitting
from simulated_family import Design, Simulated, simulate

NU = 4.0
RAW = files("sightline.params").joinpath("measurement-literature-1.json").read_bytes()
AS_OF = datetime(2026, 3, 9, tzinfo=UTC)
NORM = Norm(mean=0.0, spread=1.0, students=10**9, observables=10**9, typical_sampling_variance=0.0)
KIND = next(iter(INDICATORS.values()))


@dataclass(frozen=True)
class Town:
    """A simulated school as the pipeline would hand it over, with the card of its own true parameters."""

    simulated: Simulated
    frame: Frame
    observables: dict[UUID, list[Observable]]


def card_of(p: Parameters, nu: float) -> Card:
    indicators = {
        f"shown-{j:02}": LearnedIndicator(
            skill=SKILLS[p.skill[j]],
            source=SOURCES[p.source[j]],
            c=float(p.c[j]),
            lam=float(p.lam[j]),
            gam=float(p.gam[j]),
            s2=float(p.s2[j]),
            norm=NORM,
            errors={},
        )
        for j in range(len(p.c))
    }
    learned = Learned(
        origin=LearnedFrom(300, 30_000, date(2026, 1, 12), date(2026, 3, 9), tuple(Source)),
        indicators=indicators,
        om2=dict(zip(SOURCES, p.om2.tolist(), strict=True)),
        tau2=p.tau2,
        kap2=p.kap2,
        tasks={},
        sigma=p.sigma,
        mu_beta=p.mu_beta,
        nu=nu,
        gam_learned=frozenset(Source),
    )
    raw = fitted_card(RAW, learned, version="heavy", origin="a test", made=date(2026, 3, 10))
    return replace(read_card(raw), minimum_reliability=0.0, minimum_sessions=0, maximum_session_share=1.0)


def framed(p: Parameters, nu: float) -> Frame:
    card = card_of(p, nu)
    assert card.norms is not None
    indicators = {
        f"shown-{j:02}": replace(
            KIND,
            name=f"shown-{j:02}",
            skill=SKILLS[p.skill[j]],
            source=SOURCES[p.source[j]],
            direction=1,
            scale=Scale.DURATION,
        )
        for j in range(len(p.c))
    }
    return Frame(
        indicators=indicators,
        norms=card.norms,
        card=card,
        catalog_version="test",
        as_of=AS_OF,
        computed_at=AS_OF,
    )


def told(simulated: Simulated, frame: Frame) -> dict[UUID, list[Observable]]:
    """Each value as the logarithm of a duration, which is the scale without bounds."""
    o, p = simulated.observations, simulated.truth
    found: dict[UUID, list[Observable]] = {UUID(int=1 + i): [] for i in range(o.n_students)}
    for n in range(len(o.y)):
        student = UUID(int=1 + int(o.student[n]))
        found[student].append(
            Observable(
                observable_id=UUID(int=10**9 + n),
                indicator=f"shown-{o.indicator[n]:02}",
                student_id=student,
                source=SOURCES[p.source[o.indicator[n]]],
                sitting_id=UUID(int=10**6 + int(o.sitting[n])),
                at=AS_OF - timedelta(weeks=frame.card.weeks) * (1.0 - float(o.time[n])),
                measured=Measured(math.exp(o.y[n]), 1, ()),
                rater_id=UUID(int=10**5 + int(o.rater[n])) if o.rater[n] >= 0 else None,
            )
        )
    return found


@cache
def town(students: int = 300) -> Town:
    simulated = simulate(np.random.default_rng(2), Design(students=students, tasks=0), NU)
    frame = framed(simulated.truth, NU)
    return Town(simulated, frame, told(simulated, frame))


@cache
def assessed() -> Assessed:
    return assess_school(town().observables, town().frame)


def held(found: Assessed) -> float:
    """Share of the true levels at the end of the window that their 90 % intervals hold."""
    state = town().simulated.state
    level = state[:, :N_SKILLS] + state[:, N_SKILLS : 2 * N_SKILLS]
    holds = []
    for i, assessment in enumerate(found.assessments):
        for k, skill in enumerate(SKILLS):
            outcome = assessment.of(skill).outcome
            assert isinstance(outcome, Estimate)
            low, high = outcome.interval_90
            holds.append(low <= level[i, k] <= high)
    return float(np.mean(holds))


def test_nine_intervals_of_ten_hold_and_fewer_when_the_tails_are_taken_for_normal() -> None:
    assert 0.88 <= held(assessed()) <= 0.92
    normal = framed(town().simulated.truth, math.inf)
    assert held(assess_school(town().observables, normal)) < 0.88


def test_prior_and_contributions_are_the_mean_whatever_was_pulled_in() -> None:
    for assessment in assessed().assessments:
        for result in assessment.results:
            assert isinstance(result.outcome, Estimate)
            total = result.prior_mean + sum(c.amount for c in result.contributions)
            total += sum(amount for _, amount in result.rater_adjustments)
            assert total == pytest.approx(result.outcome.mean, abs=1e-9)


@pytest.mark.parametrize("place", [0, 131, 299])
def test_one_student_with_the_schools_severities_gets_the_schools_numbers(place: int) -> None:
    student = assessed().assessments[place].student_id
    alone = {student: town().observables[student]}
    (found,) = assess_school(alone, town().frame, assessed().severities).assessments
    for mine, theirs in zip(found.results, assessed().assessments[place].results, strict=True):
        assert isinstance(mine.outcome, Estimate)
        assert isinstance(theirs.outcome, Estimate)
        assert mine.slope is not None
        assert theirs.slope is not None
        assert mine.outcome.mean == pytest.approx(theirs.outcome.mean, abs=1e-4)
        assert mine.outcome.standard_error == pytest.approx(theirs.outcome.standard_error, abs=1e-9)
        assert mine.slope.mean == pytest.approx(theirs.slope.mean, abs=1e-3)
        assert mine.slope.standard_error == pytest.approx(theirs.slope.standard_error, abs=1e-9)
        assert len(mine.contributions) == len(theirs.contributions)
        for one, other in zip(mine.contributions, theirs.contributions, strict=True):
            assert one.amount == pytest.approx(other.amount, abs=1e-4)


def test_the_slopes_that_growth_tests_are_those_that_students_are_shown() -> None:
    slopes = slopes_of_school(town().observables, town().frame)
    for i, assessment in enumerate(assessed().assessments):
        for k, result in enumerate(assessment.results):
            assert result.slope is not None
            assert slopes.mean[i, N_SKILLS + k] == pytest.approx(result.slope.mean, abs=1e-9)
            error = np.sqrt(slopes.covariance[i, N_SKILLS + k, N_SKILLS + k])
            assert error == pytest.approx(result.slope.standard_error, abs=1e-9)


def test_one_absurd_value_moves_a_student_less_than_with_normal_errors() -> None:
    student = UUID(int=1)
    rows = town().observables[student]
    absurd = [replace(rows[0], measured=Measured(math.exp(12.0), 1, ())), *rows[1:]]
    skill = SKILLS[town().simulated.truth.skill[int(rows[0].indicator.removeprefix("shown-"))]]

    def moved(frame: Frame) -> float:
        means = []
        for seen in (rows, absurd):
            (assessment,) = assess({student: seen}, frame)
            outcome = assessment.of(skill).outcome
            assert isinstance(outcome, Estimate)
            means.append(outcome.mean)
        return abs(means[1] - means[0])

    assert moved(town().frame) < 0.2 * moved(framed(town().simulated.truth, math.inf))


def test_a_further_sitting_is_promised_no_more_than_it_will_be_worth() -> None:
    truth, frame = town().simulated.truth, town().frame
    for source in (Source.GAME, Source.TALK):
        heavy, normal = (
            typical_sitting(SKILLS[0], source, frame.indicators, frame.norms, card_of(truth, nu))
            for nu in (NU, math.inf)
        )
        assert heavy is not None
        assert normal is not None
        assert 0.6 < heavy[0, 0] / normal[0, 0] < 0.9
