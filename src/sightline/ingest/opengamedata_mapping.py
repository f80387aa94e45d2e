"""The mapping tables from the event names of published OpenGameData games to Sightline's event types.

One table a game, one row an event name; the first row that fits wins, so a row with a condition stands before
one without. The names and fields are those of the games' public schemas. A row that is not certain from the
schema says so: it is a judgement. A row without a type says why the name is *not* mapped: above all, a failed
try becomes a `failure` only where the game also says which task failed and when the player tries again;
otherwise each failure would read as one that was never retried. None of these rows was validated on its game.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LONGEST = 200
"""Characters of a mapped text; what is longer is cut."""


@dataclass(frozen=True, slots=True)
class Take:
    """A field of `data`, put together from places such as `event_data.job_name`; left out if one is missing."""

    to: str
    places: tuple[str, ...]

    def value(self, said: Mapping[str, object]) -> str | None:
        words = [word_at(said, place) for place in self.places]
        known = [word for word in words if word is not None]
        return " / ".join(known)[:LONGEST] if len(known) == len(words) else None


@dataclass(frozen=True, slots=True)
class Row:
    """An event name, what it becomes (None: left as it is), why; `when` is a place and what must stand there."""

    name: str
    event_type: str | None
    why: str
    takes: tuple[Take, ...] = ()
    when: tuple[str, str] | None = None
    judgement: bool = False

    def fits(self, said: Mapping[str, object]) -> bool:
        if self.when is None:
            return True
        word = word_at(said, self.when[0])
        return word is not None and re.fullmatch(self.when[1], word, re.IGNORECASE) is not None


@dataclass(frozen=True, slots=True)
class Game:
    """A game's rows; keys that are `private` here though they do not look it; keys that get another name."""

    rows: tuple[Row, ...]
    private: frozenset[str] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict)


def word_at(said: Mapping[str, object], place: str) -> str | None:
    """The text, number or truth value at a place, as a word; None where there is none."""
    found: Any = said
    for key in place.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    if isinstance(found, bool):
        return str(found).lower()
    if isinstance(found, float) and found.is_integer() and abs(found) < 1e15:  # noqa: PLR2004 - exact below
        found = int(found)
    if isinstance(found, int) and abs(found) >= 2**63:
        return None
    return str(found).strip() or None if isinstance(found, str | int | float) else None


def row_for(app_id: str, event_name: str, said: Mapping[str, object]) -> Row | None:
    """The row that an event falls under, also when it only says that the name is left as it is.

    The oldest logger sends `FAIL.0` or `CUSTOM.4` and the true name in `event_data.event_custom`: all are tried.
    """
    game = GAMES.get(app_id)
    if game is None:
        return None
    names = {event_name, re.sub(r"\.\d+$", "", event_name), word_at(said, "event_data.event_custom")}
    return next((row for row in game.rows if row.name in names and row.fits(said)), None)


def _task(*places: str) -> tuple[Take, ...]:
    return (Take("task", places),)


def _pause() -> Row:
    return Row("headset_off", "pause", "the headset comes off, which pauses the game")


LEVEL = _task("game_state.level")
LAB_TASK = _task("event_data.task.lab_name", "event_data.task.section_number", "event_data.task.task_number")
QUIZ_TASK = _task(
    "event_data.quiz_task.lab_name", "event_data.quiz_task.section_number", "event_data.quiz_task.task_number"
)
PUZZLE = _task("game_state.level", "event_data.puzzle")
NO_ATTEMPT = "a failed try, but the game reports no new try: every failure would read as never retried"
NO_TASK = "the event does not say which task it is about"
CLICKED = "a choice that the player clicked"

GAMES: Mapping[str, Game] = {
    "AQUALAB": Game(
        (
            Row("ask_for_help", "help_requested", "the player asks the guide for a hint"),
            Row("complete_job", "task_complete", "a job is done", _task("event_data.job_name")),
            Row("complete_task", "task_complete", "a task of a job is done", _task("event_data.task_id")),
            Row(
                "fact_rejected",
                "mistake",
                "a fact that does not support the argument is handed in",
                (Take("what", ("event_data.fact_id",)), Take("state", ("game_state.job_name",))),
                judgement=True,
            ),
            Row("accept_job", None, "jobs last for several sessions: a start would read as a task left undone"),
            Row("model_sync_error", None, NO_ATTEMPT),
            Row("model_intervene_error", None, NO_ATTEMPT),
        ),
    ),
    "BLOOM": Game(
        (
            Row("game_start", "mission_start", "the map is shown and play begins"),
            Row("win_game", "mission_complete", "the game is won"),
            Row("pause_game", "pause", "the player pauses the game"),
            Row(
                "select_policy_card",
                "decision_made",
                "a policy is chosen for the county",
                (Take("policy", ("event_data.policy",)), Take("choice", ("event_data.choice_name",))),
            ),
            Row(
                "building_queued",
                "resource_allocated",
                "money is put into a building; also after an undo",
                (Take("resource", ("event_data.building_type",)),),
                judgement=True,
            ),
            Row("character_line_displayed", "dialogue_viewed", "a line of dialogue is shown"),
            Row("lose_game", None, NO_ATTEMPT),
        ),
    ),
    "CRYSTAL": Game(
        (
            Row("BEGIN", "task_start", "a level begins", LEVEL),
            Row("COMPLETE", "task_complete", "a level is handed in", LEVEL, judgement=True),
            Row("CLEAR_BTN_PRESS", "restart", "the player clears the board of the level", LEVEL),
            Row("MOLECULE_RELEASE", "choice_made", "a molecule is moved and let go", judgement=True),
            Row("QUESTION_ANSWER", None, "an answer of a quiz; which number means correct is not documented"),
        ),
    ),
    "JOURNALISM": Game(
        (
            Row("start_level", "task_start", "a level starts", _task("event_data.level_started")),
            Row("complete_level", "task_complete", "a level is finished", _task("event_data.level_completed")),
            Row("level_fail", "failure", "the player fails a level and cannot go on", LEVEL),
            Row(
                "resumed_checkpoint",
                "retry",
                "the player goes on from a checkpoint after a fail",
                LEVEL,
                ("event_data.origin", ".*fail.*"),
                judgement=True,
            ),
            Row("display_choices", "choice_presented", "choices are shown"),
            *(
                Row(f"{kind}_choice_click", "choice_made", CLICKED)
                for kind in ("hub", "time", "location", "once", "action")
            ),
            Row("display_text_dialog", "dialogue_viewed", "a text bubble is shown"),
            Row("display_feedback_dialog", "feedback_viewed", "the editor's feedback is shown", judgement=True),
            Row("publish_story_click", "decision_made", "the story is handed in", LEVEL),
            Row("continue_choice_click", None, "there is only one way on: no choice"),
        ),
    ),
    "JOWILDER": Game(
        (
            Row("startgame", "mission_start", "the game starts; named so, not described", judgement=True),
            Row("endgame", "mission_complete", "the game ends; named so, not described", judgement=True),
            Row(
                "checkpoint",
                "task_complete",
                "in the public logs it stands where a chapter ends",
                _task("event_data.fqid"),
                judgement=True,
            ),
            Row("person_click", "dialogue_viewed", "a person speaks and the player clicks on", judgement=True),
            Row("cutscene_click", "dialogue_viewed", "a scene is read and clicked on", judgement=True),
            Row("notebook_click", None, "looking something up; no type of ours says so"),
            Row("map_hover", None, "moving the pointer"),
            Row("object_hover", None, "moving the pointer"),
        ),
        renamed={"name": "action"},
    ),
    "LAKELAND": Game(
        (
            Row(
                "CHECKPOINT",
                "task_start",
                "a tutorial begins",
                _task("event_data.event_label"),
                ("event_data.event_category", "begin"),
                judgement=True,
            ),
            Row(
                "CHECKPOINT",
                "task_complete",
                "a tutorial ends; a skipped one too",
                _task("event_data.event_label"),
                ("event_data.event_category", "end"),
                judgement=True,
            ),
            Row(
                "BUY",
                "resource_allocated",
                "something is bought and placed",
                (Take("resource", ("event_data.buy",)),),
                ("event_data.success", "true|1"),
            ),
            Row("BUY", None, "a place where it cannot stand; which place is not comparable"),
            Row("FARMFAIL", None, "a farm without nutrition; not an act of the player"),
            Row("FARMBITDEATH", None, "an inhabitant dies; not an act of the player"),
        ),
    ),
    "PENGUINS": Game(
        (
            Row("game_start", "mission_start", "a new game starts"),
            Row("activity_begin", "mini_game_started", "a mini-game begins", _task("event_data.activity_name")),
            _pause(),
            Row("activity_end", None, "not documented: a mini-game left early may end too"),
            Row("egg_lost", None, "a setback, but no event says how the player reacts"),
        ),
    ),
    "SHADOWSPECT": Game(
        (
            Row("puzzle_started", "task_start", "a puzzle starts", _task("event_data.task_id")),
            Row("puzzle_complete", "task_complete", "a puzzle is solved", _task("event_data.task_id")),
            Row("restart_puzzle", "restart", "the player starts the puzzle over; it is not said which"),
            *(
                Row(f"{act}_shape", "choice_made", f"a shape: {act}", judgement=True)
                for act in ("create", "delete", "move", "rotate", "scale")
            ),
            Row("check_solution", None, NO_TASK),
        ),
        private=frozenset({"user", "group"}),
    ),
    "THERMOLAB": Game(
        (
            Row("click_select_task", "task_start", "the player goes to a task", LAB_TASK, judgement=True),
            Row("click_next_task", "task_start", "the player goes to the next task", LAB_TASK, judgement=True),
            Row("complete_task", "task_complete", "a task is done", LAB_TASK),
            Row(
                "click_submit_answer",
                "failure",
                "a wrong answer is handed in",
                QUIZ_TASK,
                ("event_data.is_correct_answer", "false|0"),
            ),
            Row(
                "click_reset_quiz",
                "retry",
                "after a wrong answer the question is opened again",
                QUIZ_TASK,
                ("event_data.was_correct_answer", "false|0"),
            ),
            Row(
                "click_reset_sim",
                "restart",
                "the simulation goes back to its start",
                _task(
                    "game_state.current_lab.lab_name",
                    "game_state.current_section.section_number",
                    "game_state.current_task.task_number",
                ),
                judgement=True,
            ),
            _pause(),
            Row("target_state_lost", None, "the target is left again; it may be on purpose"),
        ),
        private=frozenset({"author"}),
    ),
    "WAVES": Game(
        (
            Row("BEGIN", "task_start", "a level begins", LEVEL),
            Row("COMPLETE", "task_complete", "a level is completed", LEVEL),
            Row("CUSTOM.4", "restart", "the player presses reset", LEVEL),
            Row("CUSTOM.1", "choice_made", "a slider is moved and let go", judgement=True),
            Row("CUSTOM.2", "choice_made", "an arrow is moved and let go", judgement=True),
            Row("FAIL", None, NO_ATTEMPT),
            Row("SUCCEED", None, "not documented; `COMPLETE` is what counts a level as done"),
        ),
    ),
    "WEATHER_STATION": Game(
        (
            Row("start_puzzle", "task_start", "a first move at a puzzle", PUZZLE),
            Row("complete_puzzle", "task_complete", "a puzzle is solved", PUZZLE),
            Row("click_argo_help", "help_requested", "the player presses the help button"),
            _pause(),
            Row("click_test_propeller", None, NO_ATTEMPT, (), ("event_data.is_correct", "false|0")),
        ),
    ),
}
