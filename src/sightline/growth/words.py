"""What a teacher reads about change: one or two sentences for each finding, in SD per window.

No sentence says why somebody changed: there is no other school to compare with.
"""

from __future__ import annotations

from collections.abc import Sequence

from sightline.domain.changes import Finding, TooFew, Verdict
from sightline.domain.skills import SKILLS, Skill
from sightline.growth.findings import SMALLEST_CLASS

FEWEST_SHARED_TASKS = 0.30
"""Share of tasks met in more than one part of the window, below which change and tasks cannot be told apart (the
model's identification rule)."""

Z_90 = 1.644854
"""Standard errors on either side of an estimate in a 90 % interval."""

ANNOUNCED = (Verdict.GROWTH, Verdict.DECLINE)
DIRECTION = {
    Verdict.GROWTH: "grew",
    Verdict.DECLINE: "went down",
    Verdict.LIKELY_RISE: "rise",
    Verdict.LIKELY_FALL: "fall",
}


def class_words(finding: Finding | TooFew, skill: Skill, *, students: int, weeks: float) -> str:
    """What is said of a class in a skill. students: on the roll; weeks: of the window."""
    if isinstance(finding, TooFew):
        return f"Fewer than {SMALLEST_CLASS} students of this class could be seen: nothing is said of the class."
    counted = f"{finding.counted} of {students} students" if finding.counted < students else f"{students} students"
    if finding.verdict in ANNOUNCED:
        verb = DIRECTION[finding.verdict]
        return f"Over {weeks:g} weeks this class {verb} in {skill}: by about {_size(finding)}, {counted} together."
    return _quiet(finding, f"this class in {skill}", weeks)


def student_words(finding: Finding, counted: Sequence[Skill], *, weeks: float) -> str:
    """What is said of a student over the counted skills together."""
    together = "all seven skills" if len(counted) == len(SKILLS) else f"{len(counted)} of the seven skills"
    if finding.verdict in ANNOUNCED:
        verb = DIRECTION[finding.verdict]
        return f"Over {weeks:g} weeks this student {verb} over {together} together: by about {_size(finding)}."
    return _quiet(finding, f"this student over {together} together", weeks)


def skill_words(finding: Finding, skill: Skill, *, weeks: float) -> str:
    """What is said of one skill of a student. Only a skill that was tested can be announced."""
    if finding.verdict in ANNOUNCED:
        verb = DIRECTION[finding.verdict]
        return f"In this student {skill} stands out: over {weeks:g} weeks it {verb} by about {_size(finding)}."
    return _quiet(finding, f"this student in {skill}", weeks)


def practice_words(shared_tasks: float | None) -> str | None:
    """The sentence beside every change when too few tasks were met again; None when there is nothing to warn of.

    shared_tasks: share of tasks met in more than one part of the window; None when no tasks were played.
    """
    if shared_tasks is None or shared_tasks >= FEWEST_SHARED_TASKS:
        return None
    return (
        f"Only {shared_tasks:.0%} of the tasks came back in a later week".replace("%", " %")
        + ": a change here can be practice, or easier or harder tasks, and not the skill."
    )


def bound_words(smallest_visible: float, weeks: float) -> str:
    """The smallest change that the evidence could have shown, where it showed none."""
    return (
        f"Over {weeks:g} weeks this evidence could only have shown a change of {smallest_visible:.1f} SD or more."
    )


def _quiet(finding: Finding, who: str, weeks: float) -> str:
    bound = bound_words(finding.smallest_visible, weeks)
    if finding.verdict in DIRECTION:
        return f"A {DIRECTION[finding.verdict]} of {who} is likely, and not certain. {bound}"
    if finding.verdict is Verdict.TOO_LITTLE_EVIDENCE:
        return f"There is too little evidence to see a change of {who}. {bound}"
    return f"No change of {who} stands out from noise. {bound}"


def _size(finding: Finding) -> str:
    near, far = sorted(abs(finding.change + side * Z_90 * finding.standard_error) for side in (-1, 1))
    return f"{abs(finding.change):.1f} SD (90 % interval {near:.1f} to {far:.1f})"
