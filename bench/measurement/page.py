"""docs/measurement.md: what was simulated, the tables, and the figures, all from one run."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.measurement.changes import LEVEL_NAMES, Rate
from bench.measurement.drawings import coverage_figure, power_figure, waterfall_figure
from bench.measurement.marks import Row, Verdict, alarm_rate, false_discoveries, lines, means, ratio
from bench.measurement.run import Results
from bench.measurement.scenarios import WITH_BOOSTING

DOCS = Path(__file__).parents[2] / "docs"
WHAT = """\
# The measurement core on simulated students

`make campaign-measurement` wrote this page ({date}, {cores} cores, {machine}, Python {python}; seeds {seeds}). The same seeds give the
same page, but for this line. **A simulation shows that the machinery does what its equations say. It never shows that a score is valid for a
real child**: the simulated students follow rules that we wrote ourselves.

## What was simulated
*Generator A* draws students from the model's own family: seven skills that correlate .4 to .6; 12 game indicators, 11 of talk and 7 rated by
teachers, one skill each (lam from .3 to .5, .3 to .55 and .6 to .75); what a student brings to each source and not to the skill (gam about .3, .3 and
.4); what one sitting has in common (variance .07, .07, .04); raters of different severity (SD .4); 24 tasks of different difficulty (SD .4); classes
of 25 with one teacher each; 1.2 game sessions a week, talk in half of the weeks, ratings in weeks 0, 4 and 8; change over 8 weeks with an SD of .25.
A sitting gives an opportunity for 60 % of its indicators, so that a student has about 115 items.

*Generator B* is no member of the family: events are counted (binomial, through a logit, overdispersed) and transformed as the product does it
(asin of the root, sampling variance from the number of opportunities, standardised in the sample); ratings have four categories.

The scenarios change one thing each. *Severe raters*: severity SD .8. *Missing not at random*: the lower the skill, the less is seen (a third less one
SD below the mean than one SD above). *t3 noise*: errors of a t distribution with 3 degrees of freedom. *Ordinal ratings*: four categories. *Step
growth*: all change in the middle of the window. *Class ICC .1*: a tenth of the variance of levels lies between classes. *AR(1) wobble*: each skill wanders around its
line (SD .3, autocorrelation .6 a week), and the level to be estimated is the one of the last week. *Sparse*, *dense*: half as many sittings; two and a half times as many,
with ratings every week. *... only*: base's students and card, scored by these sources alone. *Fitted
on ...*: the card is learned from these sources alone, too; with one source this tells skill and habit apart by the prior only, and the product
gives no score. *Cold start*: the card comes from other students.

In every scenario parameters are learned **without labels**, from how the sources agree, and the truth is used only to score. The *oracle* is the same
posterior with the true parameters: nobody can do better with these data.
"""

RIVALS = """\
RMSE against the true skill after the best straight line to the truth, which no user has. Fixed weights: 50 % game, 20 % talk, 20 % teacher, 10 % the
student's mean over everything, each source's score first put on one scale (in brackets: not). Boosting: gradient boosting from game and talk to teacher
ratings, with split-conformal 90 % intervals. They hold the rating; what they hold of the skill is no property of the method."""

FIGURES = """\
## Figures
![Coverage by claimed reliability](images/measurement-coverage.svg)

Intervals hold at every reliability that is claimed. Without the method and sitting terms the model claims more and its intervals fail: the check notices.

![Power of growth](images/measurement-power.svg)

A change of one skill of one student cannot be seen, by the oracle neither. A class can be seen.

![One estimate as a sum](images/measurement-waterfall.svg)

One simulated student. The bars add up to the estimate exactly.
"""

NOT_SHOWN = """\
## What this does not show
Nothing about real children: neither that these indicators measure these skills, nor that the parameters are right for a school. Other limits: a skill that
wanders from week to week (AR(1)) is not in the model, and its intervals are too narrow by what the table says; only one thing goes wrong at a
time; teachers see one class each, so that severity and class are told apart by the other sources alone.
"""


def tables(results: Results, rows: Sequence[Row], *, timed: bool) -> list[str]:
    """The pass-mark table, scenarios, growth and rivals as Markdown."""
    missed = [row.test for row in rows if row.verdict is Verdict.FAIL]
    verdict = "Every mark that was run is reached." if not missed else f"**Missed: {'; '.join(missed)}.**"
    return [
        "## Pass marks",
        verdict,
        "",
        *lines(rows, timed=timed),
        "",
        "## Scenarios",
        f"Means over {len(results.seeds)} seeds. RMSE in SD of the skill; ratios below 1 are better.",
        "",
        *_scenarios(results),
        "",
        "## Growth",
        "Where nobody changed: how often p < .05. In a mixture at q .10: share of false ones among what was found.",
        "",
        *_growth(results),
        "",
        "Where everybody changed by the same amount in every skill: how often a rise has p < .05, this model / oracle.",
        "",
        *_power(results),
        "",
        "## Beside other ways to score",
        RIVALS,
        "",
        *_rivals(results),
    ]


def write(results: Results, rows: Sequence[Row]) -> None:
    """The page and its three figures; the date and the machine are the only things that are not from the seeds."""
    first = WHAT.format(
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        cores=os.cpu_count(),
        machine=platform.machine(),
        python=platform.python_version(),
        seeds=", ".join(map(str, results.seeds)),
    )
    body = [first, *tables(results, rows, timed=False), "", FIGURES, NOT_SHOWN]
    (DOCS / "measurement.md").write_text("\n".join(body), encoding="utf-8")
    images = {
        "coverage": coverage_figure(results),
        "power": power_figure(results),
        "waterfall": waterfall_figure(results.example),
    }
    for name, drawn in images.items():
        (DOCS / "images" / f"measurement-{name}.svg").write_text(drawn, encoding="utf-8")


def _scenarios(results: Results) -> list[str]:
    found = [
        "| scenario | items | reliability claimed | 90 % coverage | oracle's | RMSE | to oracle | to fixed weights | lam RMSE | gam RMSE | severity r | level calibration | terms off: coverage |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in results.names:
        cells = [
            means(results, (name,), value).get(name)
            for value in (
                lambda o: o.items,
                lambda o: o.reliability,
                lambda o: o.coverage,
                lambda o: o.oracle_coverage,
                lambda o: o.rmse,
                lambda o: ratio(o.rmse, o.oracle_rmse),
                lambda o: ratio(o.rmse, o.fixed_rmse),
                lambda o: o.lam_rmse,
                lambda o: o.gam_rmse,
                lambda o: o.severity_r,
                lambda o: o.calibration,
                lambda o: o.control,
            )
        ]
        said = [f"{cells[0]:.0f}", *(_three(cell) for cell in cells[1:])]
        found.append(f"| {name} | " + " | ".join(said) + " |")
    return found


def _growth(results: Results) -> list[str]:
    heads = [f"false alarms, {n}" for n in LEVEL_NAMES] + [f"FDR, {n} (found)" for n in LEVEL_NAMES]
    found = ["| scenario | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for name in results.names:
        alarms = [_rate(alarm_rate(results, name, level)) for level in range(len(LEVEL_NAMES))]
        mine = results.of(name)
        found_false = [false_discoveries(mine, level) for level in range(len(LEVEL_NAMES))]
        false = [f"{share:.3f} \N{PLUS-MINUS SIGN} {error:.3f} ({count})" for share, error, count in found_false]
        found.append(f"| {name} | " + " | ".join(alarms + false) + " |")
    return found


def _power(results: Results) -> list[str]:
    found = ["| true change (SD) | " + " | ".join(LEVEL_NAMES) + " |", "|---" * (len(LEVEL_NAMES) + 1) + "|"]
    for power in results.power:
        pairs = [f"{a.share:.3f} / {b.share:.3f}" for a, b in zip(power.fitted, power.oracle, strict=True)]
        found.append(f"| {power.effect:g} | " + " | ".join(pairs) + " |")
    return found


def _rivals(results: Results) -> list[str]:
    found = [
        "| scenario | this model | oracle | fixed weights | equal thirds | boosting | boosting's intervals hold: rating | skill |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in (n for n in WITH_BOOSTING if results.of(n)):
        cells = [
            _three(means(results, (name,), value).get(name))
            for value in (
                lambda o: o.rmse,
                lambda o: o.oracle_rmse,
                lambda o: o.fixed_rmse,
                lambda o: o.fixed_raw_rmse,
                lambda o: o.thirds_rmse,
                lambda o: o.boosted_rmse,
                lambda o: o.boosted_label,
                lambda o: o.boosted_truth,
            )
        ]
        cells[2:4] = [f"{cells[2]} ({cells[3]})"]
        found.append(f"| {name} | " + " | ".join(cells) + " |")
    return found


def _rate(rate: Rate) -> str:
    return f"{rate.share:.3f} ± {rate.error:.3f}"


def _three(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
