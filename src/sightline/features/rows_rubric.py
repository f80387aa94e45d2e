"""The rows of the catalog for rubrics: one item a skill and occasion, alike but for what the anchors describe."""

from __future__ import annotations

from sightline.domain.indicators import Indicator, Modality, Scale
from sightline.domain.skills import Skill, Source
from sightline.features import rubric
from sightline.features.rules import RubricRule

DESCRIBED: dict[Skill, str] = {
    Skill.EMPATHY: "attention to others' views and needs",
    Skill.ADAPTABILITY: "adjusting to changes",
    Skill.PROBLEM_SOLVING: "working problems through",
    Skill.SELF_REGULATION: "steering the own work",
    Skill.RESILIENCE: "going on after setbacks",
    Skill.COMMUNICATION: "making things clear and listening",
    Skill.COLLABORATION: "working with others",
}
"""What the anchors of each skill's item describe."""

RUBRIC_RULES: tuple[RubricRule, ...] = tuple(
    RubricRule(
        Indicator(
            name=f"rubric_{skill.value.replace('-', '_')}",
            skill=skill,
            source=Source.TEACHER,
            direction=+1,
            scale=Scale.RUBRIC,
            unit="level",
            range="1 to 4",
            minimum=1,
            modality=Modality.RUBRIC,
            act=f"rated level {{value}} of 4 for {what}",
            chance="occasions",
            rationale="A teacher who has seen the behaviour described by the anchors reports its level.",
            reference="Ventura & Shute 2013; ECLS-K teacher ratings",
            next_step="Agree with the student on one thing to do more often, and rate again in four weeks.",
        ),
        rubric.rubric_level,
    )
    for skill, what in DESCRIBED.items()
)
