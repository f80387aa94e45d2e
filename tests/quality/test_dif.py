"""DIF is found where it is, and a true difference in skill is never taken for it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import statsmodels.api as sm
from known_truth import Faults, School, a_school, without_groups

from sightline.errors import BadInput
from sightline.quality.corrected import corrected_regression
from sightline.quality.dif import (
    LARGE,
    LEAST_STUDENTS,
    Compared,
    Dif,
    Judged,
    Letter,
    Purified,
    TooLittle,
    dif_words,
    find_dif,
    purified_dif,
)
from sightline.quality.matching import Floats, Matching

LARGE_ONES = {0: 0.5, 15: -0.5, 27: 0.5}
SMALL_ONES = {8: 0.2, 14: -0.2, 18: 0.2, 28: -0.2}


def compared(school: School, *, by_class: bool = False) -> Compared:
    cluster = school.klass if by_class else np.arange(len(school.klass))
    return Compared(school.y, school.indicator, school.student, school.group, cluster)


def purified(school: School) -> Purified:
    return purified_dif(compared(school), school.skill, school.matching, reference=0)


@cache
def schools_with_dif() -> tuple[tuple[School, Purified], ...]:
    """Eight schools of 1,000 with three large and four small effects among 30 indicators, and impact besides."""
    made = [
        a_school(np.random.default_rng(20 + seed), 1000, Faults(dif=LARGE_ONES | SMALL_ONES), impact=0.4)
        for seed in range(8)
    ]
    return tuple((school, purified(school)) for school in made)


def results_of(which: set[int]) -> list[Dif]:
    return [dif for _, found in schools_with_dif() for dif in found.results if dif.indicator in which]


def test_every_effect_of_half_a_standard_deviation_is_class_c() -> None:
    assert [dif.letter for dif in results_of(set(LARGE_ONES))] == [Letter.C] * 24


def test_most_effects_of_a_fifth_of_a_standard_deviation_are_class_b_or_c() -> None:
    found = results_of(set(SMALL_ONES))
    assert len(found) == 32  # Monte-Carlo SE of the share at .76 (80 of them): .08
    assert np.mean([dif.letter in {Letter.B, Letter.C} for dif in found]) >= 0.60


def test_indicators_without_dif_are_left_alone_beside_those_with_it() -> None:
    found = results_of(set(range(30)) - set(LARGE_ONES) - set(SMALL_ONES))
    assert len(found) == 184
    assert np.mean([dif.flagged for dif in found]) <= 0.05


def test_purification_leaves_the_large_ones_out_and_hardly_an_innocent_one() -> None:
    innocent = 0
    for _, found in schools_with_dif():
        assert set(LARGE_ONES) <= found.excluded
        assert not found.held_back
        innocent += len(found.excluded - set(LARGE_ONES) - set(SMALL_ONES))
    assert innocent <= 0.02 * 184


def test_a_true_difference_of_one_standard_deviation_in_every_skill_is_not_dif() -> None:
    flagged, small_p, held = [], [], []
    for seed in range(6):
        school = a_school(np.random.default_rng(100 + seed), 1000, impact=1.0)
        for dif in find_dif(compared(school), school.matching(), reference=0):
            assert isinstance(dif.outcome, Judged)
            low, high = dif.outcome.uniform.interval_90
            flagged.append(dif.flagged)
            small_p.append(dif.outcome.uniform.p < 0.05)
            held.append(low <= 0.0 <= high)
    assert len(flagged) == 180
    assert np.mean(flagged) <= 0.05
    assert np.mean(small_p) <= 0.05 + 2 * 0.023  # binomial SE .016, times 1.4 as indicators share their anchors
    assert abs(np.mean(held) - 0.90) <= 2.5 * 0.031  # the same


def test_plain_regression_on_posterior_means_would_call_that_difference_dif() -> None:
    """The control that must fail: the same school, posteriors with the scoring prior, no correction."""
    school = a_school(np.random.default_rng(100), 1000, impact=1.0)
    mean = school.matching(prior=1.0).mean
    large = []
    for j in range(30):
        rows = school.indicator == j
        student = school.student[rows]
        x = np.column_stack((np.ones(rows.sum()), mean[rows], school.group[student]))
        fit = sm.OLS(school.y[rows], x).fit(cov_type="cluster", cov_kwds={"groups": student})
        large.append(abs(fit.params[2]) >= LARGE and fit.pvalues[2] < 0.05 / 30)
    assert np.mean(large) >= 0.5


def test_the_scoring_prior_would_call_it_dif_even_with_the_correction() -> None:
    """A second control: a difference in all skills is partly taken for what students bring to a source."""
    school = a_school(np.random.default_rng(101), 1000, impact=0.5)
    found = find_dif(compared(school), school.matching(prior=1.0), reference=0)
    judged = [dif.outcome for dif in found if isinstance(dif.outcome, Judged)]
    assert np.mean([outcome.uniform.p < 0.05 for outcome in judged]) > 0.3


def test_without_purification_dif_of_many_anchors_spreads_to_the_innocent() -> None:
    one_sided = dict.fromkeys((0, 2, 4, 12, 14), 0.7)  # two of five indicators of two skills
    school = a_school(np.random.default_rng(7), 1500, Faults(dif=one_sided))
    innocent = set(range(30)) - set(one_sided)

    def spread(results: tuple[Dif, ...]) -> float:
        sizes = [dif.outcome.uniform.size for dif in results if isinstance(dif.outcome, Judged)]
        return float(np.mean([abs(sizes[j]) for j in innocent]))

    before, after = find_dif(compared(school), school.matching()), purified(school)
    assert spread(after.results) < 0.75 * spread(before)
    assert not [dif for dif in after.results if dif.flagged and dif.indicator in innocent]


def test_a_difference_that_grows_with_skill_is_found_as_non_uniform() -> None:
    school = a_school(np.random.default_rng(8), 1500, Faults(slope_dif={1: 0.35, 15: 0.35}))
    found = {dif.indicator: dif for dif in purified(school).results}
    assert {j for j, dif in found.items() if dif.slope_letter is not Letter.A} == {1, 15}
    assert "not the same at all skill levels" in dif_words(found[1], "asking", "girls", "boys")


def test_without_error_in_the_matching_it_is_ordinary_regression_with_robust_errors() -> None:
    rng = np.random.default_rng(9)
    x = np.column_stack((np.ones(60), rng.normal(size=(60, 2))))
    y = x @ [0.1, 0.5, 0.2] + rng.normal(size=60) * (1 + abs(x[:, 1]))
    along = np.zeros_like(x)
    along[:, 1] = 1
    ours = corrected_regression(y, x, along, np.zeros(60), np.ones(60), np.arange(60))
    theirs = sm.OLS(y, x).fit(cov_type="HC3")
    assert ours is not None
    np.testing.assert_allclose(ours.coefficients, theirs.params, atol=1e-12)
    np.testing.assert_allclose(ours.covariance, theirs.cov_params() * 59 / 60, rtol=1e-9)
    assert ours.matching == pytest.approx(1.0)


def test_correcting_for_error_gives_the_slope_that_the_error_hid() -> None:
    rng = np.random.default_rng(10)
    truth = rng.normal(size=20_000)
    noisy = truth + rng.normal(size=20_000)
    x = np.column_stack((np.ones(20_000), noisy))
    along = np.column_stack((np.zeros(20_000), np.ones(20_000)))
    y = 0.6 * truth + rng.normal(size=20_000)
    ours = corrected_regression(y, x, along, np.ones(20_000), np.ones(20_000), np.arange(20_000))
    assert ours is not None
    error = np.sqrt(ours.covariance[1, 1])
    assert abs(ours.coefficients[1] - 0.6) < 3 * error
    assert abs(np.polyfit(noisy, y, 1)[0] - 0.6) > 10 * error


def test_too_few_students_is_said_instead_of_a_letter() -> None:
    school = a_school(np.random.default_rng(11), 400)
    members = np.flatnonzero(school.group == 1)
    known = without_groups(school, members[LEAST_STUDENTS - 1 :])
    for dif in find_dif(compared(known), known.matching()):
        assert dif.outcome is TooLittle.FEW_STUDENTS
        assert dif.letter is None
        assert "not enough evidence" in dif_words(dif, "asking", "girls", "boys")


def test_few_classes_and_a_weak_matching_are_said_too() -> None:
    school = a_school(np.random.default_rng(12), 150)
    by_class = find_dif(compared(school, by_class=True), school.matching())
    assert {dif.outcome for dif in by_class} == {TooLittle.FEW_CLUSTERS}
    blind: Floats = np.random.default_rng(0).normal(size=len(school.y))
    weak = find_dif(compared(school), Matching(blind, np.full(len(blind), 1.0), prior_variance=np.inf))
    assert {dif.outcome for dif in weak} == {TooLittle.WEAK_MATCHING}


def test_small_groups_do_not_bring_false_alarms() -> None:
    flags = []
    for seed in range(6):
        school = a_school(np.random.default_rng(200 + seed), 100, impact=0.5, share=0.2)
        flags += [dif.flagged for dif in find_dif(compared(school), school.matching())]
    assert np.mean(flags) <= 0.05


def test_an_indicator_of_one_value_has_no_dif() -> None:
    school = a_school(np.random.default_rng(13), 300)
    y = np.where(school.indicator == 3, 0.0, school.y)
    data = Compared(y, school.indicator, school.student, school.group, np.arange(300))
    assert find_dif(data, school.matching())[3].letter is Letter.A


def test_one_group_alone_cannot_be_compared() -> None:
    school = a_school(np.random.default_rng(14), 100)
    alone = without_groups(school, np.flatnonzero(school.group == 1))
    with pytest.raises(BadInput, match="one group"):
        find_dif(compared(alone), alone.matching())


def test_words_name_the_groups_the_size_and_the_side() -> None:
    _, found = schools_with_dif()[0]
    said = dif_words(found.results[15], "asking", "girls", "boys")
    assert said.startswith("asking: girls show values 0.")
    assert "lower than boys of equal skill" in said
    assert "class C" in said
