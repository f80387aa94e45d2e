"""The mapping table from the verbs of a JUSThink log to events. One row a verb; first match wins.

Two children (A, B) build one network of tracks together; R is the robot, T the team. A child's own act becomes
an event of that child. What the team did becomes an event of both, marked `shared`: it is an occasion for
each child's own next act, and nobody's own credit. What is not mapped is counted under its reason and said.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Whose(StrEnum):
    """Whose event a row becomes."""

    CHILD = "the child's own"
    BOTH = "both children's, shared"
    NOBODY = "nobody's"


@dataclass(frozen=True, slots=True)
class Row:
    """Subject (A, B, R, T), verb, pattern of the object; the event type; what it means or why it is left out."""

    subject: str
    verb: str
    pattern: re.Pattern[str]
    whose: Whose
    event_type: str | None
    meaning: str


def _row(subject: str, verb: str, pattern: str, whose: Whose, event_type: str | None, meaning: str) -> Row:
    return Row(subject, verb, re.compile(pattern), whose, event_type, meaning)


EDIT = "edit"
"""An edit of the network: a `retry` when it is the child's first after a failed try, else a `choice_made`."""

SUBMISSION = "submission"
"""A solution handed in: `task_complete` at the least cost, else `failure`."""

MAPPING: tuple[Row, ...] = (
    _row("AB", "adds", r"", Whose.CHILD, EDIT, "builds a track"),
    _row("AB", "removes", r"", Whose.CHILD, EDIT, "takes a track away"),
    _row("AB", "loads", r"", Whose.CHILD, EDIT, "takes up an earlier solution"),
    _row("AB", "presses", r"^help", Whose.CHILD, "help_requested", "opens the instructions"),
    _row(
        "AB", "presses", r"^(compare|previous|next)", Whose.CHILD, "feedback_viewed", "looks at earlier solutions"
    ),
    _row(
        "AB", "presses", r"^submit \(disabled\)", Whose.CHILD, "mistake", "hands in before all mines are connected"
    ),
    _row("AB", "presses", r"^submit \(enabled\)", Whose.CHILD, "decision_made", "agrees to hand in"),
    _row("T", "submits", r"", Whose.BOTH, SUBMISSION, "the team's solution, with its cost"),
    _row("R", "says", r"^so, ann and bob", Whose.BOTH, "task_start", "the robot starts the activity"),
    _row("AB", "presses", r"^apply", Whose.NOBODY, None, "pressing apply: its effect is logged as `loads`"),
    _row("AB", "presses", r"^submit \(selected\)", Whose.NOBODY, None, "state `selected` is not documented"),
    _row("R", "says", r"", Whose.NOBODY, None, "the robot's words: its feedback repeats the submission's cost"),
    _row("R", "shows", r"", Whose.NOBODY, None, "the robot's gestures and faces"),
)
