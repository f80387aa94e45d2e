"""One schema for each event type: what its `data` says. Other keys are the game's own, and allowed.

The docstring of a schema is the meaning of its event. A field is required only where no rule could ever use the
event without it; null stands for a field that is left out. Rules read a field only where `features` says so;
the others are there so that every game writes them alike, for people who look at the moments.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

Simple = str | int | float | bool
"""A word or number of the game's own that no rule reads."""

Measured = Annotated[float, Meta(ge=0)]
"""A number that cannot be below zero."""

Task = Annotated[
    str | None,
    Meta(
        description="your id of the task, the same text in each of its events; without it the event belongs to "
        "the mission in `mission_id`"
    ),
]
Shared = Annotated[bool | None, Meta(description="true for what a team did together: it is nobody's own credit")]
NewApproach = Annotated[
    bool | None, Meta(description="true when this attempt goes about it in another way than the one before")
]
Seconds = Annotated[Measured | None, Meta(description="how long it took", extra_json_schema={"x-unit": "seconds"})]
InOneUnit = {"x-unit": "steps or seconds, the same in `least` and `used`"}


class Data(msgspec.Struct, frozen=True, gc=False):
    """Root of the schemas. `gc` is off because an instance lives only while it is checked."""


class MissionStart(Data, frozen=True):
    """The student begins a mission."""

    difficulty: Annotated[Simple | None, Meta(description="your word or number for how hard it is")] = None


class MissionComplete(Data, frozen=True):
    """The student has come to the end of a mission."""

    seconds: Seconds = None


class TaskStart(Data, frozen=True):
    """The student begins a task: something that can be completed."""

    task: Task = None
    shared: Shared = None


class TaskComplete(Data, frozen=True):
    """The student has completed a task."""

    task: Task = None
    shared: Shared = None
    least: Annotated[
        Measured | None,
        Meta(description="the shortest solution there is; 0 says nothing", extra_json_schema=InOneUnit),
    ] = None
    used: Annotated[
        Measured | None,
        Meta(
            description="what the student used; below `least` it says nothing",
            extra_json_schema=InOneUnit,
        ),
    ] = None


class Failure(Data, frozen=True):
    """An attempt at a task failed."""

    task: Task = None
    shared: Shared = None
    last_chance: Annotated[
        bool | None,
        Meta(
            description="true when no further try is offered, also when the lesson is over: any other failure "
            "that ends the session counts as not retried"
        ),
    ] = None
    feedback: Annotated[bool | None, Meta(description="true when the game offers feedback on this failure")] = None


class FailureOccurred(Failure, frozen=True):
    """An attempt at a task failed."""


class Mistake(Data, frozen=True):
    """The game refused one move; the attempt goes on."""

    task: Task = None
    what: Annotated[
        str | None,
        Meta(
            description="what was tried, in your own words, the same text for the same move; without it in any "
            "one mistake the session says nothing about repeated ones"
        ),
    ] = None
    state: Annotated[
        Any,
        Meta(description="what it was tried on, in any form; the same move on another state is another mistake"),
    ] = None


class Retry(Data, frozen=True):
    """The student tries a failed task again."""

    task: Task = None
    new_approach: NewApproach = None


class RetryAttempted(Retry, frozen=True):
    """The student tries a failed task again."""


class Restart(Retry, frozen=True):
    """The student begins a task anew from its start."""


class StrategySwitched(Data, frozen=True):
    """The student changes the way of going about a task."""

    task: Task = None
    approach: Annotated[Simple | None, Meta(description="your word for the new way")] = None


class Recovery(Data, frozen=True):
    """The student solved a task after failing at it."""

    task: Task = None


class SuccessAfterFailure(Recovery, frozen=True):
    """The student solved a task after failing at it."""


class RecoveryAchieved(Recovery, frozen=True):
    """The student solved a task after failing at it."""


class SetbackEncountered(Data, frozen=True):
    """The game puts something in the way of the student's plan."""

    setback: Annotated[Simple | None, Meta(description="your word for what happened")] = None


class InitialReaction(Data, frozen=True):
    """What the student did first after a setback."""

    reaction: Annotated[
        str,
        Meta(
            description="the kind of act",
            extra_json_schema={
                "x-words": ["adapt", "analyse", "try_again", "ask", "plan", "blame", "give_up", "ignore", "repeat"]
            },
        ),
    ]


class ChoicePresented(Data, frozen=True):
    """The game offers the student a choice."""

    task: Task = None
    offers: Annotated[
        Simple | list[Simple] | None, Meta(description="what can be chosen: one thing or several")
    ] = None


class ChoiceMade(Data, frozen=True):
    """The student chose, or made a move."""

    task: Task = None
    choice: Annotated[Simple | None, Meta(description="your word for what was chosen")] = None
    takes_perspective: Annotated[
        bool | None,
        Meta(
            description="only where the choice offered another's point of view: true when the student took it, "
            "false when not"
        ),
    ] = None
    helps_at_cost: Annotated[
        bool | None,
        Meta(
            description="only where the choice was to help somebody at an own cost: true when the student helped, "
            "false when not"
        ),
    ] = None


class DecisionMade(Data, frozen=True):
    """The student settled something, alone or with a team: handing in, agreeing, ending."""

    task: Task = None
    decision: Annotated[Simple | None, Meta(description="your word for what was decided")] = None


class ResourceAllocated(Data, frozen=True):
    """The student gave something scarce to a use."""

    task: Task = None
    resource: Annotated[Simple | None, Meta(description="your word for what was given")] = None
    amount: Annotated[float | None, Meta(description="how much, in the game's own unit")] = None


class FeedbackViewed(Data, frozen=True):
    """The student looked at feedback that the game offered."""

    task: Annotated[
        str | None,
        Meta(
            description="the failed task that the feedback is about; without it, or a mission_id, the last failure"
        ),
    ] = None


class HelpRequested(Data, frozen=True):
    """The student asked the game, or somebody in it, for help."""

    task: Task = None


class HelpSought(HelpRequested, frozen=True):
    """The student asked the game, or somebody in it, for help."""


class Distraction(Data, frozen=True):
    """Something beside the task was there to be played with."""

    engaged: Annotated[
        bool | None, Meta(description="true when the student took it up, false when the student left it alone")
    ] = None
    on_offer: Annotated[Simple | None, Meta(description="your word for what it was")] = None


class Pause(Data, frozen=True):
    """The student stopped playing for a while."""

    seconds: Seconds = None


class Collaboration(Data, frozen=True):
    """The student did something together with team mates."""

    task: Task = None


class HelpGiven(Data, frozen=True):
    """The student helped somebody."""

    task: Task = None


class HelpReceived(Data, frozen=True):
    """The student was helped by somebody."""

    task: Task = None


class TaskDelegated(Data, frozen=True):
    """The student gave a part of the work to a team mate."""

    task: Task = None


class Leadership(Data, frozen=True):
    """The student led the team in something."""

    task: Task = None


class Initiative(Data, frozen=True):
    """The student began something that nobody had asked for."""

    task: Task = None


class TurnTaken(Data, frozen=True):
    """The student took a turn in a game of several."""

    task: Task = None
    gave_turn: Annotated[
        bool | None,
        Meta(
            description="only where the turn could be passed to a team mate: true when the student passed it, "
            "false when not"
        ),
    ] = None


class ConflictEncountered(Data, frozen=True):
    """The student's wish and another's stood against one another."""

    about: Annotated[Simple | None, Meta(description="your word for what it was about")] = None


class ConflictResolved(Data, frozen=True):
    """The conflict that was met last has ended."""

    about: Annotated[Simple | None, Meta(description="your word for what it was about")] = None
    outcome: Annotated[
        str | None,
        Meta(
            description="how it ended: `win_win` and `compromise` are fair to both sides; every other word, and "
            "none, is another end",
            examples=["win_win", "compromise", "own_way", "gave_in"],
        ),
    ] = None


class DialogueViewed(Data, frozen=True):
    """The student followed a dialogue to its end."""

    dialogue: Annotated[Simple | None, Meta(description="your id of the dialogue")] = None
    speaker: Annotated[
        Simple | None, Meta(description="the character of the game who speaks, never a student")
    ] = None
    seconds: Seconds = None


class DialogueSkipped(DialogueViewed, frozen=True):
    """The student left a dialogue before its end."""


class MiniGameStarted(Data, frozen=True):
    """The student begins a mini game of the mission."""

    task: Task = None


class MiniGameCompleted(Data, frozen=True):
    """The student has come to the end of a mini game, solved or not."""

    task: Task = None
    solved: Annotated[bool | None, Meta(description="true when the student solved it")] = None
    seconds: Seconds = None
