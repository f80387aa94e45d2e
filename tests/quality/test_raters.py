"""A rater's report knows a strict teacher from a lenient one, and halo from skills that truly go together."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from known_truth import SIGMA, SITTINGS, SKILLS, Faults, School, a_school

from sightline.errors import BadInput
from sightline.quality.matching import Floats
from sightline.quality.raters import LEAST_STUDENTS, RaterReport, Ratings, rater_reports

STRONG = (3, 11, 17)


def ratings_of(school: School) -> Ratings:
    """A row is a student on one occasion; the skills come from game and talk."""
    others = [j for j in range(30) if school.source[j] != 2]
    mine = np.arange(23, 30)
    mean, covariance = school.posterior(others, SIGMA)
    y = school.y[school.source[school.indicator] == 2].reshape(len(mean), SKILLS, SITTINGS[2])
    left = y - school.c[mine, None] - (school.lam[mine] * mean)[:, :, None]
    occasions = SITTINGS[2]
    error = np.outer(school.lam[mine], school.lam[mine]) * covariance
    return Ratings(
        residual=left.transpose(0, 2, 1).reshape(-1, SKILLS),
        theta_error=np.tile(error, (len(mean) * occasions, 1, 1)),
        student=np.repeat(np.arange(len(mean)), occasions),
        rater=np.repeat(school.klass, occasions),
    )


@cache
def reports() -> tuple[School, tuple[RaterReport, ...]]:
    """20 teachers; three let one impression colour all skills (1 SD more than the usual .4)."""
    halo = np.zeros(20)
    halo[list(STRONG)] = 1.0
    school = a_school(np.random.default_rng(0), 500, Faults(halo=halo))
    return school, rater_reports(ratings_of(school), school.severity, np.full(20, 0.1))


def test_raters_with_a_strong_halo_stand_out_and_hardly_any_other() -> None:
    stands_out = {report.rater for report in reports()[1] if report.halo is not None and report.halo.stands_out}
    assert set(STRONG) <= stands_out
    assert len(stands_out - set(STRONG)) <= 2


def test_halo_is_measured_beyond_the_skills() -> None:
    """Skills correlate .45 here; the share is that of method and sitting, .2 of .2 + s2, and not more."""
    school, found = reports()
    expected = 0.2 / (0.2 + school.s2[23:].mean())
    usual = [r.halo.share for r in found if r.halo is not None and r.rater not in STRONG]
    assert abs(np.mean(usual) - expected) < 3 * np.std(usual) / np.sqrt(len(usual))


def test_errors_of_skills_that_move_together_are_not_halo() -> None:
    """And the control that must fail: with those errors taken for nothing, a rater without halo has much."""
    rng = np.random.default_rng(2)
    error = 0.5 * (0.8 + 0.2 * np.eye(SKILLS))
    left = rng.multivariate_normal(np.zeros(SKILLS), error, 400, method="cholesky")
    left += 0.6 * rng.normal(size=left.shape)
    student, rater = np.arange(400), np.zeros(400, np.intp)

    def halo_with(theta_error: Floats) -> float:
        ratings = Ratings(left, np.tile(theta_error, (400, 1, 1)), student, rater)
        halo = rater_reports(ratings, np.zeros(1), np.ones(1))[0].halo
        assert halo is not None
        return halo.share

    assert halo_with(error) < 0.12
    assert halo_with(0 * error) > 0.35


def test_the_jackknife_error_is_about_the_true_one() -> None:
    usual = [r.halo for r in reports()[1] if r.halo is not None and r.rater not in STRONG]
    spread = np.std([halo.share for halo in usual], ddof=1)
    assert 0.6 <= np.mean([halo.standard_error for halo in usual]) / spread <= 1.6


def test_severity_is_how_low_a_rater_rates() -> None:
    school, found = reports()
    for report in found:
        assert report.severity == -school.severity[report.rater]
        low, high = report.interval_90
        assert low < report.severity < high


def test_words_say_the_side_in_rubric_levels_and_that_scores_allow_for_it() -> None:
    strict = RaterReport(0, 25, 175, 0.5, 0.1, None).words(levels_per_sd=0.8)
    assert "about 0.4 levels lower" in strict[0]
    assert "already allow" in strict[0]
    lenient = RaterReport(0, 25, 175, -0.5, 0.1, None).words(levels_per_sd=0.8)
    assert "higher" in lenient[0]
    unsure = RaterReport(0, 25, 175, 0.1, 0.1, None).words(levels_per_sd=0.8)
    assert "about as your colleagues do" in unsure[0]


def test_halo_of_few_students_or_beside_few_raters_is_not_judged() -> None:
    school, _ = reports()
    ratings = ratings_of(school)
    few = (ratings.rater == 3) & (ratings.student < 75 + LEAST_STUDENTS - 1)
    found = rater_reports(
        Ratings(ratings.residual[few], ratings.theta_error[few], ratings.student[few], ratings.rater[few]),
        school.severity,
        np.full(20, 0.1),
    )
    assert found[0].halo is None
    assert "are needed" in found[0].words(0.8)[1]
    alone = ratings.rater == 3
    one = rater_reports(
        Ratings(ratings.residual[alone], ratings.theta_error[alone], ratings.student[alone], ratings.rater[alone]),
        school.severity,
        np.full(20, 0.1),
    )[0]
    assert one.halo is not None
    assert one.halo.usual is None
    assert not one.halo.stands_out
    assert "5 teachers are needed" in one.words(0.8)[1]


def test_missing_ratings_are_missing_and_not_average() -> None:
    """A third of all ratings not given leaves the halo where it was."""
    school, found = reports()
    ratings = ratings_of(school)
    gone = np.random.default_rng(1).random(ratings.residual.shape) < 1 / 3
    thinned = rater_reports(
        Ratings(np.where(gone, np.nan, ratings.residual), ratings.theta_error, ratings.student, ratings.rater),
        school.severity,
        np.full(20, 0.1),
    )
    gaps = [a.halo.share - b.halo.share for a, b in zip(thinned, found, strict=True) if a.halo and b.halo]
    assert abs(np.mean(gaps)) < 0.05
    assert sum(r.ratings for r in thinned) == np.sum(~gone)


def test_shapes_must_fit() -> None:
    ratings = ratings_of(reports()[0])
    with pytest.raises(BadInput, match="one error covariance"):
        rater_reports(
            Ratings(ratings.residual, ratings.theta_error[1:], ratings.student, ratings.rater),
            np.zeros(20),
            np.ones(20),
        )
