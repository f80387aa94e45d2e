"""Laws of parameter cards: what was learned is kept to the last digit, and a window's length only scales
change.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from importlib.resources import files
from uuid import UUID

import numpy as np
import pytest
from test_model import CARD, NAMES, NORMS, frame, strong_student

from schools_of_arrays import random_observations, random_parameters
from sightline.domain.estimates import Estimate, Shortfall, Unscored
from sightline.domain.skills import SKILLS, Source
from sightline.errors import CardInvalid
from sightline.features.catalog import INDICATORS
from sightline.measurement.assess import assess
from sightline.measurement.card import N_SKILLS, Card, fitted_card, read_card
from sightline.measurement.contributions import level_at
from sightline.measurement.learned import Learned, LearnedFrom, LearnedIndicator
from sightline.measurement.parameters import parameters_for, residual_variance
from sightline.measurement.posterior import error_variance

RAW = files("sightline.params").joinpath("measurement-literature-1.json").read_bytes()
INDICATOR_LIST = [INDICATORS[name] for name in NAMES]


def learned(**changes: object) -> Learned:
    """What a fit would deliver that found exactly the numbers of the literature."""
    indicators: Mapping[str, LearnedIndicator] = {
        indicator.name: LearnedIndicator(
            skill=indicator.skill,
            source=indicator.source,
            c=0.0,
            lam=CARD.lam[indicator.source],
            gam=CARD.gam[indicator.source],
            s2=residual_variance(indicator, NORMS.by_indicator[indicator.name], CARD),
            norm=NORMS.by_indicator[indicator.name],
            errors={"lam": 0.012},
        )
        for indicator in INDICATOR_LIST
    }
    origin = LearnedFrom(
        students=2000, observations=230_000, first=date(2026, 1, 12), last=date(2026, 3, 9), sources=tuple(Source)
    )
    usual = Learned(
        origin=origin,
        indicators=indicators,
        om2=CARD.om2,
        tau2=CARD.tau2,
        kap2=0.1,
        tasks={"bridge/3": 0.4},
        sigma=CARD.sigma,
        mu_beta=np.zeros(N_SKILLS),
        nu=np.inf,
        gam_learned=frozenset(),
    )
    return replace(usual, **changes)  # type: ignore[arg-type]


def card_with(**changes: object) -> Card:
    raw = fitted_card(RAW, learned(**changes), version="test-1", origin="a test", made=date(2026, 3, 10))
    return read_card(raw)


def test_what_was_learned_survives_its_card_to_the_last_digit() -> None:
    rng = np.random.default_rng(1)
    sigma, mu = random_parameters(rng).sigma, rng.normal(size=N_SKILLS)
    found = card_with(sigma=sigma, mu_beta=mu, nu=7.25, gam_learned=frozenset({Source.TALK})).learned
    assert found is not None
    wanted = learned(sigma=sigma, mu_beta=mu, nu=7.25, gam_learned=frozenset({Source.TALK}))
    np.testing.assert_array_equal(found.sigma, wanted.sigma)
    np.testing.assert_array_equal(found.mu_beta, wanted.mu_beta)
    nothing = np.zeros(0)
    assert repr(replace(found, sigma=nothing, mu_beta=nothing)) == repr(
        replace(wanted, sigma=nothing, mu_beta=nothing)
    )


def test_a_fitted_card_whose_number_or_origin_was_edited_is_refused() -> None:
    raw = fitted_card(RAW, learned(), version="test-1", origin="a test", made=date(2026, 3, 10))
    for was, becomes in ((b'"students": 2000', b'"students": 9000'), (b'"lam": 0.012', b'"lam": 0.011')):
        assert was in raw
        with pytest.raises(CardInvalid, match="checksum"):
            read_card(raw.replace(was, becomes, 1))


@pytest.mark.parametrize(
    "wrong",
    [
        {"sigma": -np.eye(14)},
        {"mu_beta": np.zeros(6)},
        {"nu": 1.5},
        {"tau2": -0.1},
        {"om2": {Source.GAME: 0.1}},
    ],
)
def test_numbers_that_no_model_can_have_make_no_card(wrong: dict[str, object]) -> None:
    with pytest.raises(CardInvalid):
        card_with(**wrong)


def test_a_fit_that_finds_the_literatures_numbers_gives_the_literatures_estimates() -> None:
    card = card_with()
    assert card.norms is not None
    school = {UUID(int=i): strong_student(0.1 * i + 0.3) for i in range(1, 4)}
    usual, fitted = assess(school, frame()), assess(school, frame(card, card.norms))
    for one_of, other in zip(usual, fitted, strict=True):
        for skill in SKILLS:
            mine, theirs = one_of.of(skill).outcome, other.of(skill).outcome
            assert isinstance(mine, Estimate)
            assert isinstance(theirs, Estimate)
            assert theirs.mean == pytest.approx(mine.mean, abs=1e-9)
            assert theirs.standard_error == pytest.approx(mine.standard_error, abs=1e-9)


def test_a_fitted_card_refuses_other_norms_than_its_own_and_indicators_that_it_does_not_know() -> None:
    other = replace(NORMS, by_indicator={NAMES[0]: replace(NORMS.by_indicator[NAMES[0]], mean=0.1)})
    with pytest.raises(CardInvalid, match="norms"):
        assess({UUID(int=1): []}, frame(card_with(), other))
    with pytest.raises(CardInvalid, match="not fitted with"):
        parameters_for(card_with(indicators={}), INDICATOR_LIST)


def test_one_source_alone_is_enough_once_it_is_known_what_students_bring_to_it() -> None:
    seen = [o for o in strong_student(0.9, weeks=8) if o.source is Source.GAME]
    for known in (frozenset[Source](), frozenset({Source.GAME})):
        card = card_with(gam_learned=known, indicators=surer(0.8, 0.05))
        assert card.norms is not None
        (assessment,) = assess({UUID(int=1): seen}, frame(card, card.norms))
        outcome = assessment.of(INDICATORS["retry_after_failure"].skill).outcome
        if known:
            assert isinstance(outcome, Estimate)
        else:
            assert isinstance(outcome, Unscored)
            assert Shortfall.ONE_SOURCE in outcome.reasons


def surer(lam: float, gam: float) -> Mapping[str, LearnedIndicator]:
    return {name: replace(found, lam=lam, gam=gam, s2=0.3) for name, found in learned().indicators.items()}


def test_parameters_own_errors_widen_estimates_in_proportion_to_the_evidence() -> None:
    seen = strong_student(0.9)
    cards = [card_with(parameter_error=share) for share in (0.0, 0.1)]
    sure, unsure = (assess({UUID(int=1): seen}, frame(card, card.norms or NORMS))[0] for card in cards)
    empty = assess({UUID(int=1): []}, frame(cards[1], cards[1].norms or NORMS))[0]
    prior = level_at(0).weights @ parameters_for(cards[0], []).prior_covariance @ level_at(0).weights
    for skill in SKILLS:
        narrow, wide = sure.of(skill).outcome, unsure.of(skill).outcome
        assert isinstance(narrow, Estimate)
        assert isinstance(wide, Estimate)
        added = 0.1 * (prior - narrow.standard_error**2)
        assert wide.standard_error**2 == pytest.approx(narrow.standard_error**2 + added)
        assert wide.reliability == pytest.approx(0.9 * narrow.reliability)
        assert isinstance(empty.of(skill).outcome, Unscored)


@pytest.mark.parametrize("weeks", [4.0, 6.0, 12.0])
@pytest.mark.parametrize("fitted", [False, True])
def test_what_is_expected_of_a_week_does_not_depend_on_the_windows_length(weeks: float, fitted: bool) -> None:  # noqa: FBT001
    """Mean and variance of a level so many weeks after the start are those of the 8-week card."""
    card = CARD
    if fitted:
        rng = np.random.default_rng(2)
        card = card_with(sigma=random_parameters(rng).sigma, mu_beta=rng.normal(size=N_SKILLS))
    here, there = parameters_for(card, []), parameters_for(card.for_window(weeks), [])
    for skill in range(N_SKILLS):
        for week in (0.0, 2.0, 4.0):
            usual, other = level_at(skill, week / 8.0).weights, level_at(skill, week / weeks).weights
            assert other @ there.prior_mean == pytest.approx(usual @ here.prior_mean)
            assert other @ there.prior_covariance @ other == pytest.approx(usual @ here.prior_covariance @ usual)
    assert card.for_window(weeks).version != card.version


@pytest.mark.parametrize("weeks", [3.9, 12.1])
def test_windows_outside_4_to_12_weeks_are_refused(weeks: float) -> None:
    with pytest.raises(CardInvalid, match="4 to 12 weeks"):
        CARD.for_window(weeks)


def test_a_task_without_a_known_difficulty_makes_its_items_less_sure_by_the_tasks_variance() -> None:
    rng = np.random.default_rng(3)
    observations = random_observations(rng, random_parameters(rng, indicators=len(NAMES)), students=5)
    parameters = parameters_for(card_with(), INDICATOR_LIST, tasks=["bridge/3", "unseen", "bridge/3"])
    assert parameters.difficulty[0] == 0.4
    assert np.isnan(parameters.difficulty[1])
    base = parameters.s2[observations.indicator] + observations.sampling_variance
    expected = base + 0.1 * (observations.task == 1)
    np.testing.assert_allclose(error_variance(observations, parameters), expected)


def test_reading_the_module_that_assesses_does_not_load_the_compiler() -> None:
    """Web processes import it and never compute; about a second and 70 MB each would buy nothing."""
    code = "import sys, sightline.measurement.assess; sys.exit('numba' in sys.modules or 'scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
