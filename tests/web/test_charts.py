"""Laws of the charts: positions follow the values, nothing leaves the axis, hostile text stays text."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from sightline.domain.claims import Direction
from sightline.domain.estimates import Contribution, Estimate, Shortfall, SkillResult, Unscored
from sightline.domain.skills import LEVELS, Level, Skill, Source
from sightline.measurement.levels import interval_90, level_name, level_probabilities
from sightline.web import charts, wording

CUTS = (-1.2, 0.0, 1.2)
AT = datetime(2026, 3, 2, tzinfo=UTC)
HOSTILE = '<script>alert("1")</script>\'"&'

means = st.floats(-8, 8)
errors = st.floats(0.05, 2)


def an_estimate(mean: float = 0.0, standard_error: float = 0.5) -> Estimate:
    probabilities = level_probabilities(mean, standard_error, CUTS)
    return Estimate(
        skill=Skill.EMPATHY,
        mean=mean,
        standard_error=standard_error,
        as_of=AT,
        reliability=0.7,
        level_probabilities=probabilities,
        level_name=level_name(probabilities),
        interval_90=interval_90(mean, standard_error),
    )


def a_result(outcome: Estimate | Unscored, *amounts: float) -> SkillResult:
    contributions = tuple(
        Contribution(uuid4(), "asking", Source.TALK, uuid4(), i == 0, a) for i, a in enumerate(amounts)
    )
    return SkillResult(outcome.skill, outcome, 0.0, contributions, ((uuid4(), 0.1),))


def unscored() -> Unscored:
    return Unscored(Skill.EMPATHY, AT, (Shortfall.ONE_SOURCE,), "about 3 more game sessions")


def parsed(drawing: Markup) -> ET.Element:
    return ET.fromstring(drawing)  # noqa: S314 - our own drawing


def percent(element: ET.Element | None, name: str) -> float:
    assert element is not None
    return float(element.attrib[name].removesuffix("%"))


def every_chart(said: str) -> list[Markup]:
    estimate = an_estimate()
    spread = charts.spread_of([a_result(estimate).summary, a_result(unscored()).summary])
    return [
        charts.dot_and_whisker(estimate, said),
        charts.level_scale(estimate, CUTS, said),
        charts.empty_scale(CUTS, said),
        charts.hatch(said),
        charts.spread_chart(spread, said),
    ]


@given(means, means)
def test_a_higher_mean_never_lies_further_left(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert charts.position(low) <= charts.position(high)


@given(means, errors)
def test_whisker_and_dot_stay_within_the_drawing_and_the_dot_on_the_whisker(mean: float, error: float) -> None:
    drawn = parsed(charts.dot_and_whisker(an_estimate(mean, error), "said"))
    whisker, dot = drawn.find("line[@class='whisker']"), drawn.find("circle")
    left, middle, right = percent(whisker, "x1"), percent(dot, "cx"), percent(whisker, "x2")
    assert 0 < left <= middle <= right < 100


@given(means, errors)
def test_a_stop_is_drawn_only_where_the_interval_ends_on_the_axis(mean: float, error: float) -> None:
    estimate = an_estimate(mean, error)
    stops = parsed(charts.level_scale(estimate, CUTS, "said")).findall("line[@class='stop']")
    assert len(stops) == sum(charts.AXIS[0] < end < charts.AXIS[1] for end in estimate.interval_90)


def test_the_bands_of_the_scale_cover_it_in_the_order_of_the_levels() -> None:
    drawn = parsed(charts.level_scale(an_estimate(), CUTS, "said"))
    bands = drawn.findall("rect")
    assert [text.text for text in drawn.findall("text")] == [level.value for level in LEVELS]
    assert sum(percent(band, "width") for band in bands) == pytest.approx(100, abs=0.3)


@given(means)
def test_the_level_of_a_value_is_the_band_it_is_drawn_in(value: float) -> None:
    borders = [charts.position(cut) for cut in CUTS]
    level = charts.level_at(value, CUTS)
    if all(abs(charts.position(value) - border) > 0.01 for border in borders):
        assert LEVELS.index(level) == sum(charts.position(value) > border for border in borders)


@pytest.mark.parametrize("drawing", every_chart(HOSTILE))
def test_hostile_text_is_a_sentence_and_nothing_else(drawing: Markup) -> None:
    assert "<script" not in drawing
    assert parsed(drawing).findtext("title") == HOSTILE


@pytest.mark.parametrize(
    "drawing",
    [*every_chart("said"), charts.definitions(CUTS), charts.bar(0.4, 1.0), *map(charts.icon, Direction)],
)
def test_no_chart_needs_a_style_or_script_that_the_policy_refuses(drawing: Markup) -> None:
    for element in parsed(drawing).iter():
        assert element.tag not in {"style", "script", "foreignObject"}
        assert "style" not in element.attrib
        assert not any(name.startswith("on") for name in element.attrib)


@pytest.mark.parametrize("drawing", [charts.empty_scale(CUTS, "said"), charts.hatch("said")])
def test_without_an_estimate_nothing_is_placed(drawing: Markup) -> None:
    drawn = parsed(drawing)
    assert drawn.find("circle") is None
    assert drawn.find("line[@class='whisker']") is None
    assert drawn.find("rect[@class='hatched']") is not None


def test_directions_differ_in_shape() -> None:
    assert len({charts.icon(direction) for direction in Direction}) == len(Direction)


@given(st.floats(-3, 3), st.floats(-3, 3))
def test_bars_grow_with_the_amount_and_point_to_its_side(one: float, other: float) -> None:
    widths = {amount: percent(parsed(charts.bar(amount, 3.0)).find("rect"), "width") for amount in (one, other)}
    small, large = sorted((one, other), key=abs)
    assert widths[small] <= widths[large] <= 50
    rect = parsed(charts.bar(one, 3.0)).find("rect")
    assert percent(rect, "x") >= 50 if one >= 0 else percent(rect, "x") + widths[one] <= 50.1


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=20))
def test_the_parts_add_up_to_the_mean(amounts: list[float]) -> None:
    parts = charts.parts_of(a_result(an_estimate(), *amounts), amounts)
    assert parts.start + parts.direct + parts.borrowed + parts.adjusted == pytest.approx(parts.mean, abs=1e-9)
    assert parts.mean == pytest.approx(sum(amounts) + 0.1, abs=1e-9)


@given(st.lists(means, max_size=30), st.integers(0, 10))
def test_a_spread_counts_every_student_once_and_none_without_estimate_as_low(
    found: list[float], missing: int
) -> None:
    results = [a_result(an_estimate(mean)) for mean in found] + [a_result(unscored())] * missing
    spread = charts.spread_of([result.summary for result in results])
    assert sum(count for _, count in spread.counts) == len(found)
    assert spread.unscored == missing
    assert spread.students == len(results)


def test_a_shade_follows_the_name_and_never_the_number() -> None:
    names = [level.value for level in LEVELS] + ["Emerging to Developing", "Developing to Proficient"]
    assert [wording.shade(name) for name in names] == [f"shade-{n}" for n in (2, 4, 6, 8, 3, 5)]
    assert wording.initials("Developing to Proficient") == "D\N{EN DASH}P"


def test_an_interval_is_said_in_levels() -> None:
    assert wording.interval_words(an_estimate(0.0, 0.5), CUTS).endswith("from Developing to Proficient")
    assert wording.interval_words(an_estimate(2.5, 0.3), CUTS).endswith(f"within {Level.ADVANCED.value}")


def test_two_named_levels_come_with_their_probabilities_and_one_without() -> None:
    assert [level for level, _ in wording.named_levels(an_estimate(0.0, 0.5))] == ["Developing", "Proficient"]
    assert not wording.named_levels(an_estimate(2.5, 0.3))
