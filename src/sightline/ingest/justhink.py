"""The JUSThink Dialogue and Actions Corpus (Norman et al. 2021, CC BY 4.0): a pair's log into children's events.

Times in the corpus are seconds from the start of the activity, without a date. They are laid on EPOCH, a
placeholder: order and durations are real, the calendar day is not.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from sightline.errors import BadInput
from sightline.ingest.justhink_mapping import EDIT, MAPPING, SUBMISSION, Row, Whose

NAMESPACE = UUID("0d4f4f0e-5f5c-5b77-9a54-0a4b1f2f6f10")
"""Root of all ids made from this corpus, so that importing it again finds the same records."""

EPOCH = datetime(2019, 10, 1, tzinfo=UTC)
DOUBLE_TAP = 2.0
"""Seconds within which the same button pressed again by the same child is one press: four taps in three seconds
are impatience with a touch screen, not four decisions."""

SINGLE_PRESS = frozenset({"help_requested", "mistake"})
"""Paging through solutions may be fast; opening help or handing in twice in two seconds is one press."""

BUILDING = frozenset({"adds", "removes", "loads"})
TASK = "connect all gold mines at the least cost"
CHILDREN = ("A", "B")
COLUMNS = ("team_no", "attempt_no", "turn_no", "event_no", "time", "subject", "verb", "object")
COST = re.compile(r"cost=(\d+) \(opt_cost=(\d+)\)")
EDGE = re.compile(r"\((\d+)-(\d+)\)")
LOOK = re.compile(r"(compare|previous|next)")
PAIR = re.compile(r"\((\d+), (\d+)\)")


@dataclass(frozen=True, slots=True)
class LogRow:
    """One line of a log, as it stands there; `line` counts from 1 with the header."""

    line: int
    team: int
    attempt: int
    number: int
    seconds: float
    subject: str
    verb: str
    object: str


@dataclass(frozen=True, slots=True)
class Play:
    """What one pair's log became: wire events per child, and what was left out with how often."""

    team: int
    events: Mapping[str, tuple[dict[str, object], ...]]
    left_out: Counter[str]
    rows: int


def student_id(team: int, child: str) -> UUID:
    return uuid5(NAMESPACE, f"student/{team}/{child}")


def session_id(team: int, child: str) -> UUID:
    return uuid5(NAMESPACE, f"session/{team}/{child}")


def transcript_id(team: int) -> UUID:
    return uuid5(NAMESPACE, f"transcript/{team}")


def read_log(content: str) -> list[LogRow]:
    """Rows of a log file. Raises BadInput that names the line which is not one."""
    rows = csv.reader(io.StringIO(content), delimiter="\t", quoting=csv.QUOTE_NONE)
    header = tuple(next(rows, []))
    if header != COLUMNS:
        raise BadInput(f"this is not a JUSThink log: its columns are {header}, expected {COLUMNS}")
    found: list[LogRow] = []
    for line, row in enumerate(rows, start=2):
        try:
            team, attempt, _, number, seconds, subject, verb, what = row
            found.append(LogRow(line, int(team), int(attempt), int(number), float(seconds), subject, verb, what))
        except ValueError as problem:
            raise BadInput(f"line {line} of the log cannot be read: {problem}") from problem
    if not found:
        raise BadInput("the log has no rows")
    return found


def play_of(rows: list[LogRow]) -> Play:
    """Both children's events of one pair, in the order of the log."""
    return _Reading(rows).play()


def _mapping_of(row: LogRow) -> Row | None:
    for candidate in MAPPING:
        if (
            row.subject in candidate.subject
            and row.verb == candidate.verb
            and candidate.pattern.search(row.object)
        ):
            return candidate
    return None


class _Reading:
    """One pass over a pair's log: which tracks stand, and who has acted since the last failure."""

    def __init__(self, rows: list[LogRow]) -> None:
        self.rows = rows
        self.events: dict[str, list[dict[str, object]]] = {child: [] for child in CHILDREN}
        self.left_out: Counter[str] = Counter()
        self.tracks: set[frozenset[str]] = set()
        self.submitted = 0
        self.owes_retry = dict.fromkeys(CHILDREN, False)
        built = (r.attempt for r in rows if r.subject in CHILDREN and r.verb in BUILDING)
        self.last_attempt = max(built, default=0)
        self.pressed: dict[tuple[str, str], float] = {}

    def play(self) -> Play:
        for row in self.rows:
            mapping = _mapping_of(row)
            if mapping is None or mapping.event_type is None:
                self.left_out[mapping.meaning if mapping else f"no row for: {row.subject} {row.verb}"] += 1
            elif mapping.whose is Whose.BOTH:
                for child in CHILDREN:
                    self._shared(child, row, mapping)
                if mapping.event_type == SUBMISSION:
                    self.submitted = row.attempt
                    self.tracks.clear()
            elif row.attempt == self.submitted:
                self.left_out["an act after the attempt was already handed in"] += 1
            elif mapping.event_type in SINGLE_PRESS and self._is_double_tap(row):
                self.left_out["the same button again within two seconds"] += 1
            else:
                self._own(row, mapping)
        return Play(
            team=self.rows[0].team,
            events={child: tuple(events) for child, events in self.events.items()},
            left_out=self.left_out,
            rows=len(self.rows),
        )

    def _shared(self, child: str, row: LogRow, mapping: Row) -> None:
        if mapping.event_type != SUBMISSION:
            self._add(child, row, str(mapping.event_type), {"shared": True})
            return
        cost = COST.search(row.object)
        if cost is None:
            raise BadInput(f"line {row.line} of the log: a submission without its cost: {row.object}")
        used, least = int(cost[1]), int(cost[2])
        data: dict[str, object] = {"shared": True, "used": used, "least": least, "attempt": row.attempt}
        if used <= least:
            self._add(child, row, "task_complete", data)
            self.owes_retry[child] = False
            return
        chances: dict[str, object] = {
            "feedback": self._could_look(child, row.attempt + 1),
            "last_chance": self.last_attempt <= row.attempt,
        }
        self._add(child, row, "failure", data | chances)
        self.owes_retry[child] = True

    def _could_look(self, child: str, attempt: int) -> bool:
        """Whether the child could look at earlier solutions before the own first edit of an attempt.

        The buttons for it are in the view of the child who does not build, and the views change hands after
        edits: so whoever makes the attempt's first edit started without them, unless a look came before it.
        """
        for row in self.rows:
            if row.attempt == attempt and row.subject in CHILDREN:
                if row.verb in {"adds", "removes"}:
                    return row.subject != child
                if row.subject == child and LOOK.match(row.object):
                    return True
        return True

    def _is_double_tap(self, row: LogRow) -> bool:
        button = (row.subject, row.object)
        before = self.pressed.get(button)
        self.pressed[button] = row.seconds
        return before is not None and row.seconds - before < DOUBLE_TAP

    def _own(self, row: LogRow, mapping: Row) -> None:
        child = row.subject
        data: dict[str, object] = {"what": mapping.meaning}
        event_type = str(mapping.event_type)
        if event_type == EDIT:
            self._edit(row)
            data["object"] = row.object[:200]
            event_type = "retry" if self.owes_retry[child] else "choice_made"
            self.owes_retry[child] = False
        elif event_type == "mistake":
            data["state"] = ["-".join(sorted(t)) for t in sorted(self.tracks, key=sorted)]
        self._add(child, row, event_type, data)

    def _edit(self, row: LogRow) -> None:
        if row.verb == "loads":
            self.tracks = {frozenset(pair.groups()) for pair in PAIR.finditer(row.object)}
            return
        edge = EDGE.search(row.object)
        if edge is None:
            raise BadInput(f"line {row.line} of the log: a track without its two ends: {row.object}")
        if row.verb == "adds":
            self.tracks.add(frozenset(edge.groups()))
        else:
            self.tracks.discard(frozenset(edge.groups()))

    def _add(self, child: str, row: LogRow, event_type: str, data: Mapping[str, object]) -> None:
        self.events[child].append(
            {
                "event_id": str(uuid5(NAMESPACE, f"event/{row.team}/{row.number}/{child}")),
                "student_id": str(student_id(row.team, child)),
                "session_id": str(session_id(row.team, child)),
                "event_type": event_type,
                "timestamp": (EPOCH + timedelta(seconds=row.seconds)).isoformat(),
                "mission_id": "justhink",
                "game_version": "justhink19",
                "sequence": row.number,
                "data": {"task": TASK, "line": row.line, **data},
            }
        )
