"""The three figures of the page, from the results of a run."""

from __future__ import annotations

import numpy as np

from bench.measurement.figures import Axis, Line, Step, lines, waterfall
from bench.measurement.fitted import believed
from bench.measurement.run import Results
from bench.measurement.scenarios import AR1
from bench.measurement.schooling import School
from bench.measurement.scoring import FEWEST, Binned
from bench.measurement.world import CLASS_SIZE
from sightline.domain.skills import SKILLS, SOURCES, Skill
from sightline.measurement.contributions import contributions, level_at

SHOWN = Skill.COLLABORATION


def coverage_figure(results: Results) -> str:
    """Coverage by tenths of claimed reliability, over all scenarios of the model's own family but AR(1)."""
    chosen = [o for o in results.outcomes if o.oracle_binned is not None and o.scenario != AR1.name]
    drawn = [
        Line("this model, fitted", _points([o.binned for o in chosen])),
        Line("oracle", _points([o.oracle_binned for o in chosen if o.oracle_binned is not None])),
        Line(
            "method, sitting terms off",
            _points([o.control_binned for o in chosen if o.control_binned is not None]),
        ),
    ]
    return lines(
        "90 % intervals by the reliability that is claimed",
        Axis(0.0, 1.0, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0), "claimed reliability of the estimate"),
        Axis(0.5, 1.0, (0.5, 0.6, 0.7, 0.8, 0.9, 1.0), "share of intervals that hold the true level"),
        [line for line in drawn if line.points],
        band=(0.88, 0.92),
        marked=0.9,
    )


def power_figure(results: Results) -> str:
    """Share of rises with p < .05 by true change, at the three levels, and the oracle for classes."""
    names = ("class of 25, one skill", "student, all skills", "student, one skill")
    drawn = [
        Line(name, [(p.effect, p.fitted[level].share) for p in results.power]) for level, name in enumerate(names)
    ]
    drawn.insert(1, Line("the same by the oracle", [(p.effect, p.oracle[0].share) for p in results.power]))
    return lines(
        "What 8 weeks of typical evidence can show of growth",
        Axis(0.0, 1.5, (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5), "true change in 8 weeks (SD)"),
        Axis(0.0, 1.0, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0), "share seen as a rise (p < .05)"),
        drawn,
    )


def waterfall_figure(at: School) -> str:
    """One skill of the first student of the most severe teacher, from the population's mean to the estimate."""
    solved = believed(at.simulated.observations, at.card)
    student = int(np.argmax(np.abs(solved.severity.mean))) * CLASS_SIZE
    skill = SKILLS.index(SHOWN)
    target = level_at(skill)
    moved = contributions(at.simulated.observations, at.card, solved, (target,))
    mine = np.flatnonzero(at.simulated.observations.student == student)
    amount, own = moved.of_items[mine, 0], moved.direct[mine, 0]
    indicator = at.simulated.observations.indicator[mine]
    steps = [Step("start: mean of all students", float(target.weights @ at.card.prior_mean))]
    for source, called in enumerate(SOURCES):
        here = at.card.source[indicator] == source
        for number, j in enumerate(np.flatnonzero((at.card.source == source) & (at.card.skill == skill)), start=1):
            which = here & (indicator == j)
            if which.any():
                steps.append(
                    Step(f"{called}, indicator {number} ({which.sum()} items)", float(amount[which].sum()))
                )
        steps.append(Step(f"{called}, from other skills", float(amount[here & ~own].sum())))
    steps.append(Step("adjusted for this teacher's severity", float(moved.of_raters[student].sum())))
    steps.append(Step("estimate", 0.0, total=True))
    return waterfall(f"One student's {SHOWN} as a sum (simulated)", steps, "SD of the population")


def _points(binned: list[Binned]) -> list[tuple[float, float]]:
    count, held = sum(b.count for b in binned), sum(b.held for b in binned)
    return [((k + 0.5) / 10, float(held[k] / count[k])) for k in range(10) if count[k] >= FEWEST]  # type: ignore[index]
