"""What the clients of a campaign send: an endless, seeded stream of requests each, the same bytes on every run.

A client's stream is a function of (seed, client) alone. So a run that was killed six hundred times and a run that
nobody disturbed can be given the same input, and what must be stored afterwards can be told without asking anybody.

    stream of a client = batches of 1 to 100 events from its open sessions, single events, closes, late events

Each client plays for students of its own; two clients share a school, so that their scoring meets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any
from uuid import UUID, uuid5

from sightline.domain.skills import SKILLS

NAMESPACE = UUID("0d5c1a5e-0a3f-5c55-8a53-6f2f8a4b7c11")
"""Of the schools and students of campaigns; a random number, chosen once."""

CLIENTS = 8
CLIENTS_A_SCHOOL = 2
STUDENTS_A_CLIENT = 4

FIRST_DAY = datetime(2026, 2, 2, 8, 0, tzinfo=UTC)
"""Sessions lie in the twenty days from here: in the past, and inside one window of the model."""

OPEN_SESSIONS = 3
"""Sessions that a client has open at once, as a game server has."""

SHORTEST, LONGEST = 15, 300
"""Events of a session."""

NTH = "nth"
"""Key in `data` that numbers the events of a session, so that one stored under two ids is seen."""

TURNS = (
    "i think we turn over the even card",
    "what do you think",
    "why do you say that",
    "yes i agree with you",
    "no because the rule says so",
    "so we all choose the vowel and the odd number",
)

Wire = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One thing a client asks.

    kind: "batch" (key: batch id), "event" (event id), "close" (session id), "transcripts" (transcript id), "ratings"
    (occasion); the last two have their body.
    """

    kind: str
    key: str
    events: tuple[Wire, ...] = ()
    body: Wire | None = None


@dataclass(slots=True)
class _Sitting:
    """A session that is being played: events still to send, and some that will come after its close."""

    session_id: str
    coming: list[Wire]
    late: list[Wire] = field(default_factory=list)
    closes: bool = True


def schools() -> range:
    return range(CLIENTS // CLIENTS_A_SCHOOL)


def school_of_client(client: int) -> int:
    return client // CLIENTS_A_SCHOOL


def school_id(seed: int, school: int) -> UUID:
    return uuid5(NAMESPACE, f"{seed}/school/{school}")


def class_id(seed: int, school: int) -> UUID:
    return uuid5(school_id(seed, school), "class")


def teacher_id(seed: int, school: int) -> UUID:
    return uuid5(school_id(seed, school), "teacher")


def students_of_client(seed: int, client: int) -> list[UUID]:
    own = school_id(seed, school_of_client(client))
    return [uuid5(own, f"{client}/student/{i}") for i in range(STUDENTS_A_CLIENT)]


def students_of_school(seed: int, school: int) -> list[UUID]:
    clients = (c for c in range(CLIENTS) if school_of_client(c) == school)
    return [student for client in clients for student in students_of_client(seed, client)]


def requests(seed: int, client: int, *, everything: bool = False) -> Iterator[Request]:
    """The stream of one client, without end; with `everything`, transcripts and ratings go along."""
    rng = Random(f"{seed}/{client}")  # noqa: S311 - it plays, and guards nothing
    students = students_of_client(seed, client)
    sittings = _sittings(rng, students)
    playing = [next(sittings) for _ in range(OPEN_SESSIONS)]
    late: list[Wire] = []
    for number in count():
        yield _sending(rng, playing, late)
        if everything and number % 12 == 5:  # noqa: PLR2004 - now and then
            yield _talked(rng, students)
        if everything and number % 12 == 11:  # noqa: PLR2004 - now and then
            yield _rated(rng, students, number // 12)
        for place, sitting in enumerate(playing):
            if sitting.coming:
                continue
            if sitting.closes:
                yield Request("close", sitting.session_id)
                late += sitting.late
            playing[place] = next(sittings)


def _sending(rng: Random, playing: Sequence[_Sitting], late: list[Wire]) -> Request:
    """The next batch, or a single event. What is late goes along with what is new."""
    if rng.random() < 0.1:  # noqa: PLR2004 - one request in ten is a single event
        (event,) = _taken(rng, playing, 1)
        return Request("event", event["event_id"], (event,))
    size = rng.randint(40, 100) if rng.random() < 0.1 else rng.randint(1, 14)  # noqa: PLR2004 - most are small
    old, late[:] = late[:size], late[size:]
    events = old + (_taken(rng, playing, size - len(old)) if size > len(old) else [])
    rng.shuffle(events)  # order within a session is the client's sequence, not the order of arrival
    return Request("batch", _id(rng), tuple(events))


def _taken(rng: Random, playing: Sequence[_Sitting], wanted: int) -> list[Wire]:
    """The next events of the open sessions, as many as there are up to `wanted`, one at least."""
    taken: list[Wire] = []
    while len(taken) < wanted:
        lively = [s for s in playing if s.coming]
        if not lively:
            break
        sitting = rng.choice(lively)
        some = rng.randint(1, wanted - len(taken))
        taken += sitting.coming[:some]
        del sitting.coming[:some]
    return taken


def _id(rng: Random) -> str:
    return str(UUID(int=rng.getrandbits(128), version=4))


def _sittings(rng: Random, students: Sequence[UUID]) -> Iterator[_Sitting]:
    for number in count():
        events = _played(rng, str(students[number % len(students)]))
        sitting = _Sitting(events[0]["session_id"], events, closes=rng.random() < 0.85)  # noqa: PLR2004 - most close
        if sitting.closes and rng.random() < 0.3:  # noqa: PLR2004 - a network that was away for a while
            sitting.late = [events.pop(rng.randrange(1, len(events) - 1)) for _ in range(rng.randint(1, 6))]
        yield sitting


def _played(rng: Random, student: str) -> list[Wire]:
    """One session's events in order, with chances and acts for most rules of play."""
    session, game = _id(rng), rng.choice(("lighthouse-rescue", "river-crossing", "market-day"))
    numbered = rng.random() < 0.9  # noqa: PLR2004 - some games keep no sequence
    at = FIRST_DAY + timedelta(days=rng.randrange(20), seconds=rng.randrange(6 * 3600))
    wanted = round(rng.triangular(SHORTEST, LONGEST, 60))
    events: list[Wire] = []
    while len(events) < wanted:
        for event_type, data in _block(rng, len(events)):
            at += timedelta(milliseconds=rng.randint(400, 20_000))
            event: Wire = {
                "event_id": _id(rng),
                "student_id": student,
                "session_id": session,
                "event_type": event_type,
                "timestamp": at.isoformat(timespec="milliseconds"),
                "mission_id": game,
                "data": {**data, NTH: len(events) + 1},
            }
            if numbered:
                event["sequence"] = len(events) + 1
            events.append(event)
    return events


def _block(rng: Random, number: int) -> list[tuple[str, Wire]]:
    """A few events that belong together: a chance, and what the student made of it."""
    task, did, also = {"task": f"task-{number}"}, rng.random() < 0.6, rng.random() < 0.5  # noqa: PLR2004 - two coins
    reaction = rng.choice(("adapt", "ask", "plan", "blame", "give_up"))
    solved: list[tuple[str, Wire]] = [("retry", task | {"new_approach": also}), ("success_after_failure", task)]
    used = ("task_complete", task | {"least": 6, "used": 6 + rng.randrange(9)})
    ending = ("conflict_resolved", {"outcome": "win_win" if also else "own_way"})
    note = "ä水🙂 \\ \" '" * rng.randrange(40)
    blocks: Sequence[list[tuple[str, Wire]]] = (
        [("failure", task | {"feedback": True}), *(solved if did else solved[:also])],
        [("task_start", task), ("choice_made", task | {"choice": "place"}), *([used] if did else [])],
        [("setback_encountered", {"setback": "storm"}), ("initial_reaction", {"reaction": reaction})],
        [("conflict_encountered", {"about": "the last plank"}), *([ending] if did else [])],
        [("mistake", task | {"what": "left"}), ("choice_made", task | {"choice": "other"})],
        [("help_requested", task), ("choice_made", task | {"choice": "hint"})],
        [("distraction", {"engaged": did}), ("turn_taken", {"gave_turn": also})],
        [("choice_made", task | {"takes_perspective": did, "note": note}), ("seen_in_no_catalog", {})],
    )
    return rng.choice(blocks)


def _talked(rng: Random, students: Sequence[UUID]) -> Request:
    """A talk of two students, long enough for the rules of talk, in words that the classifier knows."""
    turns = [f"{2 * i},{2 * i + 1},{'AB'[i % 2]},{rng.choice(TURNS)}" for i in range(rng.randint(12, 24))]
    talk = {
        "transcript_id": _id(rng),
        "format": "csv",
        "content": "\n".join(["start,end,speaker,text", *turns]),
        "recorded_at": (FIRST_DAY + timedelta(days=rng.randrange(20))).isoformat(),
        "speakers": dict(zip("AB", map(str, rng.sample(list(students), 2)), strict=True)),
    }
    return Request("transcripts", str(talk["transcript_id"]), body=talk)


def _rated(rng: Random, students: Sequence[UUID], number: int) -> Request:
    """A row of a teacher's grid. No cell is rated twice: an older request that a server still works on when the
    client has long gone on would put the older level on top, and nothing in HTTP forbids that.
    """
    student, day = students[number % len(students)], (FIRST_DAY - timedelta(days=number)).date()
    levels = {skill: rng.choice((1, 2, 3, 4, "not seen")) for skill in SKILLS}
    cells = [
        {
            "student_id": str(student),
            "skill": skill.value,
            "level": level,
            "occasion": day.isoformat(),
            "rated_at": FIRST_DAY.isoformat(),
        }
        for skill, level in levels.items()
    ]
    return Request("ratings", day.isoformat(), body={"ratings": cells})
