"""The quality report of a school as a folder: a page, figures, numbers, and a page for each rater alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from markupsafe import Markup

from sightline.domain.skills import SKILLS, SOURCES
from sightline.pipeline.checking import Report
from sightline.quality import fairness_figures, figures
from sightline.quality.dif import dif_words
from sightline.quality.invariance import proposal_words, propose
from sightline.quality.monitor import Cell, monitor_words

PAGE = Markup(
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    "<style>body{{font:1rem/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}}"
    "body{{color:#1c2733;background:#fff}}img{{max-width:100%}}h2{{margin-top:2.5rem}}</style></head>"
    "<body><main><h1>{title}</h1>{body}</main></body></html>\n"
)

PRIVATE = 0o600
"""Rater reports can be read by whoever ran the command, who hands each to its teacher."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page: sentences, and figures by the name of their file with their text alternative."""

    title: str
    sentences: tuple[str, ...]
    figures: tuple[tuple[str, Markup], ...] = ()


def write_report(report: Report, folder: Path) -> Path:
    """Write the folder, which must not be there; returns the page."""
    (folder / "figures").mkdir(parents=True)
    sections = [_reliability(report), _health(report), _monitor(report), _fairness(report), _raters(report)]
    parts = [Markup("<p>{}</p>").format(_about(report))]
    for section in sections:
        parts.append(Markup("<section><h2>{}</h2>").format(section.title))
        parts += [Markup("<p>{}</p>").format(sentence) for sentence in section.sentences]
        for name, drawn in section.figures:
            (folder / "figures" / f"{name}.svg").write_text(drawn, encoding="utf-8")
            alt = Markup('<p><img src="figures/{0}.svg" alt="Figure: {1}"></p>')
            parts.append(alt.format(name, section.title.lower()))
        parts.append(Markup("</section>"))
    page = folder / "index.html"
    title = f"Is the measurement any good? {report.school.title}"
    page.write_text(PAGE.format(title=title, body=Markup("\n").join(parts)), encoding="utf-8")
    (folder / "numbers.json").write_bytes(msgspec.json.format(msgspec.json.encode(_numbers(report)), indent=1))
    _write_raters(report, folder / "raters")
    return page


def _about(report: Report) -> str:
    who = "simulated students" if report.school.simulated else "students"
    return (
        f"{report.students} {who} with {report.observations} observations in the window that ends on "
        f"{report.as_of:%Y-%m-%d}, measured with the card {report.card_version}. These checks say whether the "
        "numbers are consistent and careful; they do not show that the skills are those that people mean."
    )


def _reliability(report: Report) -> Section:
    names = [skill.value for skill in SKILLS]
    return Section(
        "How much of the differences is skill",
        tuple(one.words(names[one.skill]) for one in report.reliability),
        (("reliability", figures.reliability_figure(report.reliability, names)),),
    )


def _health(report: Report) -> Section:
    title = "Does the model predict what it has not seen"
    health = report.health
    if health is None:
        return Section(title, ("Nothing was observed in the window.",))
    moved = [
        one.words(health.indicators[one.indicator], health.windows[one.window])
        for one in health.drift
        if one.verdict.value in {"watch", "bad"}
    ]
    drawn = [
        ("predicted-distributions", figures.pit_figure(health.pit)),
        ("left-out-sessions", figures.left_out_figure(health.left_out)),
    ]
    if any(one.size is not None for one in health.drift):
        drawn.append(("drift", figures.drift_figure(health.drift, health.indicators, health.windows)))
    return Section(title, (health.pit.words, health.left_out.words, *moved), tuple(drawn))


def _monitor(report: Report) -> Section:
    title = "Is a source broken in a class"
    found = report.monitored
    if not found.readings:
        return Section(title, ("There are too few classes to compare with one another.",))
    names = [source.value for source in SOURCES]
    told = [
        monitor_words(one, report.classes[one.klass], names[one.source])
        for one in found.readings
        if one.cell in {Cell.SET_ASIDE, Cell.UNDECIDED}
    ]
    seen = sum(one.cell is not Cell.NOT_ENOUGH for one in found.readings)
    said = f"{seen} of {len(found.readings)} pairs of a class and a source could be compared."
    drawn = fairness_figures.monitor_figure(found, report.classes, names)
    return Section(title, (said, *(told or ["No source is set aside."])), (("monitor", drawn),))


def _fairness(report: Report) -> Section:
    title = "Do indicators treat groups alike"
    found = report.fairness
    if found is None:
        said = (
            "No group of any student is known here: nothing like it is stored. To check, give a file with "
            "--groups (student_id, group); it is read for this report and not kept."
        )
        return Section(title, (said,))
    groups = dict(enumerate(found.groups))
    results = found.purified.results
    flagged = [
        dif_words(one, found.indicators[one.indicator], groups[one.group], groups[one.reference])
        for one in results
        if one.flagged
    ]
    proposed = propose(results)
    drawn = [("dif", fairness_figures.dif_figure(results, found.indicators, groups))]
    if proposed:
        drawn.append(("repairs", fairness_figures.proposal_figure(proposed, found.indicators, groups)))
    repairs = [proposal_words(one, found.indicators[one.indicator]) for one in proposed]
    none = f"None of {len(results)} comparisons shows a difference that matters and is sure."
    return Section(title, (*(flagged or [none]), *repairs), tuple(drawn))


def _raters(report: Report) -> Section:
    many = len(report.raters)
    said = (
        f"There are reports for {many} raters in the folder raters. Each is about one teacher's own ratings, for "
        "that teacher alone: it is no appraisal, and scores allow for it already."
        if many
        else "Nobody has rated in the window."
    )
    return Section("How teachers rate", (said,))


def _write_raters(report: Report, folder: Path) -> None:
    for name, rater, one in report.raters:
        folder.mkdir(mode=0o700, exist_ok=True)
        body = [Markup("<p>{}</p>").format(sentence) for sentence in one.words(report.levels_per_sd)]
        body.append(fairness_figures.rater_figure(one, report.levels_per_sd))
        basis = (
            f"From {one.ratings} ratings of {one.students} students. For you alone; scores allow for it already."
        )
        body.append(Markup("<p>{}</p>").format(basis))
        path = folder / f"{rater}.html"
        path.touch(mode=PRIVATE)
        path.write_text(PAGE.format(title=f"Your ratings, {name}", body=Markup("\n").join(body)), encoding="utf-8")


def _numbers(report: Report) -> dict[str, object]:
    """Everything but the reports of raters, which are not for whoever reads this."""
    health = report.health
    return {
        "as_of": report.as_of,
        "card_version": report.card_version,
        "students": report.students,
        "observations": report.observations,
        "reliability": _named(report.reliability, "skill", [skill.value for skill in SKILLS]),
        "monitor": [
            {
                "class": report.classes[one.klass],
                "source": SOURCES[one.source].value,
                "students": one.students,
                "shift": one.shift,
                "standard_error": one.standard_error,
                "z": one.z,
                "cell": one.cell,
            }
            for one in report.monitored.readings
        ],
        "predicted_distributions": None if health is None else health.pit,
        "left_out_sessions": None if health is None else health.left_out,
        "drift": None if health is None else _named(health.drift, "indicator", health.indicators),
        "dif": None
        if report.fairness is None
        else _named(report.fairness.purified.results, "indicator", report.fairness.indicators),
    }


def _named(found: Iterable[object], key: str, names: Iterable[str]) -> list[dict[str, object]]:
    """Results as JSON values, with a name for the number under the key."""
    listed = tuple(names)
    return [{**(made := msgspec.to_builtins(one)), key: listed[made[key]]} for one in found]
