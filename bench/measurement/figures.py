"""Figures as SVG text: lines with a label each, and a waterfall. Told apart by dash and mark, not by colour alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 62, 220, 60, 52
"""Pixels around the drawing; labels of lines stand on its right."""

INK, GREY, PALE, BAND = "#1b1b1b", "#5f6368", "#dfe1e5", "#e8f1ea"
COLOURS = ("#0b5cad", "#b3470b", "#18794e", "#7a3e9d", "#5f6368")
DASHES = ("", "7 4", "2 4", "9 3 2 3", "1 3")
FONT = "font-family='system-ui, Segoe UI, Arial, sans-serif'"
ROW = 24
LABELS = 300
"""Pixels of a row of the waterfall, and of the column of its names."""

LABEL_GAP = 16


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a figure: its name and its points (x, y), left to right."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Axis:
    """From where to where, at which values a tick stands, and what it shows."""

    low: float
    high: float
    ticks: Sequence[float]
    title: str


@dataclass(frozen=True, slots=True)
class Step:
    """One row of a waterfall: what it is and by how much it moves the sum; a total is the sum so far."""

    name: str
    amount: float
    total: bool = False


def lines(
    title: str,
    across: Axis,
    up: Axis,
    drawn: Sequence[Line],
    *,
    band: tuple[float, float] | None = None,
    marked: float | None = None,
) -> str:
    """Lines over two axes; `band` shades what a pass mark allows, `marked` draws one level (both in units of y)."""

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - across.low) / (across.high - across.low)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - up.low) / (up.high - up.low)

    parts = []
    if band is not None:
        parts.append(
            f"<rect x='{LEFT}' y='{_n(y(band[1]))}' width='{WIDTH - LEFT - RIGHT}' height='{_n(y(band[0]) - y(band[1]))}' fill='{BAND}'/>"
        )
    for tick in up.ticks:
        parts.append(_rule(LEFT, y(tick), WIDTH - RIGHT, y(tick), PALE))
        parts.append(_text(LEFT - 8, y(tick) + 4, f"{tick:g}", anchor="end", colour=GREY))
    for tick in across.ticks:
        parts.append(_rule(x(tick), HEIGHT - BOTTOM, x(tick), HEIGHT - BOTTOM + 5, GREY))
        parts.append(_text(x(tick), HEIGHT - BOTTOM + 19, f"{tick:g}", anchor="middle", colour=GREY))
    parts.append(_rule(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, GREY))
    if marked is not None:
        parts.append(_rule(LEFT, y(marked), WIDTH - RIGHT, y(marked), INK, dash="3 3"))
        parts.append(_text(LEFT + 4, y(marked) - 5, f"{marked:g}", colour=INK))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, across.title, anchor="middle"))
    parts.append(_text(LEFT, TOP - 12, up.title, colour=GREY))
    ends = _apart([y(line.points[-1][1]) for line in drawn])
    for place, (line, end) in enumerate(zip(drawn, ends, strict=True)):
        colour = COLOURS[place % len(COLOURS)]
        path = " ".join(f"{_n(x(a))},{_n(y(b))}" for a, b in line.points)
        parts.append(
            f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2.2' stroke-dasharray='{DASHES[place % len(DASHES)]}'/>"
        )
        parts += [_mark(x(a), y(b), place, colour) for a, b in line.points]
        last_x, last_y = x(line.points[-1][0]), y(line.points[-1][1])
        parts.append(_rule(last_x + 6, last_y, WIDTH - RIGHT + 12, end, colour, width=0.8))
        parts.append(_mark(WIDTH - RIGHT + 18, end, place, colour))
        parts.append(_text(WIDTH - RIGHT + 27, end + 4, line.name, colour=colour))
    return _drawing(title, WIDTH, HEIGHT, parts)


def waterfall(title: str, steps: Sequence[Step], unit: str) -> str:
    """Rows from the top down, each bar beginning where the one before it ended; totals reach back to zero."""
    sums, so_far = [], 0.0
    for step in steps:
        start = 0.0 if step.total else so_far
        so_far = so_far if step.total else so_far + step.amount
        sums.append((start, so_far))
    low = min(0.0, *(min(pair) for pair in sums)) - 0.05
    high = max(0.0, *(max(pair) for pair in sums)) + 0.05
    height = TOP + ROW * len(steps) + BOTTOM

    def x(value: float) -> float:
        return LABELS + (WIDTH - LABELS - 84) * (value - low) / (high - low)

    parts = []
    ticks = _round_ticks(low, high)
    for tick in ticks:
        parts.append(_rule(x(tick), TOP, x(tick), height - BOTTOM, PALE if tick else GREY))
        parts.append(_text(x(tick), height - BOTTOM + 18, f"{tick:g}", anchor="middle", colour=GREY))
    for place, (step, (start, end)) in enumerate(zip(steps, sums, strict=True)):
        top = TOP + ROW * place
        colour = INK if step.total else COLOURS[0] if step.amount >= 0 else COLOURS[1]
        left, right = sorted((x(start), x(end)))
        parts.append(
            f"<rect x='{_n(left)}' y='{top + 4}' width='{_n(max(right - left, 1.0))}' height='{ROW - 8}' fill='{colour}'/>"
        )
        weight = "600" if step.total else "400"
        parts.append(_text(LABELS - 10, top + 16, step.name, anchor="end", weight=weight))
        said = f"{end if step.total else step.amount:+.2f}".replace("-", "\N{MINUS SIGN}")
        parts.append(_text(WIDTH - 14, top + 16, said, anchor="end", weight=weight, colour=colour))
    parts += [
        _rule(x(end), TOP + ROW * place + 4, x(end), TOP + ROW * (place + 2) - 4, GREY, width=0.8)
        for place, ((_, end), _) in enumerate(pairwise(sums))
    ]
    parts.append(_text((x(low) + x(high)) / 2, height - 12, unit, anchor="middle"))
    return _drawing(title, WIDTH, height, parts)


def _round_ticks(low: float, high: float) -> list[float]:
    step = next(s for s in (0.1, 0.2, 0.5, 1.0, 2.0) if (high - low) / s <= 8)  # noqa: PLR2004 - eight fit
    first = int(low / step) - 1
    found = [round(step * k, 6) for k in range(first, first + 12)]
    return [tick + 0.0 for tick in found if low <= tick <= high]


def _apart(wished: Sequence[float]) -> list[float]:
    """Places for labels near the wished ones, none nearer to another than a line of text."""
    order = sorted(range(len(wished)), key=lambda i: wished[i])
    placed = [0.0] * len(wished)
    lowest = float("-inf")
    for i in order:
        lowest = max(wished[i], lowest + LABEL_GAP)
        placed[i] = lowest
    over = max(0.0, max(placed, default=0.0) - (HEIGHT - BOTTOM))
    return [place - over for place in placed]


def _mark(x: float, y: float, kind: int, colour: str) -> str:
    shapes = (
        f"<circle cx='{_n(x)}' cy='{_n(y)}' r='3.6' fill='{colour}'/>",
        f"<rect x='{_n(x - 3.4)}' y='{_n(y - 3.4)}' width='6.8' height='6.8' fill='#fff' stroke='{colour}' stroke-width='1.8'/>",
        f"<path d='M{_n(x)} {_n(y - 4.4)}L{_n(x + 4.2)} {_n(y + 3.2)}H{_n(x - 4.2)}Z' fill='{colour}'/>",
        f"<circle cx='{_n(x)}' cy='{_n(y)}' r='3.4' fill='#fff' stroke='{colour}' stroke-width='1.8'/>",
        f"<rect x='{_n(x - 3.2)}' y='{_n(y - 3.2)}' width='6.4' height='6.4' fill='{colour}'/>",
    )
    return shapes[kind % len(shapes)]


def _rule(x1: float, y1: float, x2: float, y2: float, colour: str, *, width: float = 1.0, dash: str = "") -> str:
    dashes = f" stroke-dasharray='{dash}'" if dash else ""
    return (
        f"<line x1='{_n(x1)}' y1='{_n(y1)}' x2='{_n(x2)}' y2='{_n(y2)}' stroke='{colour}' "
        f"stroke-width='{width:g}'{dashes}/>"
    )


def _text(
    x: float, y: float, said: str, *, anchor: str = "start", colour: str = INK, weight: str = "400", size: int = 13
) -> str:
    return (
        f"<text x='{_n(x)}' y='{_n(y)}' font-size='{size}' {FONT} fill='{colour}' "
        f"text-anchor='{anchor}' font-weight='{weight}'>{escape(said)}</text>"
    )


def _drawing(title: str, width: int, height: int, parts: Sequence[str]) -> str:
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' height='{height}' role='img'>",
            f"<title>{escape(title)}</title>",
            f"<rect width='{width}' height='{height}' fill='#fff'/>",
            _text(14, 22, title, weight="600", size=15),
            *parts,
            "</svg>\n",
        ]
    )


def _n(value: float) -> str:
    """A tenth of a pixel is enough, and keeps the bytes the same everywhere."""
    return f"{value:.1f}".removesuffix(".0")
