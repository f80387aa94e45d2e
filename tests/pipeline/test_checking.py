"""The quality report of a school: its numbers are what they say, and who is rated stays with who rated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import msgspec
import numpy as np
import pytest

from measured_school import NOW, drawn_school, put
from sightline.cli.quality_report import write_report
from sightline.domain.skills import Source
from sightline.errors import BadInput, NotFound
from sightline.measurement import kernel
from sightline.measurement.posterior import Severity, design, error_variance, sitting_variances
from sightline.pipeline.cards import measurement_card
from sightline.pipeline.checking import report_of
from sightline.pipeline.comparing import compared_of, some
from sightline.pipeline.leaving_out import predicted_without_sitting
from sightline.pipeline.scoring import frame_of, score_school
from sightline.store.database import Store


def test_a_sitting_is_predicted_as_if_it_had_never_been_observed() -> None:
    drawn = drawn_school(1, classes=1, size=12, sittings=(3, 2, 0))
    of = compared_of(drawn.observables, frame_of(drawn.observables, measurement_card(), NOW))
    o, parameters = of.observations, of.parameters
    predicted = predicted_without_sitting(of, Severity(np.zeros(0), np.zeros((0, 0))))
    axes, values = design(o, parameters)
    for sitting in range(0, o.n_sittings, 7):
        own = o.sitting == sitting
        solved = kernel.solve(some(o, ~own), parameters)
        student = o.student[own][0]
        for row in np.flatnonzero(own):
            h = np.zeros(solved.mean.shape[1])
            h[axes[row]] = values[row]
            mean = parameters.c[o.indicator[row]] + h @ solved.mean[student]
            variance = h @ solved.covariance[student] @ h + error_variance(o, parameters)[row]
            variance += sitting_variances(o, parameters)[sitting]
            assert predicted.mean[row] == pytest.approx(mean, abs=1e-9)
            assert predicted.variance[row] == pytest.approx(variance, abs=1e-9)


def test_a_rater_is_known_from_other_sittings_with_an_error() -> None:
    drawn = drawn_school(2, classes=1, size=12, sittings=(2, 1, 2))
    of = compared_of(drawn.observables, frame_of(drawn.observables, measurement_card(), NOW))
    known = Severity(np.array([0.5]), np.array([[0.04]]))
    fair = predicted_without_sitting(of, Severity(np.zeros(1), np.zeros((1, 1))))
    lenient = predicted_without_sitting(of, known)
    rated = of.observations.rater >= 0
    assert np.allclose(lenient.variance[rated] - fair.variance[rated], 0.04)
    assert np.allclose(lenient.variance[~rated], fair.variance[~rated])
    alone = np.bincount(of.observations.student[rated], minlength=of.observations.n_students)
    assert alone.min() > 0
    assert (lenient.mean[rated] > fair.mean[rated]).all()


async def test_the_report_of_a_school_holds_every_check_and_keeps_raters_apart(
    store: Store, tmp_path: Path
) -> None:
    drawn = drawn_school(6, classes=6, size=20, broken={(1, Source.TALK): 2.5})
    await put(store, drawn)
    groups = {s: "north" if i % 2 else "south" for i, s in enumerate(drawn.students)}
    async with store.work() as work:
        await score_school(work, drawn.school_id, now=NOW)
        report = await report_of(work, drawn.school_id, groups=groups, now=NOW)
        plain = await report_of(work, drawn.school_id, groups=None, now=NOW)
        with pytest.raises(NotFound):
            await report_of(work, uuid4(), groups=None, now=NOW)
        with pytest.raises(BadInput):
            await report_of(work, drawn.school_id, groups=dict.fromkeys(drawn.students, "one"), now=NOW)
    assert report.health is not None
    assert 0.87 < report.health.left_out.coverage < 0.93, "the values are drawn from the model's family"
    assert report.fairness is not None
    assert sum(one.flagged for one in report.fairness.purified.results) <= 1, "groups were drawn by lot"
    page = write_report(report, tmp_path / "report")
    said = page.read_text()
    assert "In Class 2, talk evidence lies far higher" in said
    assert "120 simulated students" in said
    names = {path.stem for path in (tmp_path / "report" / "figures").iterdir()}
    assert names >= {"reliability", "predicted-distributions", "left-out-sessions", "monitor", "dif"}
    raters = sorted((tmp_path / "report" / "raters").iterdir())
    assert len(raters) == 6
    assert all(path.stat().st_mode & 0o077 == 0 for path in raters)
    assert all(f"Teacher {n}" not in said for n in range(1, 7)), "nobody reads of a teacher here"
    numbers = msgspec.json.decode((tmp_path / "report" / "numbers.json").read_bytes())
    assert numbers["left_out_sessions"]["n"] == report.observations
    assert "raters" not in numbers
    assert "No group of any student is known" in write_report(plain, tmp_path / "plain").read_text()
    nothing = replace(plain, health=None, raters=())
    assert "Nothing was observed" in write_report(nothing, tmp_path / "nothing").read_text()
