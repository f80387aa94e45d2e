"""Charts as SVG from domain types: positions and counts are computed here, and nowhere else in the pages.

All positions are percentages of the drawing's width, so that a chart fits a phone without scaling its text.
There is no `style` attribute (the content security policy refuses it): looks come from classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import fsum

from markupsafe import Markup

from sightline.domain.claims import Direction
from sightline.domain.estimates import Estimate, SkillResult, SkillSummary
from sightline.domain.skills import LEVELS, Level

AXIS = (-3.0, 3.0)
"""SD; 99.7 % of students lie inside, and a whisker that reaches beyond has no stop there."""

INSET = 2.0
"""Percent left free on both sides, so that a dot at an end is drawn whole."""

Cuts = tuple[float, float, float]
"""Borders between the four levels in SD, rising."""

ICONS = {
    Direction.RAISES: '<path d="M6 1.5 11 10.5H1Z"/>',
    Direction.LOWERS: '<path d="M6 10.5 1 1.5H11Z"/>',
    Direction.NEITHER: '<path d="M1 4.5H11V7.5H1Z"/>',
}
"""Shapes that differ without colour: up, down, level. The word stands beside each."""


def position(value: float) -> float:
    """Where a value in SD lies on the axis, in percent of the width; beyond the axis means at its end."""
    low, high = AXIS
    inside = min(max(value, low), high)
    return INSET + (100.0 - 2 * INSET) * (inside - low) / (high - low)


def level_at(value: float, cuts: Cuts) -> Level:
    """The level that holds a value in SD; a border belongs to the level above it."""
    return LEVELS[sum(value >= cut for cut in cuts)]


def most_likely(estimate: Estimate) -> Level:
    """The level of the highest probability, the lower one of equals."""
    return max(estimate.level_probabilities, key=lambda pair: pair[1])[0]


def dot_and_whisker(estimate: Estimate, said: str) -> Markup:
    """A chart for a cell: 90 % interval and dot over the borders of `definitions`; `said` is its sentence."""
    return Markup(
        '<svg class="cell-chart" role="img" height="16"><title>{}</title><use href="#borders"/>{}</svg>'
    ).format(said, _mark(estimate, 8, 4))


def level_scale(estimate: Estimate, cuts: Cuts, said: str) -> Markup:
    """The wide chart of a skill: four named bands, interval and dot; a stop where the interval ends inside."""
    stops = [_line("stop", end, end, 16, 28) for end in estimate.interval_90 if AXIS[0] < end < AXIS[1]]
    return _scale(cuts, said, Markup("").join((*stops, _mark(estimate, 22, 7))), "scale")


def empty_scale(cuts: Cuts, said: str) -> Markup:
    """The same bands under a hatch: the scale is shown, and nothing is placed on it."""
    hatched = Markup('<rect class="hatched" x="0" y="2" width="100%" height="40"/>')
    return _scale(cuts, said, hatched, "scale empty")


def hatch(said: str) -> Markup:
    """What stands in a cell instead of a chart when there is no estimate."""
    return Markup(
        '<svg class="cell-chart" role="img" height="16"><title>{}</title>'
        '<rect class="hatched" x="0" y="2" width="100%" height="12" rx="3"/></svg>'
    ).format(said)


def definitions(cuts: Cuts) -> Markup:
    """What charts of one page share, once on it: the hatch, and the borders between levels in cells."""
    borders = Markup("").join(_line("border", cut, cut, 1, 15) for cut in cuts)
    return Markup(
        '<svg class="definitions" aria-hidden="true" width="0" height="0"><defs>'
        '<pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect class="hatch-line" width="1.6" height="6"/></pattern><g id="borders">{}</g></defs></svg>'
    ).format(borders)


def icon(direction: Direction) -> Markup:
    """The shape of a direction; decoration, because the word stands beside it."""
    return Markup(
        '<svg class="icon" viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">{}</svg>'
    ).format(
        Markup(ICONS[direction])  # noqa: S704 - a constant of this file
    )


def bar(amount: float, largest: float) -> Markup:
    """One signed bar from the middle; `largest` (above 0) fills a half. The number stands in the table's cell."""
    half = 50.0 * min(abs(amount) / largest, 1.0) if largest > 0 else 0.0
    kind = "raises" if amount >= 0 else "lowers"
    start = 50.0 if amount >= 0 else 50.0 - half
    return Markup(
        '<svg class="bar" height="14" aria-hidden="true"><line class="zero" x1="50%" x2="50%" y1="0" y2="14"/>'
        '<rect class="{}" x="{}%" y="2" width="{}%" height="10" rx="2"/></svg>'
    ).format(kind, _short(start), _short(half))


def total(amounts: Iterable[float]) -> float:
    """Contributions in SD as one sum, for the line that stands for several."""
    return fsum(amounts)


@dataclass(frozen=True, slots=True)
class Parts:
    """The sum behind a mean in SD; `start + direct + borrowed + adjusted = mean`, as far as floats add up."""

    start: float
    direct: float
    borrowed: float
    adjusted: float
    mean: float
    largest: float


def parts_of(result: SkillResult, amounts: Iterable[float]) -> Parts:
    """The sum of a result by its parts; `amounts` are those drawn as bars, and only set their scale."""
    direct = fsum(c.amount for c in result.contributions if c.direct)
    borrowed = fsum(c.amount for c in result.contributions if not c.direct)
    adjusted = fsum(amount for _, amount in result.rater_adjustments)
    return Parts(
        start=result.prior_mean,
        direct=direct,
        borrowed=borrowed,
        adjusted=adjusted,
        mean=fsum((result.prior_mean, direct, borrowed, adjusted)),
        largest=max((abs(amount) for amount in (*amounts, borrowed, adjusted)), default=0.0),
    )


@dataclass(frozen=True, slots=True)
class Spread:
    """How many students of a class are most likely at each level, lowest first, and how many have no estimate."""

    counts: tuple[tuple[Level, int], ...]
    unscored: int

    @property
    def students(self) -> int:
        return self.unscored + sum(count for _, count in self.counts)


def spread_of(results: Sequence[SkillSummary]) -> Spread:
    """Students by most likely level; those without an estimate are counted apart, never as low."""
    likely = [most_likely(r.outcome) for r in results if isinstance(r.outcome, Estimate)]
    return Spread(tuple((level, likely.count(level)) for level in LEVELS), len(results) - len(likely))


def spread_chart(spread: Spread, said: str) -> Markup:
    """One bar of a whole class, a piece for each level in proportion to its students, hatched for no estimate."""
    pieces: list[Markup] = []
    start = 0.0
    sizes = [(f"level-{i}", count) for i, (_, count) in enumerate(spread.counts, start=1)]
    for kind, count in [*sizes, ("hatched", spread.unscored)]:
        width = 100.0 * count / max(spread.students, 1)
        if count:
            piece = '<rect class="piece {}" x="{}%" y="1" width="{}%" height="12"/>'
            pieces.append(Markup(piece).format(kind, _short(start), _short(width)))  # noqa: S704 - a constant
        start += width
    return Markup('<svg class="spread" role="img" height="14"><title>{}</title>{}</svg>').format(
        said, Markup("").join(pieces)
    )


def _scale(cuts: Cuts, said: str, on_it: Markup, kind: str) -> Markup:
    edges = [0.0, *(position(cut) for cut in cuts), 100.0]
    bands = [
        Markup(
            '<rect class="level-{}" x="{}%" y="2" width="{}%" height="40"/><text x="{}%" y="60">{}</text>'
        ).format(number, _short(left), _short(right - left), _short((left + right) / 2), level.value)
        for number, (level, (left, right)) in enumerate(zip(LEVELS, pairwise(edges), strict=True), start=1)
    ]
    borders = [_line("border", cut, cut, 2, 42) for cut in cuts]
    return Markup('<svg class="{}" role="img" height="66"><title>{}</title>{}</svg>').format(
        kind, said, Markup("").join((*bands, *borders, on_it))
    )


def _mark(estimate: Estimate, y: int, size: int) -> Markup:
    low, high = estimate.interval_90
    dot = Markup('<circle class="dot" cx="{}%" cy="{}" r="{}"/>').format(_short(position(estimate.mean)), y, size)
    return _line("whisker", low, high, y, y) + dot


def _line(kind: str, left: float, right: float, top: int, bottom: int) -> Markup:
    return Markup('<line class="{}" x1="{}%" x2="{}%" y1="{}" y2="{}"/>').format(
        kind, _short(position(left)), _short(position(right)), top, bottom
    )


def _short(percent: float) -> str:
    """A tenth of a percent is less than a pixel on the widest page."""
    return f"{percent:.1f}".removesuffix(".0")
