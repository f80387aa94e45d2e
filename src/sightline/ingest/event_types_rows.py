"""The rows of the event catalog: for each type its group, an example, and what the rules make of it.

`shows` and `session_features` say which rules read a type. The rules alone decide that; a test plays sessions
with and without each type and compares, so that a row cannot say anything else than the rules do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from inspect import getdoc
from typing import Any

from sightline.ingest import event_types_schemas as s

FIRST = "2026.1"
"""The first version of the catalog."""


@dataclass(frozen=True, slots=True)
class EventType:
    """One row. `example` is the `data` of one event; `read_as` the type that rules read it as, if by another name.

    `shows` names indicators, `session_features` those of the eight features that are counts or a time.
    """

    schema: type[s.Data]
    group: str
    example: Mapping[str, Any]
    shows: tuple[str, ...] = ()
    session_features: tuple[str, ...] = ()
    read_as: str | None = None
    since: str = FIRST
    name: str = field(init=False)

    def __post_init__(self) -> None:
        words = re.findall(r"[A-Z][a-z]*", self.schema.__name__)
        object.__setattr__(self, "name", "_".join(words).lower())

    @property
    def meaning(self) -> str:
        return getdoc(self.schema) or ""


MISSIONS = "Missions and tasks"
FAILING = "Failing and coming back"
CHOICES = "Choices and moves"
HELP = "Help and feedback"
ATTENTION = "Attention"
TEAM = "Working together"
STORY = "Dialogues and mini games"

AS_A_MOVE = ("perseveration", "planning_time", "feedback_use", "help_then_act")
"""Every move says how long the student planned, and what the student did with a mistake, feedback or help."""

OF_A_FAILURE = (
    "retry_after_failure",
    "bounce_back",
    "recovery_latency",
    "strategy_change_after_failure",
    "feedback_use",
)
OF_AN_ATTEMPT = ("retry_after_failure", "strategy_change_after_failure", *AS_A_MOVE)
OF_A_SOLUTION = ("bounce_back", "recovery_latency")
RETRIES, FOCUS = ("retry_count",), ("focus_duration",)
TOGETHER, LEADING = "collaboration_indicators", "leadership_indicators"

ROWS: tuple[EventType, ...] = (
    EventType(s.MissionStart, MISSIONS, {"difficulty": "easy"}),
    EventType(s.MissionComplete, MISSIONS, {"seconds": 1140}),
    EventType(s.TaskStart, MISSIONS, {"task": "bridge 3"}, ("tasks_completed", "planning_time")),
    EventType(
        s.TaskComplete,
        MISSIONS,
        {"task": "bridge 3", "least": 8, "used": 11},
        ("tasks_completed", "efficiency", *OF_A_SOLUTION),
    ),
    EventType(s.Failure, FAILING, {"task": "bridge 3", "feedback": True}, OF_A_FAILURE, RETRIES),
    EventType(
        s.FailureOccurred,
        FAILING,
        {"task": "bridge 3", "last_chance": True},
        OF_A_FAILURE,
        RETRIES,
        read_as="failure",
    ),
    EventType(
        s.Mistake,
        FAILING,
        {"task": "bridge 3", "what": "beam on water", "state": ["1-2", "2-5"]},
        ("perseveration", "planning_time", "feedback_use"),
    ),
    EventType(s.Retry, FAILING, {"task": "bridge 3", "new_approach": True}, OF_AN_ATTEMPT, RETRIES),
    EventType(s.RetryAttempted, FAILING, {"task": "bridge 3"}, OF_AN_ATTEMPT, RETRIES, read_as="retry"),
    EventType(s.Restart, FAILING, {"task": "bridge 3"}, OF_AN_ATTEMPT, RETRIES, read_as="retry"),
    EventType(
        s.StrategySwitched,
        FAILING,
        {"task": "bridge 3", "approach": "arch"},
        ("strategy_change_after_failure", *AS_A_MOVE),
    ),
    EventType(s.Recovery, FAILING, {"task": "bridge 3"}, OF_A_SOLUTION),
    EventType(s.SuccessAfterFailure, FAILING, {"task": "bridge 3"}, OF_A_SOLUTION, read_as="recovery"),
    EventType(s.RecoveryAchieved, FAILING, {"task": "bridge 3"}, OF_A_SOLUTION, read_as="recovery"),
    EventType(s.SetbackEncountered, FAILING, {"setback": "storm"}),
    EventType(s.InitialReaction, FAILING, {"reaction": "plan"}, ("initial_reaction",)),
    EventType(s.ChoicePresented, CHOICES, {"offers": ["share the lamp oil", "keep it"]}),
    EventType(
        s.ChoiceMade,
        CHOICES,
        {"choice": "share the lamp oil", "helps_at_cost": True},
        ("perspective_taken", "costly_help", *AS_A_MOVE),
    ),
    EventType(s.DecisionMade, CHOICES, {"task": "bridge 3", "decision": "hand in"}, AS_A_MOVE),
    EventType(s.ResourceAllocated, CHOICES, {"task": "bridge 3", "resource": "planks", "amount": 4}, AS_A_MOVE),
    EventType(s.FeedbackViewed, HELP, {"task": "bridge 3"}, ("feedback_use", "perseveration")),
    EventType(s.HelpRequested, HELP, {"task": "bridge 3"}, ("help_then_act", "perseveration")),
    EventType(
        s.HelpSought, HELP, {"task": "bridge 3"}, ("help_then_act", "perseveration"), read_as="help_requested"
    ),
    EventType(
        s.Distraction, ATTENTION, {"engaged": False, "on_offer": "balloons"}, ("distraction_resisted",), FOCUS
    ),
    EventType(s.Pause, ATTENTION, {"seconds": 45}, (), FOCUS),
    EventType(s.Collaboration, TEAM, {"task": "bridge 3"}, (), (TOGETHER, LEADING)),
    EventType(s.HelpGiven, TEAM, {"task": "bridge 3"}, (), (TOGETHER, LEADING)),
    EventType(s.HelpReceived, TEAM, {"task": "bridge 3"}, (), (TOGETHER, LEADING)),
    EventType(s.TaskDelegated, TEAM, {"task": "bridge 3"}, (), (TOGETHER, LEADING)),
    EventType(s.Leadership, TEAM, {"task": "bridge 3"}, (), (LEADING,)),
    EventType(s.Initiative, TEAM, {"task": "bridge 3"}, (), (LEADING,)),
    EventType(s.TurnTaken, TEAM, {"gave_turn": True}, ("turn_given", *AS_A_MOVE), (TOGETHER, LEADING)),
    EventType(s.ConflictEncountered, TEAM, {"about": "who steers"}, ("fair_resolution",)),
    EventType(s.ConflictResolved, TEAM, {"about": "who steers", "outcome": "win_win"}, ("fair_resolution",)),
    EventType(s.DialogueViewed, STORY, {"dialogue": "the keeper's story", "speaker": "keeper", "seconds": 21.5}),
    EventType(s.DialogueSkipped, STORY, {"dialogue": "the keeper's story", "speaker": "keeper"}),
    EventType(s.MiniGameStarted, STORY, {"task": "rope walk 2"}),
    EventType(s.MiniGameCompleted, STORY, {"task": "rope walk 2", "solved": True, "seconds": 80}),
)
