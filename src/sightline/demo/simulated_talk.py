"""Group talks of simulated students: who speaks, what a turn does, and whose words it takes up.

What a turn does is drawn by a softmax over kinds of turns whose weights follow the speaker's skills through the
link in `school`; whether it takes up a word of the last turns, whose word, and how evenly turns are shared follow
them too. The words are templates (`talk_phrases`). A turn that is meant to take nothing up is written until it
does not, with the same eyes as the rule that will look at it (`features.talk.content_words`): the demo shows that
the rule works on talk, never that the rule measures anything in real children.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import exp
from uuid import UUID, uuid5

import numpy as np

from sightline.demo.school import STEEPNESS, Link, SimulatedStudent, SimulatedTalk, SimulatedTurn, chance
from sightline.demo.talk_phrases import ACTS, BARE, GROUP_TASKS, PHRASES, TEACHER, GroupTask
from sightline.domain.skills import Skill, Source
from sightline.features.talk import RECENT_TURNS, content_words

TEACHER_LABEL = "Teacher"

TALK_LINKS: Mapping[str, Link] = {
    "responsivity": Link(Skill.COLLABORATION, 0.2, lam=0.42),
    "social_impact": Link(Skill.COMMUNICATION, 0.0, lam=0.42),
    "asking": Link(Skill.COMMUNICATION, -1.5, lam=0.44),
    "asking_anothers_view": Link(Skill.EMPATHY, -2.1, lam=0.42),
    "turn_balance": Link(Skill.COLLABORATION, -0.9, lam=0.40, direction=-1),
    "giving_reasons": Link(Skill.COMMUNICATION, -1.7, lam=0.42),
    "proposing": Link(Skill.PROBLEM_SOLVING, -1.5, lam=0.42),
    "coordinating": Link(Skill.COLLABORATION, -2.0, lam=0.42),
}
"""`turn_balance`: base and direction are of the log of how far a speaker's share departs from an equal one."""

DRIVEN_KINDS: Mapping[str, str] = {
    "ask": "asking",
    "view": "asking_anothers_view",
    "reason": "giving_reasons",
    "propose": "proposing",
    "coordinate": "coordinating",
}
FREE_KINDS: Mapping[str, float] = {"agree": -1.7, "disagree": -2.5, "state": -1.4, "off_topic": -2.4, "nod": -2.8}
"""Log weights of the kinds that no indicator is about, beside the bases above."""

AFTER_QUESTION = 0.6
"""Added to the log weight of an answer (agree, disagree, state, reason) when the turn before was a question."""
ANSWERS = frozenset({"agree", "disagree", "state", "reason"})

KINDS = tuple(PHRASES)
ABOUT_THINGS = frozenset(KINDS) - {"off_topic", "nod"}

FRESH_FOR = 18
"""Turns until a phrase may be used again, where it can be helped; people do not speak in refrains."""

TRIES = 12
"""How often a turn is written anew to take up what it is meant to take up, and no more."""

FEWEST_TURNS, MOST_TURNS = 35, 60
TEACHER_TURNS = 3
"""At most: the opening and two visits."""
WORDS_A_SECOND = 2.6
"""Pace of unhurried talk, about 150 words a minute."""
PAUSES, ONSET = (0.3, 2.5), 0.4
"""Seconds: least and most between two turns, and what a turn takes beside its words."""
MOST_UNEVEN = 1.6
"""Log of how far a share of turns may depart from an equal one (a fifth to five times)."""
OWN_TURNS = 2
"""Turns that even the quietest has; fewer than the rules ask for, so that "too few turns" occurs."""


@dataclass(frozen=True, slots=True)
class _Speaker:
    student: SimulatedStudent
    inclinations: Mapping[str, float]
    louder: bool


@dataclass(frozen=True, slots=True)
class _Said:
    speaker: int
    text: str
    kind: str
    phrase: str
    parts: tuple[str, ...]


def _weight(speaker: _Speaker, kind: str, *, after_question: bool) -> float:
    if kind in DRIVEN_KINDS:
        name = DRIVEN_KINDS[kind]
        log_weight = TALK_LINKS[name].base + STEEPNESS * speaker.inclinations[name]
    else:
        log_weight = FREE_KINDS[kind]
    return exp(log_weight + (AFTER_QUESTION if after_question and kind in ANSWERS else 0.0))


def _order(speakers: Sequence[_Speaker], turns: int, rng: np.random.Generator) -> list[int]:
    """Who speaks when: shares depart from equal ones by each speaker's unevenness, nobody follows himself."""
    spread = [exp(TALK_LINKS["turn_balance"].base + STEEPNESS * s.inclinations["turn_balance"]) for s in speakers]
    shares = np.exp(
        [far if s.louder else -far for s, far in zip(speakers, np.minimum(spread, MOST_UNEVEN), strict=True)]
    )
    left = np.maximum(np.rint(turns * shares / shares.sum()), OWN_TURNS)
    order: list[int] = []
    while left.sum() > 0:
        weights = left.copy()
        if order and weights.sum() > weights[order[-1]]:
            weights[order[-1]] = 0
        ends = np.cumsum(weights)
        chosen = int(np.searchsorted(ends, rng.random() * ends[-1], side="right"))
        left[chosen] -= 1
        order.append(chosen)
    return order[: MOST_TURNS - TEACHER_TURNS]


def _pick(weights: Sequence[float], rng: np.random.Generator) -> int:
    ends = np.cumsum(weights)
    return min(int(np.searchsorted(ends, rng.random() * ends[-1], side="right")), len(weights) - 1)


def _one_of(words: Sequence[str], rng: np.random.Generator) -> str:
    return words[int(rng.integers(len(words)))]


def _written(
    phrases: Sequence[str], part: str, task: GroupTask, rng: np.random.Generator
) -> tuple[str, str, tuple[str, ...]]:
    """A phrase of those, the turn about `part` made of it, and the things that the turn names."""
    phrase = _one_of(phrases, rng)
    other = _one_of([p for p in task.parts if p != part], rng)
    slots = {"part": part, "other": other, "n": str(int(rng.integers(2, 10)))}
    for name, words in (
        ("fix", task.fixes),
        ("trouble", task.troubles),
        ("goal", task.goals),
        ("flaw", task.flaws),
    ):
        slots[name] = _one_of(words, rng).format_map(slots)
    text = phrase.format_map(slots)
    return phrase, text, tuple(p for p in (part, other) if p in text)


def _turn(
    who: int, speakers: Sequence[_Speaker], said: Sequence[_Said], task: GroupTask, rng: np.random.Generator
) -> _Said:
    """One turn: its kind, whether it takes up one of the last turns of others, and words to that effect."""
    speaker = speakers[who]
    after_question = bool(said) and "?" in said[-1].text
    kind = KINDS[_pick([_weight(speaker, k, after_question=after_question) for k in KINDS], rng)]
    recent = [s for s in said if s.speaker != who][-RECENT_TURNS:]
    sources = [s for s in recent if s.parts]
    source: _Said | None = None
    takes_up = rng.random() < chance(TALK_LINKS["responsivity"], speaker.inclinations["responsivity"])
    if takes_up and kind in ABOUT_THINGS and sources:
        reach = [exp(STEEPNESS * speakers[s.speaker].inclinations["social_impact"]) for s in sources]
        source = sources[_pick(reach, rng)]
    avoided = frozenset[str]().union(*(content_words(s.text) for s in recent if s is not source))
    worn = {s.phrase for s in said[-FRESH_FOR:]}
    phrases = PHRASES[kind] if source is not None else BARE.get(kind, PHRASES[kind])
    best: tuple[tuple[bool, int, bool], _Said] | None = None
    for _ in range(TRIES):
        part = _one_of(task.parts if source is None else source.parts, rng)
        phrase, text, parts = _written(phrases, part, task, rng)
        faults = (
            source is not None and part not in parts,
            len(avoided & content_words(text)),
            phrase in worn,
        )
        if best is None or faults < best[0]:
            best = faults, _Said(who, text, kind, phrase, parts)
        if faults == (False, 0, False):
            break
    assert best is not None  # noqa: S101 -- TRIES is above 0
    return best[1]


def simulate_talk(
    group: Sequence[SimulatedStudent],
    *,
    starts_at: datetime,
    t: float,
    as_format: str,
    namespace: UUID,
    rng: np.random.Generator,
) -> SimulatedTalk:
    """One recorded talk of a group, written as `as_format` ("webvtt" or "csv"), at time t of the window."""
    speakers = [
        _Speaker(
            student=student,
            inclinations=student.truth.inclinations(TALK_LINKS, Source.TALK, t, rng),
            louder=bool(rng.random() < chance(_LOUDNESS, student.truth.brought[1])),
        )
        for student in group
    ]
    task = GROUP_TASKS[int(rng.integers(len(GROUP_TASKS)))]
    said: list[_Said] = []
    for who in _order(speakers, int(rng.integers(FEWEST_TURNS + 5, MOST_TURNS - TEACHER_TURNS)), rng):
        said.append(_turn(who, speakers, said, task, rng))
    turns = _timed(task, speakers, said, rng)
    content = _webvtt(turns) if as_format == "webvtt" else _csv(turns)
    key = "+".join(student.student_id for student in group)
    return SimulatedTalk(
        transcript_id=str(uuid5(namespace, f"talk/{starts_at.isoformat()}/{key}")),
        class_index=group[0].class_index,
        task=task.name,
        format=as_format,
        content=content,
        recorded_at=starts_at.isoformat(timespec="milliseconds"),
        speakers={TEACHER_LABEL: None, **{s.display_name: s.student_id for s in group}},
        turns=turns,
    )


_LOUDNESS = Link(Skill.COMMUNICATION, 0.0)
"""Whether an uneven speaker floods or falls silent: what the student brings to talk, and no skill."""


def _timed(
    task: GroupTask, speakers: Sequence[_Speaker], said: Sequence[_Said], rng: np.random.Generator
) -> tuple[SimulatedTurn, ...]:
    """The turns with their times, the teacher's opening before them and one or two visits between."""
    visits = {int(at) for at in rng.integers(8, len(said), TEACHER_TURNS - 1)}
    lines: list[tuple[str, str | None, str, frozenset[str]]] = [
        (TEACHER_LABEL, None, task.opening, frozenset()),
    ]
    for number, turn in enumerate(said):
        if number in visits:
            lines.append((TEACHER_LABEL, None, _one_of(TEACHER, rng), frozenset()))
        student = speakers[turn.speaker].student
        acts = ACTS[turn.kind]
        if turn.kind == "propose" and "?" in turn.text:
            acts |= {"probing"}  # a proposal put as a question asks about a solution, as DeliData has it
        lines.append((student.display_name, student.student_id, turn.text, acts))
    turns: list[SimulatedTurn] = []
    clock = 0.0
    for label, student_id, text, acts in lines:
        starts = round(clock + float(rng.uniform(*PAUSES)), 3)
        clock = round(starts + ONSET + len(text.split()) / WORDS_A_SECOND, 3)
        turns.append(SimulatedTurn(label, student_id, starts, clock, text, acts))
    return tuple(turns)


def _webvtt(turns: Sequence[SimulatedTurn]) -> str:
    cues = (f"{_clock(u.starts)} --> {_clock(u.ends)}\n<v {u.speaker}>{u.text}</v>\n" for u in turns)
    return "\n".join(("WEBVTT\n", *cues))


def _clock(seconds: float) -> str:
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02d}:{whole // 60_000 % 60:02d}:{whole // 1000 % 60:02d}.{whole % 1000:03d}"


def _csv(turns: Sequence[SimulatedTurn]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("start", "end", "speaker", "text"))
    writer.writerows((f"{u.starts:.3f}", f"{u.ends:.3f}", u.speaker, u.text) for u in turns)
    return out.getvalue()
