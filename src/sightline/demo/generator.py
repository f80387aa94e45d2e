"""A sandbox school of SIMULATED students for `sightline demo`: who they are, and when they play, talk, are rated.

These students are simulated. What that means is said in `school`: a demo on them shows the machinery and says
nothing about validity. Nothing here reads a clock or an environment: seed and `now` are arguments, and the same
seed and `now` give the same school to the last byte. People come from the seed alone; everything that happens
comes from seed and `now`, so that a demo begun anew at another time has other sessions, talks and ids of them.

- `school`          the shapes, and the link from a skill to what is done
- `simulated_play`  game sessions
- `simulated_talk`  group talks (words in `talk_phrases`)
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from math import sqrt
from uuid import UUID, uuid5

import numpy as np

from sightline.demo.school import (
    GAM,
    OM2,
    SimulatedClass,
    SimulatedRating,
    SimulatedSchool,
    SimulatedSession,
    SimulatedStudent,
    SimulatedTalk,
    SimulatedTeacher,
    Truth,
)
from sightline.demo.simulated_play import simulate_session
from sightline.demo.simulated_talk import simulate_talk
from sightline.domain.skills import SKILLS, SOURCES, Source
from sightline.errors import BadInput

NAMESPACE = UUID("6f0c7f5e-2b8e-5d0a-9a55-7d1f5f3c9b21")
"""Of all ids of simulated things; a random number, chosen once."""

SKILL_CORRELATION = 0.45
"""Among levels, and among changes (measurement.md, Priors)."""

SD_BETA = 0.25
"""SD of change over the window (measurement.md, Priors)."""

SEVERITY = 0.40
"""SD units of a rating: teachers are severe (+) and lenient (-) in turns; the prior's tau."""

RATING_LOADING = 0.65
"""Of a teacher's rating on the skill (measurement.md, Priors)."""

RATING_NOISE = sqrt(1.0 - RATING_LOADING**2 - GAM[Source.TEACHER] ** 2 - OM2[Source.TEACHER])
"""SD of what is left of a rating, so that a rating without severity has variance 1."""

RATING_CUTS = (-1.1, 0.0, 1.1)
"""Between the four levels that a teacher can give, in SD of a rating; middle levels are given most."""

NOT_SEEN = 0.08
"""Share of cells that a teacher leaves at "not seen"."""

RATED_AT = (0.0, 0.5, 1.0)
"""Occasions of rating in the window: its first school day, the middle one, its last (weeks 0, 4, 8)."""

SESSIONS_A_WEEK = {"regular": 1.35, "seldom": 0.6, "newcomer": 0.8}
"""Mean number of game sessions a student and week; with one in seven seldom there, about 1.2 altogether."""

SELDOM = 7
"""Every so-manieth student is seldom there."""

NEWCOMERS_A_SCHOOL = 3
"""Students who joined in the last days of the window: too little is known of them, and the demo shows that."""

NEWCOMER_DAYS = timedelta(days=7)

GROUP_SIZE = 5

SPARE = timedelta(days=2)
"""The school's window begins so much later than a window before `now`, so that a demo left open until the next
days still has all its evidence inside the model's window."""

CSV_EVERY = 3
"""Every third talk is written as CSV, the others as WebVTT."""

_NAMES = (
    "Ada Aiko Alma Amir Anouk Ari Bao Bela Bruno Cato Chidi Cleo Dana Dario Davi Edda Elif Emil Esra Farid Femi "
    "Finn Gita Greta Hana Hugo Ida Ilya Imani Ines Ivo Jamal Jana Jonas Juno Kaia Karim Kenji Kofi Lale Lena Levi "
    "Lina Luca Mai Malik Mara Mateo Mila Mina Nadia Nico Nilo Noor Odin Oona Otis Pia Priya Quinn Rafa Ravi Rosa "
    "Runa Sami Sana Selma Suri Taro Tess Theo Tomas Uma Valo Vera Wanja Yara Yuna Zeno Zora"
)
FIRST_NAMES = tuple(_NAMES.split())
"""First names from many places; with an initial that means nothing, they name nobody."""

INITIALS = "BCDFGHJKLMNPRSTVWZ"

TEACHER_NAMES = ("Alder", "Birch", "Cedar", "Hazel", "Linden", "Maple", "Rowan", "Willow")
"""Teachers are named after trees: nobody takes them for real."""


def simulate(
    seed: int, now: datetime, *, classes: int = 2, class_size: int = 25, weeks: int = 8
) -> SimulatedSchool:
    """A school whose last `weeks` weeks end on the day before `now` (an aware time); school days in its offset.

    Raises BadInput when the numbers make no school: a naive `now`, a negative seed, no class, classes of fewer
    than 4 or more than 500 students in all, or less than 2 weeks.
    """
    offset = now.utcoffset()
    if offset is None:
        raise BadInput("the demo needs a time with an offset from UTC")
    if seed < 0 or classes < 1 or class_size < 4 or classes * class_size > 500 or weeks < 2:  # noqa: PLR2004
        raise BadInput(
            "the demo needs a seed from 0, classes of 4 and more, 500 students at most, 2 weeks at least"
        )
    students = _students(seed, classes, class_size)
    teachers = tuple(
        SimulatedTeacher(
            display_name=f"Teacher {TEACHER_NAMES[i % len(TEACHER_NAMES)]}"
            + (f" {i // len(TEACHER_NAMES) + 1}" if i >= len(TEACHER_NAMES) else ""),
            class_index=i,
            severity=SEVERITY if i % 2 == 0 else -SEVERITY,
        )
        for i in range(classes)
    )
    calendar = _Calendar(now, timezone(offset), weeks)
    happens = _Happenings(seed, calendar, uuid5(NAMESPACE, f"{seed}/{now.timestamp()}"))
    return SimulatedSchool(
        name="Sandbox School (simulated)",
        teachers=teachers,
        classes=tuple(SimulatedClass(f"Class {7 + i // 3}{'abc'[i % 3]} (simulated)") for i in range(classes)),
        students=students,
        sessions=happens.sessions(students),
        talks=happens.talks(students, classes, weeks),
        ratings=happens.ratings(students, teachers),
    )


def _students(seed: int, classes: int, class_size: int) -> tuple[SimulatedStudent, ...]:
    rng = np.random.default_rng([seed, 1])
    total = classes * class_size
    among = np.full((len(SKILLS), len(SKILLS)), SKILL_CORRELATION)
    np.fill_diagonal(among, 1.0)
    root = np.linalg.cholesky(among).T
    alpha = rng.standard_normal((total, len(SKILLS))) @ root
    beta = SD_BETA * rng.standard_normal((total, len(SKILLS))) @ root
    brought = rng.standard_normal((total, len(SOURCES)))
    places = rng.permutation(total).tolist()
    newcomers = set(places[: min(NEWCOMERS_A_SCHOOL, total // 8)])
    seldom = set(places[len(newcomers) :: SELDOM])
    firsts = rng.permutation(len(FIRST_NAMES)).tolist()
    shift = int(rng.integers(len(INITIALS)))
    students: list[SimulatedStudent] = []
    for i in range(total):
        once_more, name = divmod(i, len(FIRST_NAMES))
        initial = INITIALS[(firsts[name] * 5 + shift + once_more) % len(INITIALS)]
        students.append(
            SimulatedStudent(
                student_id=str(uuid5(NAMESPACE, f"student/{seed}/{classes}x{class_size}/{i}")),
                display_name=f"{FIRST_NAMES[firsts[name]]} {initial}.",
                class_index=i // class_size,
                attendance="newcomer" if i in newcomers else "seldom" if i in seldom else "regular",
                truth=Truth(tuple(alpha[i].tolist()), tuple(beta[i].tolist()), tuple(brought[i].tolist())),
            )
        )
    return tuple(students)


class _Calendar:
    """The school days of the window, and where a time lies in it."""

    def __init__(self, now: datetime, zone: tzinfo, weeks: int) -> None:
        self.now, self.zone, self.window = now, zone, timedelta(weeks=weeks)
        self.first_moment = now - self.window + SPARE
        first, last = self.first_moment.astimezone(zone).date(), now.astimezone(zone).date()
        days = (first + timedelta(days=i) for i in range(1, (last - first).days))
        self.days = [day for day in days if day.weekday() < 5]  # noqa: PLR2004 -- Monday to Friday

    def at(self, day: date, hours: float) -> datetime:
        """A time of a school day, in hours after midnight, to the second."""
        return datetime.combine(day, time(), self.zone) + timedelta(seconds=round(hours * 3600))

    def t(self, moment: datetime) -> float:
        """0 at the start of the window that ends `now`, 1 at its end."""
        return 1.0 - (self.now - moment) / self.window

    def week_of(self, day: date) -> int:
        return (day - self.days[0]).days // 7

    def joined(self, student: SimulatedStudent) -> date:
        late = (self.now - NEWCOMER_DAYS).astimezone(self.zone).date()
        return late if student.attendance == "newcomer" else self.days[0]


class _Happenings:
    """What happens in the window; each kind, and each student's play, has its own stream of chance."""

    def __init__(self, seed: int, calendar: _Calendar, namespace: UUID) -> None:
        self.calendar, self.namespace = calendar, namespace
        self.entropy = (seed, round(calendar.now.timestamp() * 1000))

    def stream(self, *which: int) -> np.random.Generator:
        return np.random.default_rng([*self.entropy, *which])

    def sessions(self, students: Sequence[SimulatedStudent]) -> tuple[SimulatedSession, ...]:
        """At most one sitting a student and school day, begun between 08:30 and 14:00."""
        found: list[SimulatedSession] = []
        for number, student in enumerate(students):
            rng = self.stream(2, number)
            days = [day for day in self.calendar.days if day >= self.calendar.joined(student)]
            weeks = len(days) / 5
            wanted = min(int(rng.poisson(SESSIONS_A_WEEK[student.attendance] * weeks)), len(days))
            for i in sorted(rng.permutation(len(days))[:wanted].tolist()):
                starts_at = self.calendar.at(days[i], float(rng.uniform(8.5, 14.0)))
                t = self.calendar.t(starts_at)
                found.append(simulate_session(student, starts_at, t, self.namespace, rng))
        return tuple(found)

    def talks(self, students: Sequence[SimulatedStudent], classes: int, weeks: int) -> tuple[SimulatedTalk, ...]:
        """In every second week, on one day, everybody of a class in groups of about GROUP_SIZE, one by one."""
        found: list[SimulatedTalk] = []
        for week in range(1, weeks, 2):
            days = [day for day in self.calendar.days if self.calendar.week_of(day) == week]
            for class_index in range(classes if days else 0):
                rng = self.stream(3, week, class_index)
                day = days[int(rng.integers(len(days)))]
                present = [s for s in students if s.class_index == class_index and self.calendar.joined(s) <= day]
                mixed = [present[i] for i in rng.permutation(len(present)).tolist()]
                groups = -(-len(mixed) // GROUP_SIZE) if len(mixed) > 1 else 0
                for number in range(groups):
                    starts_at = self.calendar.at(day, 9.0 + number * 0.75 + float(rng.uniform(0.0, 0.2)))
                    found.append(
                        simulate_talk(
                            mixed[number::groups],
                            starts_at=starts_at,
                            t=self.calendar.t(starts_at),
                            as_format="csv" if len(found) % CSV_EVERY == 0 else "webvtt",
                            namespace=self.namespace,
                            rng=rng,
                        )
                    )
        return tuple(found)

    def ratings(
        self, students: Sequence[SimulatedStudent], teachers: Sequence[SimulatedTeacher]
    ) -> tuple[SimulatedRating, ...]:
        """Every student on every occasion by the class's teacher; "not seen" before a newcomer joined."""
        found: list[SimulatedRating] = []
        for occasion, share in enumerate(RATED_AT):
            day = self.calendar.days[round(share * (len(self.calendar.days) - 1))]
            for number, student in enumerate(students):
                rng = self.stream(4, occasion, number)
                rated_at = self.calendar.at(day, 15.0 + float(rng.uniform(0.0, 1.5)))
                t = self.calendar.t(rated_at)
                common = GAM[Source.TEACHER] * student.truth.brought[SOURCES.index(Source.TEACHER)]
                common += rng.normal(0.0, sqrt(OM2[Source.TEACHER])) - teachers[student.class_index].severity
                here = self.calendar.joined(student) <= day
                for skill in SKILLS:
                    felt = RATING_LOADING * student.truth.level(skill, t) + common + rng.normal(0.0, RATING_NOISE)
                    seen = rng.random() >= NOT_SEEN
                    found.append(
                        SimulatedRating(
                            student_id=student.student_id,
                            skill=skill.value,
                            level=1 + sum(felt > cut for cut in RATING_CUTS) if here and seen else None,
                            occasion=day.isoformat(),
                            rated_at=rated_at.isoformat(timespec="seconds"),
                            rater=student.class_index,
                        )
                    )
        return tuple(found)
