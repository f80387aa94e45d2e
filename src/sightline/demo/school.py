"""The shapes of the simulated school, and the link from a simulated skill to what is done.

THESE STUDENTS ARE SIMULATED. No child said, did or was rated any of this. What they "do" is drawn from a
statistical model in which the seven skills exist by construction and show in the indicators as the literature
priors presume. A demo on them shows the machinery: that evidence arrives, is counted, adds up and can be looked
at. It says nothing about validity: an estimate that agrees with these students' skills agrees with an assumption.

The link, for student i, skill k of indicator j, source s, sitting g at time t (0 to 1 over the window):

    z = lam_j (alpha_ik + beta_ik t) + gam_s m_is + u_ig + e_ijg          in SD of the population
    chances:   logit p = base_j + direction_j STEEPNESS z,  acts ~ Binomial(opportunities, p)
    durations: log seconds = base_j + direction_j LOG_STEP z + N(0, LOG_NOISE^2), per moment

The loadings lie around those of measurement.md ("Priors"), gam and the variance of a sitting are its values.
What is an event's or a turn's own cause (`base`) is plausible for school, and taken from no data set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, sqrt

import numpy as np

from sightline.domain.skills import SKILLS, SOURCES, Skill, Source

GAM: Mapping[Source, float] = {Source.GAME: 0.30, Source.TALK: 0.30, Source.TEACHER: 0.40}
"""Loading on what a student brings to a source and not to the skill (measurement.md, Priors)."""

OM2: Mapping[Source, float] = {Source.GAME: 0.07, Source.TALK: 0.07, Source.TEACHER: 0.04}
"""Variance that one sitting has in common (measurement.md, Priors)."""

OWN_NOISE = 0.30
"""SD of e: what one indicator has to itself in one sitting. Counting noise comes on top of it by itself."""

STEEPNESS = 2.0
"""Logits per SD of z. With two opportunities a sitting, counting noise is most of a rate's variance; this brings
the loading of an observed, standardised rate near .35 and so near the .40 of the priors."""

LOG_STEP = 0.60
"""Log seconds per SD of z, for the same reason."""

LOG_NOISE = 0.45
"""SD of log seconds from moment to moment; response times in one task spread by about half their size."""


@dataclass(frozen=True, slots=True)
class Link:
    """How one indicator follows its skill: `base` in logits or log seconds at z = 0, `lam` in SD per SD."""

    skill: Skill
    base: float
    lam: float = 0.40
    direction: int = 1


@dataclass(frozen=True, slots=True)
class Truth:
    """What no real student has and no sender sends: the vector behind a simulated student, in SD.

    alpha: level of the seven skills at the window's start; beta: their change over the window; brought: what
    the student brings to game, talk and teacher that is not the skill. Order of `SKILLS` and `SOURCES`.
    """

    alpha: tuple[float, ...]
    beta: tuple[float, ...]
    brought: tuple[float, ...]

    def level(self, skill: Skill, t: float) -> float:
        """Level of a skill at time t of the window (0 start, 1 end)."""
        axis = SKILLS.index(skill)
        return self.alpha[axis] + self.beta[axis] * t

    def inclinations(
        self, links: Mapping[str, Link], source: Source, t: float, rng: np.random.Generator
    ) -> dict[str, float]:
        """Signed z (direction * z) of each linked indicator in one sitting; one draw of u for all of them."""
        common = GAM[source] * self.brought[SOURCES.index(source)] + rng.normal(0.0, sqrt(OM2[source]))
        own = rng.normal(0.0, OWN_NOISE, len(links))
        return {
            name: link.direction * (link.lam * self.level(link.skill, t) + common + float(noise))
            for (name, link), noise in zip(links.items(), own, strict=True)
        }


def chance(link: Link, inclination: float) -> float:
    """Probability of the act at one opportunity."""
    return 1.0 / (1.0 + exp(-(link.base + STEEPNESS * inclination)))


def log_seconds(link: Link, inclination: float, rng: np.random.Generator) -> float:
    """Log of one duration in seconds."""
    return link.base + LOG_STEP * inclination + rng.normal(0.0, LOG_NOISE)


@dataclass(frozen=True, slots=True)
class SimulatedTeacher:
    """A teacher of one class; `severity` in SD of a rating (above 0 rates low) is truth and never sent."""

    display_name: str
    class_index: int
    severity: float


@dataclass(frozen=True, slots=True)
class SimulatedClass:
    """A class; its place in `SimulatedSchool.classes` is the `class_index` used everywhere."""

    display_name: str


@dataclass(frozen=True, slots=True)
class SimulatedStudent:
    """A student; `attendance` ("regular", "seldom", "newcomer") and `truth` are never sent."""

    student_id: str
    display_name: str
    class_index: int
    attendance: str
    truth: Truth


@dataclass(frozen=True, slots=True)
class SimulatedSession:
    """One student's sitting; `events` are wire payloads of `POST /telemetry/batch`, in order of sequence."""

    session_id: str
    student_id: str
    class_index: int
    events: tuple[dict[str, object], ...]


@dataclass(frozen=True, slots=True)
class SimulatedTurn:
    """What was really meant by one turn; seconds from the start of the recording; acts in DeliData's words."""

    speaker: str
    student_id: str | None
    starts: float
    ends: float
    text: str
    acts: frozenset[str]


@dataclass(frozen=True, slots=True)
class SimulatedTalk:
    """One group talk: `content` in `format` ("webvtt", "csv") is sent, `turns` are its truth and are not.

    speakers: label in the content to student id, None for the teacher. recorded_at: RFC 3339, the start.
    """

    transcript_id: str
    class_index: int
    task: str
    format: str
    content: str
    recorded_at: str
    speakers: Mapping[str, str | None]
    turns: tuple[SimulatedTurn, ...]


@dataclass(frozen=True, slots=True)
class SimulatedRating:
    """One cell of a teacher's grid; level None is "not seen"; `rater` is the index of the teacher."""

    student_id: str
    skill: str
    level: int | None
    occasion: str
    rated_at: str
    rater: int


@dataclass(frozen=True, slots=True)
class SimulatedSchool:
    """Everything of a sandbox school. Ids and times are strings as they go over the wire."""

    name: str
    teachers: tuple[SimulatedTeacher, ...]
    classes: tuple[SimulatedClass, ...]
    students: tuple[SimulatedStudent, ...]
    sessions: tuple[SimulatedSession, ...]
    talks: tuple[SimulatedTalk, ...]
    ratings: tuple[SimulatedRating, ...]
