"""Every figure says its finding, has a text for who cannot see it, and needs no colour, style or script."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from known_truth import Faults, a_school
from markupsafe import Markup
from test_estimates import calibrated, covered, estimated
from test_fit_checks import predicted, residuals
from test_invariance import proposed
from test_monitor import monitored
from test_raters import STRONG, reports

from sightline.quality import drawing, fairness_figures, figures
from sightline.quality.dif import Compared, Letter, find_dif
from sightline.quality.drawing import Axis, Shape
from sightline.quality.fit_checks import Predicted, drift, left_out, pit
from sightline.quality.monitor import Cell
from sightline.quality.reliability import empirical_reliability

HOSTILE = '<script>alert("1")</script>\'"&'
SVG = "{http://www.w3.org/2000/svg}"
INDICATORS = [f"indicator {j}" for j in range(30)]
SKILLS = [f"skill {k}" for k in range(7)]
CLASSES = [f"class {k}" for k in range(40)]
SOURCES = ["game", "talk", "ratings"]
BROKEN = {(3, 0): 0.8, (17, 1): -0.8, (30, 0): 0.8, (31, 1): 0.8}


@cache
def drawn() -> dict[str, Markup]:
    _, mean, error = estimated()
    gone = mean[:60].copy()
    gone[5:, 4] = np.nan
    school = a_school(np.random.default_rng(3), 500, Faults(dif={0: 0.5, 15: -0.3}))
    data = Compared(school.y, school.indicator, school.student, school.group, np.arange(500))
    broken = monitored(a_school(np.random.default_rng(4), 990, Faults(broken=BROKEN)))
    residual, indicator, window, student = residuals(0)
    moved = residual + 0.4 * ((indicator == 5) & (window == 2))
    return {
        "coverage": figures.coverage_figure(covered()),
        "calibration": figures.calibration_figure(calibrated()),
        "reliability": figures.reliability_figure(empirical_reliability(gone, error[:60]), SKILLS),
        "pit": figures.pit_figure(pit(predicted())),
        "pit too sure": figures.pit_figure(pit(predicted(honest=False))),
        "left out": figures.left_out_figure(left_out(predicted())),
        "drift": figures.drift_figure(
            drift(moved, indicator, window, student), INDICATORS, [f"week {w}" for w in range(4)]
        ),
        "dif": fairness_figures.dif_figure(
            find_dif(data, school.matching(), reference=0)[::2], INDICATORS, {0: "boys", 1: "girls"}
        ),
        "proposal": fairness_figures.proposal_figure(proposed()[1], INDICATORS, {0: "boys", 1: "girls"}),
        "monitor": fairness_figures.monitor_figure(broken, CLASSES, SOURCES),
        "rater": fairness_figures.rater_figure(reports()[1][STRONG[0]], 0.8),
        "rater without halo": fairness_figures.rater_figure(replace(reports()[1][0], halo=None), 0.8),
    }


NAMES = (
    "coverage",
    "calibration",
    "reliability",
    "pit",
    "pit too sure",
    "left out",
    "drift",
    "dif",
    "proposal",
    "monitor",
    "rater",
    "rater without halo",
)


def parsed(drawing_: Markup) -> ET.Element:
    return ET.fromstring(drawing_)  # noqa: S314 - our own drawing


def percents(root: ET.Element) -> list[float]:
    found = [value for e in root.iter() for name, value in e.attrib.items() if name in {"x", "x1", "x2", "cx"}]
    return [float(value.removesuffix("%")) for value in found]


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_has_a_title_sentence_that_is_drawn_and_a_text_alternative(name: str) -> None:
    root = parsed(drawn()[name])
    title, described = root.findtext(f"{SVG}title"), root.findtext(f"{SVG}desc")
    assert root.attrib["role"] == "img"
    assert title is not None
    assert title.endswith(".")
    assert described is not None
    assert described.endswith(".")
    lines = [text.text or "" for text in root.iter(f"{SVG}text") if text.attrib.get("class") == "figure-title"]
    assert " ".join(lines).replace(drawing.NO_BREAK, " ") == title


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_drawn_outside_or_in_a_way_that_the_policy_refuses(name: str) -> None:
    root = parsed(drawn()[name])
    for element in root.iter():
        assert element.tag.removeprefix(SVG) not in {"style", "script", "foreignObject"}
        assert "style" not in element.attrib
        assert not any(attribute.startswith("on") for attribute in element.attrib)
    assert all(0 <= value <= 100 for value in percents(root))
    heights = [float(e.attrib["y"]) for e in root.iter(f"{SVG}text")]
    assert 0 < max(heights) <= float(root.attrib["height"])


@pytest.mark.parametrize("name", NAMES)
def test_colour_carries_no_meaning(name: str) -> None:
    """Three quiet tones in every figure; marks differ in shape, and their words stand beside them."""
    root = parsed(drawn()[name])
    used = {e.attrib[name] for e in root.iter() for name in ("fill", "stroke") if name in e.attrib}
    assert used <= {drawing.INK, drawing.QUIET, drawing.GROUND, "none"}


def test_hostile_names_are_text_and_nothing_else() -> None:
    _, mean, error = estimated()
    found = figures.reliability_figure(empirical_reliability(mean[:60], error[:60]), [HOSTILE] * 7)
    assert "<script" not in found
    assert HOSTILE in {text.text for text in parsed(found).iter(f"{SVG}text")}


def test_shapes_differ_in_their_outline() -> None:
    outlines = {str(drawing.mark(50, 50, shape)) for shape in Shape}
    assert len(outlines) == len(Shape)
    assert len(set(fairness_figures.LETTER_SHAPES.values())) == len(Letter)
    assert len(set(fairness_figures.CELL_SHAPES.values())) == len(Cell)


def test_a_larger_value_lies_further_right_and_what_is_beyond_at_the_end() -> None:
    of = Axis(-1.0, 1.0, (0.0,), "SD")
    places = [of.at(value) for value in (-5.0, -1.0, -0.2, 0.3, 1.0, 9.0)]
    assert places == sorted(places)
    assert places[0] == places[1] == of.left
    assert places[-1] == places[-2] == of.right


def test_what_has_no_estimate_has_no_mark() -> None:
    row = parsed(drawn()["reliability"])
    marks = [e for e in row.iter() if e.attrib.get("class") == "mark"]
    assert len(marks) == 6
    assert "skill 4: not enough students" in (row.findtext(f"{SVG}desc") or "")


def test_the_monitor_names_the_classes_that_are_set_aside() -> None:
    said = parsed(drawn()["monitor"]).findtext(f"{SVG}desc") or ""
    for klass, _ in BROKEN:
        assert f"class {klass}" in said


def test_predictions_that_cannot_be_judged_are_not_drawn() -> None:
    few = Predicted(np.zeros(20), np.zeros(20), np.ones(20), np.arange(20))
    root = parsed(figures.left_out_figure(left_out(few)))
    assert not list(root.iter(f"{SVG}circle"))
    assert "Too few" in (root.findtext(f"{SVG}title") or "")
