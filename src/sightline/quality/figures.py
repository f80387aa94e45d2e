"""Figures of coverage, calibration, reliability and model health. Each is one SVG with a title sentence."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from sightline.quality import drawing
from sightline.quality.coverage import Coverage, LevelCalibration
from sightline.quality.drawing import Axis, Row, Shape
from sightline.quality.fit_checks import DRIFT_LARGE, Drift, LeftOut, Pit
from sightline.quality.reliability import USABLE, Reliability
from sightline.quality.verdicts import COVERAGE_HOLDS, Z90, Verdict

TALL, ABOVE = 180.0, 28.0
"""Pixels of a plotting area with a vertical axis, and above it for that axis's name."""

SHAPES = {
    Verdict.GOOD: Shape.CIRCLE,
    Verdict.WATCH: Shape.SQUARE,
    Verdict.BAD: Shape.TRIANGLE,
    Verdict.NOT_ENOUGH: Shape.CROSS,
}
"""Every mark has its word beside it or in the note."""


def coverage_figure(found: Coverage) -> Markup:
    """Coverage by reliability, a row a bin, over the band where it should lie."""
    low, high = COVERAGE_HOLDS
    of = Axis(0.6, 1.0, (0.6, 0.7, 0.8, 0.9, 1.0), "share of 90 % intervals that hold the true skill")
    everything = (found.overall, *found.bins)
    entries = [
        Row(
            "all estimates" if share is found.overall else f"reliability {share.low:.1f} to {share.high:.1f}",
            f"{share.value:.3f} of {share.n}",
            share.value,
            (share.value - Z90 * share.standard_error, min(share.value + Z90 * share.standard_error, 1.0)),
            SHAPES[found.verdict] if share is found.overall else Shape.CIRCLE,
        )
        for share in everything
    ]
    drawn, height = drawing.rows(of, entries, [(0.9, "90 %")])
    behind = drawing.band(of.at(low), of.at(high), 18, height - drawing.FOOT)
    return drawing.figure(found.words, drawing.listed(entries), height, (behind, drawn))


def calibration_figure(found: LevelCalibration) -> Markup:
    """Stated level probability against the share that came true; the size of a mark grows with its count."""
    of = Axis(0.0, 1.0, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0), "stated probability of a level", left=12)
    most = max(one.n for one in found.bins)
    marks = [
        drawing.mark(of.at(one.stated), _down(one.came_true), Shape.CIRCLE, 3 + 5 * (one.n / most) ** 0.5)
        for one in found.bins
    ]
    said = "; ".join(f"stated {one.stated:.2f}, came true {one.came_true:.2f} ({one.n})" for one in found.bins)
    diagonal = drawing.line((of.at(0), _down(0)), (of.at(1), _down(1)), "border", dashed=True)
    parts = (diagonal, *marks, *_upright(of, "share that came true"), drawing.axis(of, TALL + ABOVE))
    return drawing.figure(found.words, f"{said}.", TALL + ABOVE + drawing.FOOT, parts)


def reliability_figure(found: Sequence[Reliability], skills: Sequence[str]) -> Markup:
    """A row a skill; the line is the bar from which estimates are shown."""
    of = Axis(0.0, 1.0, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0), "reliability of the set of estimates")
    entries = [
        Row(
            skills[one.skill],
            "not enough students" if one.value is None else f"{one.value:.2f}",
            one.value,
            one.interval_90,
            SHAPES[one.verdict],
        )
        for one in found
    ]
    reached = sum(one.verdict is Verdict.GOOD for one in found)
    title = f"Estimates of {reached} of {len(found)} skills are reliable enough to compare students."
    drawn, height = drawing.rows(of, entries, [(USABLE, f"{USABLE:.1f} is needed")])
    return drawing.figure(title, drawing.listed(entries), height, (drawn,))


def pit_figure(found: Pit) -> Markup:
    """Histogram of PIT values, ten bars that should be equal."""
    of = Axis(0.0, 1.0, (0.0, 0.5, 1.0), "where the observed value lies in its predicted distribution", left=12)
    largest = max(*found.shares, 0.2)
    tenth = 1 / len(found.shares)
    bars = [
        drawing.bar(of.at(i * tenth) + 0.3, of.at((i + 1) * tenth) - 0.3, _down(share / largest), _down(0))
        for i, share in enumerate(found.shares)
    ]
    level = _down(tenth / largest)
    parts = (
        *bars,
        drawing.line((of.left, level), (of.right, level), "border", dashed=True),
        drawing.words(of.left - 1, level + 4, "10 %", "end"),
        drawing.axis(of, TALL + ABOVE),
    )
    said = "Shares by tenth: " + ", ".join(f"{100 * share:.0f} %" for share in found.shares) + "."
    return drawing.figure(found.words, said, TALL + ABOVE + drawing.FOOT, parts)


def left_out_figure(found: LeftOut) -> Markup:
    """Ten groups of predictions, from low to high: predicted mean against observed mean with its 90 % interval."""
    if not found.tenths:
        return drawing.figure(found.words, "Nothing is drawn.", 10, ())
    ends = [end for one in found.tenths for end in (one.predicted, one.observed)]
    low, high = min(ends) - 0.1, max(ends) + 0.1
    of = Axis(low, high, tuple(low + (high - low) * i / 4 for i in range(5)), "predicted, SD", left=12)
    parts = [drawing.line((of.at(low), _down(0)), (of.at(high), _down(1)), "border", dashed=True)]
    for one in found.tenths:
        middle, half = (one.observed - low) / (high - low), Z90 * one.standard_error / (high - low)
        x = of.at(one.predicted)
        ends = [min(max(middle + side, 0.0), 1.0) for side in (-half, half)]
        parts.append(drawing.line((x, _down(ends[0])), (x, _down(ends[1])), "whisker"))
        parts.append(drawing.mark(x, _down(middle), Shape.CIRCLE))
    parts += [
        drawing.words(of.left - 1, _down(share) + 4, f"{low + (high - low) * share:.1f}", "end")
        for share in (0.0, 0.5, 1.0)
    ]
    parts += [drawing.words(2, 12, "observed, SD"), drawing.axis(of, TALL + ABOVE)]
    said = "; ".join(f"predicted {one.predicted:.2f}, observed {one.observed:.2f}" for one in found.tenths)
    return drawing.figure(found.words, f"{said}.", TALL + ABOVE + drawing.FOOT, parts)


def drift_figure(found: Sequence[Drift], indicators: Sequence[str], windows: Sequence[str]) -> Markup:
    """A row for each indicator and window that was judged; the rest is counted in the title."""
    judged = [one for one in found if one.size is not None]
    moved = [one for one in judged if one.verdict in {Verdict.WATCH, Verdict.BAD}]
    of = Axis(-1.0, 1.0, (-1.0, -0.5, 0.0, 0.5, 1.0), "difference from other times, SD of the indicator")
    entries = [
        Row(
            f"{indicators[one.indicator]}, {windows[one.window]}",
            f"{one.size:+.2f} {'' if one.verdict is Verdict.GOOD else 'moved'}".strip(),
            one.size,
            (one.size - Z90 * one.standard_error, one.size + Z90 * one.standard_error),
            SHAPES[one.verdict],
        )
        for one in judged
        if one.size is not None and one.standard_error is not None
    ]
    title = (
        f"{len(moved)} of {len(judged)} readings of an indicator in a window moved more than skills explain; "
        f"{len(found) - len(judged)} have too few values to judge."
    )
    borders = [(-DRIFT_LARGE, f"-{DRIFT_LARGE}"), (0.0, ""), (DRIFT_LARGE, f"+{DRIFT_LARGE}")]
    drawn, height = drawing.rows(of, entries, borders)
    return drawing.figure(title, drawing.listed(entries), height, (drawn,))


def _upright(of: Axis, name: str) -> list[Markup]:
    """Numbers 0 to 1 beside a plotting area, and the name of what goes up."""
    marks = [drawing.words(of.left - 1, _down(share) + 4, f"{share:.1f}", "end") for share in (0.0, 0.5, 1.0)]
    return [*marks, drawing.words(2, 12, name)]


def _down(share: float) -> float:
    """Pixels from the top for a share of the plotting area's height."""
    return ABOVE + TALL * (1 - share)
