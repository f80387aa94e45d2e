"""Figures of DIF, proposed repairs, the class x source monitor and a rater's report. Each is one SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from sightline.quality import drawing
from sightline.quality.dif import LARGE, Dif, Judged, Letter
from sightline.quality.drawing import Axis, Row, Shape
from sightline.quality.invariance import Proposed, Repair
from sightline.quality.monitor import LIMIT, Cell, Monitored
from sightline.quality.raters import RaterReport
from sightline.quality.verdicts import Z90

STRIP = 52.0
"""Pixels down for one source of the monitor."""

FURTHEST = 8.0
"""Standard errors at the ends of the monitor's axis; what lies beyond is drawn there."""

LETTER_SHAPES = {Letter.A: Shape.CIRCLE, Letter.B: Shape.SQUARE, Letter.C: Shape.TRIANGLE}
CELL_SHAPES = {
    Cell.FINE: Shape.CIRCLE,
    Cell.SET_ASIDE: Shape.TRIANGLE,
    Cell.UNDECIDED: Shape.SQUARE,
    Cell.NOT_ENOUGH: Shape.CROSS,
}
SIZES = {Cell.FINE: 3.0, Cell.SET_ASIDE: 5.0, Cell.UNDECIDED: 5.0, Cell.NOT_ENOUGH: 5.0}
OUTSIDE = {
    Cell.SET_ASIDE: "set aside (triangles)",
    Cell.UNDECIDED: "undecided (squares)",
    Cell.NOT_ENOUGH: "not enough evidence",
}
REPAIRS = {Repair.OFF: "switch off", Repair.GROUP_INTERCEPT: "group intercept", Repair.KEEP: "keep"}


def dif_figure(results: Sequence[Dif], indicators: Sequence[str], groups: Mapping[int, str]) -> Markup:
    """A row for each indicator and group, the largest differences first; the letter stands at the right."""
    entries = [_dif_row(dif, indicators, groups) for dif in sorted(results, key=_size, reverse=True)]
    of = _wide(entries, f"difference from {groups[results[0].reference]} of equal skill, SD of the indicator")
    large = sum(dif.letter is Letter.C for dif in results)
    title = f"{large} of {len(results)} comparisons show a large difference for equal skill (class C)."
    borders = [(-LARGE, f"-{LARGE}"), (0.0, ""), (LARGE, f"+{LARGE}")]
    drawn, height = drawing.rows(of, entries, borders)
    return drawing.figure(title, drawing.listed(entries), height, (drawn,))


def proposal_figure(proposed: Sequence[Proposed], indicators: Sequence[str], groups: Mapping[int, str]) -> Markup:
    """What each group's intercept would be shifted by; an indicator that would go off has a cross."""
    entries = []
    for one in proposed:
        for group, (size, error) in one.shifts.items():
            label, note = f"{indicators[one.indicator]}, {groups[group]}", f"{size:+.2f} {REPAIRS[one.repair]}"
            shape = Shape.CROSS if one.repair is Repair.OFF else Shape.TRIANGLE
            entries.append(Row(label, note, size, (size - Z90 * error, size + Z90 * error), shape))
        if not one.shifts:
            entries.append(Row(indicators[one.indicator], f"changes with skill: {REPAIRS[one.repair]}"))
    of = _wide(entries, "shift of the group's starting point, SD of the indicator")
    title = f"{len(proposed)} indicators have a proposed repair. Nothing changes until a person decides."
    drawn, height = drawing.rows(of, entries, [(0.0, "")])
    return drawing.figure(title, drawing.listed(entries), height, (drawn,))


def monitor_figure(found: Monitored, classes: Sequence[str], sources: Sequence[str]) -> Markup:
    """A strip for each source with a mark for each class; classes beyond the limit are named below the strip."""
    of = Axis(-FURTHEST, FURTHEST, (-6, -3, 0, 3, 6), "standard errors from the median class", digits=0)
    parts: list[Markup] = []
    said: list[str] = []
    top = 0.0
    for number, name in enumerate(sources):
        there = [reading for reading in found.readings if reading.source == number]
        named = [
            f"{text}: {', '.join(classes[one.klass] for one in there if one.cell is cell)}"
            for cell, text in OUTSIDE.items()
            if any(one.cell is cell for one in there)
        ]
        parts.append(drawing.words(2, top + 14, name, ink=drawing.INK))
        parts.append(drawing.band(of.at(-LIMIT), of.at(LIMIT), top + 20, top + STRIP))
        parts.append(drawing.line((of.at(0), top + 20), (of.at(0), top + STRIP), "border", dashed=True))
        parts += [
            drawing.mark(of.at(one.z), top + 28 + 8 * (place % 3), CELL_SHAPES[one.cell], SIZES[one.cell])
            for place, one in enumerate(there)
            if one.z is not None
        ]
        lines = drawing.wrapped("; ".join(named))
        parts += [drawing.words(2, top + STRIP + 16 * at, text) for at, text in enumerate(lines, start=1)]
        said.append(f"{name}: {'; '.join(named) or 'nothing beyond the limit'}")
        top += STRIP + 16 * len(lines) + 14
    parts.append(drawing.axis(of, top))
    title = (
        f"{len(found.set_aside)} of {len(found.readings)} sources in classes are set aside, because they "
        f"contradict everything else there."
    )
    return drawing.figure(title, ". ".join(said) + ".", top + drawing.FOOT, parts)


def rater_figure(report: RaterReport, levels_per_sd: float) -> Markup:
    """For this teacher alone: how much higher they rate than colleagues do, and how far skills move together."""
    low, high = report.interval_90
    name = "rubric levels above colleagues, for students of equal skill"
    tendency = Axis(-2.0, 2.0, (-2, -1, 0, 1, 2), name, digits=0)
    size = -report.severity * levels_per_sd
    first = Row("Your ratings", f"{size:+.1f} levels", size, (-high * levels_per_sd, -low * levels_per_sd))
    drawn, height = drawing.rows(tendency, [first], [(0.0, "colleagues")])
    together = Axis(0.0, 1.0, (0.0, 0.5, 1.0), "share that ratings of different skills have in common")
    if report.halo is None:
        second, usual = Row("Skills together", "not enough ratings"), None
    else:
        halo = report.halo
        ends = (max(halo.share - Z90 * halo.standard_error, 0.0), min(halo.share + Z90 * halo.standard_error, 1.0))
        second, usual = Row("Skills together", f"{halo.share:.2f}", halo.share, ends, Shape.SQUARE), halo.usual
    below, added = drawing.rows(together, [second], [] if usual is None else [(usual, "usual")])
    title, halo_words = report.words(levels_per_sd)
    lines = drawing.wrapped(halo_words)
    parts = [drawn]
    parts += [drawing.words(2, height + 16 * at, text, ink=drawing.INK) for at, text in enumerate(lines, start=1)]
    top = height + 16 * len(lines) + 14
    parts.append(Markup('<g transform="translate(0 {})">{}</g>').format(drawing.short(top), below))
    said = f"{halo_words} {drawing.listed([first, second])}"
    return drawing.figure(title, said, top + added, parts)


def _dif_row(dif: Dif, indicators: Sequence[str], groups: Mapping[int, str]) -> Row:
    label = f"{indicators[dif.indicator]}, {groups[dif.group]}"
    if not isinstance(dif.outcome, Judged):
        return Row(label, dif.outcome.value.replace("_", " "))
    effect, crossed = dif.outcome.uniform, dif.slope_letter is not Letter.A
    note = f"{effect.size:+.2f}  {effect.letter.value}" + (f", with skill {dif.slope_letter}" if crossed else "")
    return Row(label, note, effect.size, effect.interval_90, LETTER_SHAPES[effect.letter])


def _size(dif: Dif) -> float:
    return abs(dif.outcome.uniform.size) if isinstance(dif.outcome, Judged) else -1.0


def _wide(entries: Sequence[Row], name: str) -> Axis:
    """An axis that holds all intervals, one SD either way at least."""
    ends = [abs(end) for entry in entries if entry.interval is not None for end in entry.interval]
    end = max(1.0, *(float(int(2 * value) + 1) / 2 for value in ends)) if ends else 1.0
    return Axis(-end, end, (-end, -end / 2, 0.0, end / 2, end), name)
