"""The seven skills, the three sources of evidence, the four levels."""

from __future__ import annotations

from enum import StrEnum


class Skill(StrEnum):
    """A latent skill; the order is the order of the measurement model's axes and of every page."""

    EMPATHY = "empathy"
    ADAPTABILITY = "adaptability"
    PROBLEM_SOLVING = "problem-solving"
    SELF_REGULATION = "self-regulation"
    RESILIENCE = "resilience"
    COMMUNICATION = "communication"
    COLLABORATION = "collaboration"


class Source(StrEnum):
    """Where evidence comes from; what sources share is modelled, not averaged away."""

    GAME = "game"
    TALK = "talk"
    TEACHER = "teacher"


class Level(StrEnum):
    """The four named levels, lowest first."""

    EMERGING = "Emerging"
    DEVELOPING = "Developing"
    PROFICIENT = "Proficient"
    ADVANCED = "Advanced"


SKILLS: tuple[Skill, ...] = tuple(Skill)
SOURCES: tuple[Source, ...] = tuple(Source)
LEVELS: tuple[Level, ...] = tuple(Level)
