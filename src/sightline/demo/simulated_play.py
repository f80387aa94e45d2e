"""Game sessions of simulated students: blocks of play, each with genuine chances to act one way or another.

Chances come from the mission and from chance, never from the student's skill; what is done with a chance comes
from the link in `school`. A failure belongs to a mini game and not to a task, so that resilience (coming back to
the mini game) does not decide problem-solving (completing the task).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import exp
from uuid import UUID, uuid5

import numpy as np

from sightline.demo.school import Link, SimulatedSession, SimulatedStudent, chance, log_seconds
from sightline.domain.skills import Skill, Source

GAME_VERSION = "1.4.0"

PLAY_LINKS: Mapping[str, Link] = {
    "retry_after_failure": Link(Skill.RESILIENCE, 0.8, lam=0.42),
    "bounce_back": Link(Skill.RESILIENCE, 0.6, lam=0.40),
    "recovery_latency": Link(Skill.RESILIENCE, 3.7, lam=0.36, direction=-1),
    "strategy_change_after_failure": Link(Skill.ADAPTABILITY, 0.0, lam=0.44),
    "perseveration": Link(Skill.ADAPTABILITY, -0.6, lam=0.40, direction=-1),
    "initial_reaction": Link(Skill.ADAPTABILITY, 0.4, lam=0.44),
    "tasks_completed": Link(Skill.PROBLEM_SOLVING, 0.8, lam=0.44),
    "efficiency": Link(Skill.PROBLEM_SOLVING, 0.9, lam=0.42),
    "planning_time": Link(Skill.PROBLEM_SOLVING, 2.7, lam=0.32),
    "feedback_use": Link(Skill.SELF_REGULATION, 0.2, lam=0.42),
    "help_then_act": Link(Skill.SELF_REGULATION, 0.5, lam=0.38),
    "distraction_resisted": Link(Skill.SELF_REGULATION, 0.6, lam=0.44),
    "perspective_taken": Link(Skill.EMPATHY, 0.2, lam=0.42),
    "costly_help": Link(Skill.EMPATHY, -0.2, lam=0.42),
    "turn_given": Link(Skill.COLLABORATION, 0.1, lam=0.42),
    "fair_resolution": Link(Skill.COLLABORATION, 0.3, lam=0.40),
}
"""Base .8 logits is a chance of .69; base 3.7 is 40 seconds, 2.7 is 15."""

LONGEST_LATENCY, LONGEST_PLANNING = 150.0, 90.0
"""Seconds; a longer wait would leave no room for the rest of a lesson's twenty minutes."""

SHORTEST_SITTING, LONGEST_SITTING = 330.0, 1170.0
"""Seconds: what fits between the start and the end of a play period."""

GAP_LOG_SECONDS, GAP_BOUNDS = (2.8, 0.5), (2.0, 50.0)
"""Mean and SD of log seconds between two events (16 seconds in the middle), and its bounds in seconds: below the
minute that the rules read as having stopped."""

MOST_EVENTS, FEWEST_EVENTS = 45, 20

EFFICIENCY_STEP, EFFICIENCY_NOISE = 0.6, 0.35
"""Share of z that reaches a task's least/used, and SD of what the task itself adds (both times STEEPNESS, in
logits): a ratio has no counting noise, so it needs less signal to be as telling as a rate."""

OTHER_WORDS, HAS_RESOURCES, ONE_SIDED = 0.5, 0.4, 0.6
"""Shares: of mini games that report by the missions' own event types, of tasks that give something to share out,
of unfair endings in which one side wins (the rest stay open). Chosen for variety."""

ADAPTING = ("adapt", "analyse", "try_again", "ask", "plan")
NOT_ADAPTING = ("blame", "give_up", "ignore", "repeat")
FAIR, UNFAIR = ("win_win", "compromise"), ("own_way", "gave_in")


@dataclass(slots=True)
class _Sitting:
    """One session being written: events as (type, gap in seconds, is the gap measured, data)."""

    inclinations: Mapping[str, float]
    rng: np.random.Generator
    events: list[tuple[str, float, bool, dict[str, object]]] = field(default_factory=list)
    things: int = 0

    def add(self, event_type: str, gap: float | None = None, /, **data: object) -> None:
        """A gap that no rule measures (None) may be stretched later, so that the sitting has a lesson's length."""
        free = float(np.clip(self.rng.lognormal(*GAP_LOG_SECONDS), *GAP_BOUNDS))
        self.events.append((event_type, free if gap is None else gap, gap is not None, data))

    def does(self, indicator: str) -> bool:
        return bool(self.rng.random() < chance(PLAY_LINKS[indicator], self.inclinations[indicator]))

    def seconds(self, indicator: str, longest: float) -> float:
        drawn = exp(log_seconds(PLAY_LINKS[indicator], self.inclinations[indicator], self.rng))
        return min(max(drawn, 3.0), longest)

    def one_of(self, words: tuple[str, ...]) -> str:
        return words[int(self.rng.integers(len(words)))]

    def thing(self, words: tuple[str, ...]) -> str:
        """An id of a task or mini game that no other block of this sitting has."""
        self.things += 1
        return f"{self.one_of(words)}-{self.things}"


def _mini_game(s: _Sitting) -> None:
    """A mini game that fails once: look at feedback or not, change approach or not, retry or not, solve or not."""
    task = s.thing(("rope-walk", "signal-lamp", "gear-lock", "raft-balance"))
    looks, retries, changes, solves = (
        s.does(name)
        for name in ("feedback_use", "retry_after_failure", "strategy_change_after_failure", "bounce_back")
    )
    failure, attempt, solved = (
        ("failure_occurred", "retry_attempted", "recovery_achieved")
        if s.rng.random() < OTHER_WORDS
        else ("failure", "retry", "success_after_failure")
    )
    after: list[tuple[str, dict[str, object]]] = []
    if looks:
        after.append(("feedback_viewed", {"task": task}))
    if retries and changes:
        after.append(("strategy_switched", {"task": task}))
    if retries:
        after.append((attempt, {"task": task, "new_approach": changes}))
    elif solves:
        after.append(("choice_made", {"task": task, "choice": "repair_in_place"}))
    s.add("mini_game_started", task=task)
    s.add(failure, task=task, feedback=True)
    if not solves:
        for event_type, data in after:
            s.add(event_type, **data)
        return
    after.append((solved, {"task": task}))
    parts = s.rng.dirichlet(np.full(len(after), 4.0)) * s.seconds("recovery_latency", LONGEST_LATENCY)
    for (event_type, data), gap in zip(after, parts, strict=True):
        s.add(event_type, max(float(gap), 0.5), **data)


def _task(s: _Sitting) -> None:
    task = s.thing(("beams", "pulley", "water-route", "star-map", "price-list"))
    s.add("task_start", task=task)
    first_gap = s.seconds("planning_time", LONGEST_PLANNING)
    s.add("choice_made", first_gap, task=task, choice=s.one_of(("sketch", "place", "measure")))
    if s.rng.random() < HAS_RESOURCES:
        s.add("resource_allocated", task=task, amount=int(s.rng.integers(1, 6)))
    if s.does("tasks_completed"):
        least = int(s.rng.integers(6, 13))
        z = EFFICIENCY_STEP * s.inclinations["efficiency"] + s.rng.normal(0.0, EFFICIENCY_NOISE)
        ratio = chance(PLAY_LINKS["efficiency"], z)
        s.add("task_complete", task=task, least=least, used=max(least, round(least / ratio)))


def _mistakes(s: _Sitting) -> None:
    """A refused move, the same again while the student perseverates (three times at most), then another move."""
    data: dict[str, object] = {
        "task": s.thing(("lock", "scale", "crane")),
        "what": s.one_of(("left", "up", "add")),
    }
    s.add("mistake", **data)
    for _ in range(3):
        if not s.does("perseveration"):
            break
        s.add("mistake", **data)
    s.add("choice_made", task=data["task"], choice="another_move")


def _setback(s: _Sitting) -> None:
    s.add("setback_encountered", setback=s.one_of(("storm", "lost_tool", "late_ferry", "broken_lamp")))
    s.add("initial_reaction", reaction=s.one_of(ADAPTING if s.does("initial_reaction") else NOT_ADAPTING))


def _help(s: _Sitting) -> None:
    """A request for help, another while the help is not used (three requests at most), then a move."""
    task = s.thing(("tide-table", "knot", "ledger"))
    s.add("help_requested", task=task)
    for _ in range(2):
        if s.does("help_then_act"):
            break
        s.add("help_requested", task=task)
    s.add("choice_made", task=task, choice="use_hint")


def _distraction(s: _Sitting) -> None:
    resisted = s.does("distraction_resisted")
    s.add("distraction", engaged=not resisted, on_offer=s.one_of(("balloons", "drum", "seagull")))
    if not resisted:
        s.add("pause")


def _viewpoint(s: _Sitting) -> None:
    s.add("dialogue_viewed", speaker=s.one_of(("keeper", "ferrywoman", "stallholder")))
    s.add("choice_made", choice=s.thing(("answer",)), takes_perspective=s.does("perspective_taken"))


def _help_at_cost(s: _Sitting) -> None:
    helps = s.does("costly_help")
    s.add("choice_presented", offers=s.one_of(("share_lamp_oil", "wait_for_the_slow_boat", "carry_the_crate")))
    s.add("choice_made", choice=s.thing(("offer",)), helps_at_cost=helps)
    if helps:
        s.add("help_given")


def _turn(s: _Sitting) -> None:
    s.add("turn_taken", gave_turn=s.does("turn_given"))


def _conflict(s: _Sitting) -> None:
    """A conflict ends fairly, or for one side, or stays open."""
    fair = s.does("fair_resolution")
    s.add("conflict_encountered", about=s.one_of(("who_steers", "the_last_plank", "the_price")))
    if fair or s.rng.random() < ONE_SIDED:
        s.add("conflict_resolved", outcome=s.one_of(FAIR if fair else UNFAIR))


BLOCKS: Mapping[str, tuple[Callable[[_Sitting], None], int]] = {
    "mini_game": (_mini_game, 6),
    "task": (_task, 4),
    "mistakes": (_mistakes, 5),
    "setback": (_setback, 2),
    "help": (_help, 4),
    "distraction": (_distraction, 2),
    "viewpoint": (_viewpoint, 2),
    "help_at_cost": (_help_at_cost, 3),
    "turn": (_turn, 1),
    "conflict": (_conflict, 2),
}
"""A block, and the most events that it can have: plans keep to it, so that outcomes crowd out no chance."""

MISSIONS: Mapping[str, Mapping[str, float]] = {
    "lighthouse-rescue": {
        "mini_game": 2.6,
        "task": 2.6,
        "mistakes": 1.4,
        "setback": 2.4,
        "help": 1.2,
        "distraction": 2.4,
        "viewpoint": 1.4,
        "help_at_cost": 0.6,
    },
    "river-crossing": {
        "mini_game": 1.8,
        "task": 1.4,
        "mistakes": 0.6,
        "setback": 1.6,
        "distraction": 1.0,
        "viewpoint": 1.4,
        "help_at_cost": 1.2,
        "turn": 4.0,
        "conflict": 2.0,
    },
    "market-day": {
        "mini_game": 1.0,
        "task": 2.0,
        "mistakes": 1.0,
        "help": 1.2,
        "distraction": 1.2,
        "viewpoint": 2.4,
        "help_at_cost": 2.0,
        "turn": 3.0,
        "conflict": 2.0,
    },
}
"""Mean number of blocks a session; a mission without a block gives no opportunity for what the block shows."""


def _plan(mission: Mapping[str, float], rng: np.random.Generator) -> list[str]:
    """Blocks in random order, as many as fit into MOST_EVENTS whatever is done in them."""
    wanted = [kind for kind, mean in mission.items() for _ in range(int(rng.poisson(mean)))]
    room, chosen = MOST_EVENTS - 2, list[str]()
    for i in rng.permutation(len(wanted)).tolist():
        largest = BLOCKS[wanted[i]][1]
        if largest <= room:
            chosen.append(wanted[i])
            room -= largest
    return chosen


def simulate_session(
    student: SimulatedStudent, starts_at: datetime, t: float, namespace: UUID, rng: np.random.Generator
) -> SimulatedSession:
    """One sitting of 20 to 45 events and 5 to 20 minutes that begins at `starts_at`, at time t of the window."""
    missions = sorted(MISSIONS)
    mission = missions[int(rng.integers(len(missions)))]
    sitting = _Sitting(student.truth.inclinations(PLAY_LINKS, Source.GAME, t, rng), rng)
    sitting.add("mission_start", 0.0)
    for kind in _plan(MISSIONS[mission], rng):
        BLOCKS[kind][0](sitting)
    while len(sitting.events) < FEWEST_EVENTS - 1:
        sitting.add("dialogue_viewed", speaker="narrator")
    sitting.add("mission_complete")
    session_id = uuid5(namespace, f"session/{student.student_id}/{starts_at.isoformat()}")
    moments = _moments(sitting)
    return SimulatedSession(
        session_id=str(session_id),
        student_id=student.student_id,
        class_index=student.class_index,
        events=tuple(
            {
                "event_id": str(uuid5(session_id, f"event/{sequence}")),
                "student_id": student.student_id,
                "session_id": str(session_id),
                "event_type": event_type,
                "timestamp": (starts_at + moment).isoformat(timespec="milliseconds"),
                "sequence": sequence,
                "mission_id": mission,
                "game_version": GAME_VERSION,
                "data": data,
            }
            for sequence, ((event_type, _, _, data), moment) in enumerate(
                zip(sitting.events, moments, strict=True), start=1
            )
        ),
    )


def _moments(sitting: _Sitting) -> list[timedelta]:
    """When each event happens after the start; free gaps are stretched or pressed into a lesson's length."""
    measured = sum(gap for _, gap, fixed, _ in sitting.events if fixed)
    free = sum(gap for _, gap, fixed, _ in sitting.events if not fixed)
    stretch = (min(max(measured + free, SHORTEST_SITTING), LONGEST_SITTING) - measured) / free
    moments: list[timedelta] = []
    elapsed = 0.0
    for _, gap, fixed, _ in sitting.events:
        elapsed += gap if fixed else max(gap * stretch, 0.2)
        moments.append(timedelta(milliseconds=round(elapsed * 1000)))
    return moments
