"""Parts of figures as SVG: a frame with a title sentence, axes, rows with intervals, marks that differ in shape.

Across, positions are percentages, so that a figure fits a phone without scaling its text; down, pixels. Looks are
plain attributes, so that a figure stands alone in a document; classes let a page restyle it. There is no `style`
attribute (the content security policy refuses it).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from textwrap import wrap

from markupsafe import Markup

INK, QUIET, GROUND = "#1c2733", "#5b6874", "#ffffff"
"""Text and marks, lines and notes, ground; 5.7:1 and more on the ground."""

LETTERS_A_LINE = 40
"""Of a title or a long text: fits 350 pixels at 14 pixels a letter in a wide font."""

NO_BREAK = "\N{NO-BREAK SPACE}"

TITLE_LINE, ROW, FOOT = 20, 40, 40
"""Pixels down: a line of the title, a row with its label, the axis with its name."""

NOTHING = Markup("")


class Shape(StrEnum):
    """Marks that differ without colour. The word or letter stands beside each."""

    CIRCLE = "circle"
    SQUARE = "square"
    TRIANGLE = "triangle"
    CROSS = "cross"


@dataclass(frozen=True, slots=True)
class Axis:
    """A horizontal axis from low to high between two percentages of the width, with ticks and a name."""

    low: float
    high: float
    ticks: tuple[float, ...]
    name: str
    digits: int = 1
    left: float = 4.0
    right: float = 96.0

    def at(self, value: float) -> float:
        """Percent of the width; beyond the axis means at its end."""
        inside = min(max(value, self.low), self.high)
        return self.left + (self.right - self.left) * (inside - self.low) / (self.high - self.low)


@dataclass(frozen=True, slots=True)
class Row:
    """A labelled value with its interval; without a value only label and note are drawn."""

    label: str
    note: str
    value: float | None = None
    interval: tuple[float, float] | None = None
    shape: Shape = Shape.CIRCLE


def figure(title: str, described: str, height: float, parts: Iterable[Markup]) -> Markup:
    """A whole figure: `title` is its sentence, also drawn; `described` says the numbers for who cannot see it."""
    lines = wrapped(title)
    top = TITLE_LINE * len(lines) + 14
    drawn = [
        Markup(
            '<text class="figure-title" x="2%" y="{}" font-size="14" font-weight="600" fill="{}">{}</text>'
        ).format(TITLE_LINE * number, INK, text)
        for number, text in enumerate(lines, start=1)
    ]
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" class="figure" role="img" width="640" height="{}" '
        'font-family="system-ui, sans-serif"><title>{}</title><desc>{}</desc>'
        '<rect class="ground" width="100%" height="100%" fill="{}"/>{}<g transform="translate(0 {})">{}</g></svg>'
    ).format(short(top + height), title, described, GROUND, NOTHING.join(drawn), top, NOTHING.join(parts))


def wrapped(text: str) -> list[str]:
    """Lines of a long text; a number stays with its percent sign."""
    return wrap(text.replace(" %", f"{NO_BREAK}%"), LETTERS_A_LINE)


def axis(of: Axis, y: float) -> Markup:
    """The axis line at y with ticks, their numbers, and the name below; FOOT pixels high."""
    return NOTHING.join(
        (
            line((of.left, y), (of.right, y), "axis"),
            *(line((of.at(tick), y), (of.at(tick), y + 5), "axis") for tick in of.ticks),
            *(words(of.at(tick), y + 18, f"{tick:.{of.digits}f}", "middle") for tick in of.ticks),
            words((of.left + of.right) / 2, y + 34, of.name, "middle"),
        )
    )


def rows(of: Axis, entries: Sequence[Row], borders: Sequence[tuple[float, str]]) -> tuple[Markup, float]:
    """Rows over an axis and their height; borders are vertical lines (value, name), named above the rows."""
    top = 18.0 if any(name for _, name in borders) else 0.0
    bottom = top + ROW * len(entries)
    drawn = [line((of.at(at), top), (of.at(at), bottom), "border", dashed=True) for at, _ in borders]
    drawn += [words(of.at(at), 12, name, "middle") for at, name in borders if name]
    for number, entry in enumerate(entries):
        y = top + ROW * number
        drawn.append(words(2, y + 14, entry.label, ink=INK))
        drawn.append(words(98, y + 14, entry.note, "end", ink=INK))
        if entry.value is not None:
            if entry.interval is not None:
                low, high = entry.interval
                drawn.append(line((of.at(low), y + 28), (of.at(high), y + 28), "whisker"))
            drawn.append(mark(of.at(entry.value), y + 28, entry.shape))
    drawn.append(axis(of, bottom))
    return NOTHING.join(drawn), bottom + FOOT


def listed(entries: Sequence[Row]) -> str:
    """The rows as one text, for who cannot see them."""
    return "; ".join(f"{entry.label}: {entry.note}" for entry in entries) + "."


def mark(x: float, y: float, shape: Shape, size: float = 5.0) -> Markup:
    """A mark at x percent and y pixels; filled, the cross in strokes."""
    if shape is Shape.CIRCLE:
        return Markup('<circle class="mark" cx="{}%" cy="{}" r="{}" fill="{}"/>').format(
            short(x), short(y), short(size), INK
        )
    inside = {
        Shape.SQUARE: "M-{0} -{0}H{0}V{0}H-{0}Z",
        Shape.TRIANGLE: "M0 -{0}L{0} {0}H-{0}Z",
        Shape.CROSS: "M-{0} -{0}L{0} {0}M{0} -{0}L-{0} {0}",
    }[shape].format(short(size))
    # a nested drawing, because a path cannot be placed in percent
    return Markup(
        '<svg x="{}%" y="{}" overflow="visible"><path class="mark" d="{}" fill="{}" stroke="{}" '
        'stroke-width="1.5"/></svg>'
    ).format(short(x), short(y), inside, "none" if shape is Shape.CROSS else INK, INK)


def line(start: tuple[float, float], end: tuple[float, float], kind: str, *, dashed: bool = False) -> Markup:
    """A line between (percent, pixels) points; a whisker is thick, everything else is quiet."""
    thick = kind in {"whisker", "trend"}
    return Markup('<line class="{}" x1="{}%" y1="{}" x2="{}%" y2="{}" stroke="{}" stroke-width="{}"{}/>').format(
        kind,
        short(start[0]),
        short(start[1]),
        short(end[0]),
        short(end[1]),
        INK if thick else QUIET,
        2 if thick else 1,
        Markup(' stroke-dasharray="4 3"') if dashed else NOTHING,
    )


def band(left: float, right: float, top: float, bottom: float) -> Markup:
    """A pale area from left to right percent, behind marks: where values should lie."""
    return Markup(
        '<rect class="band" x="{}%" y="{}" width="{}%" height="{}" fill="{}" fill-opacity="0.14"/>'
    ).format(short(left), short(top), short(right - left), short(bottom - top), QUIET)


def bar(left: float, right: float, top: float, bottom: float) -> Markup:
    """A filled bar from left to right percent."""
    return Markup('<rect class="bar" x="{}%" y="{}" width="{}%" height="{}" fill="{}"/>').format(
        short(left), short(top), short(right - left), short(bottom - top), QUIET
    )


def words(x: float, y: float, said: str, anchor: str = "start", *, ink: str = QUIET) -> Markup:
    """Text at x percent and y pixels, with a rim in the ground's tone that keeps lines behind it away."""
    return Markup(
        '<text x="{}%" y="{}" font-size="12" text-anchor="{}" fill="{}" stroke="{}" stroke-width="3" '
        'paint-order="stroke">{}</text>'
    ).format(short(x), short(y), anchor, ink, GROUND, said)


def short(number: float) -> str:
    """Two decimals are less than a pixel."""
    return f"{number:.2f}".rstrip("0").rstrip(".")
