"""The event types known from the start. Others are stored and counted, and the answer says so."""

from __future__ import annotations

import re

KNOWN_TYPES = frozenset(
    re.findall(
        r"\w+",
        """
        choice_made choice_presented collaboration conflict_encountered conflict_resolved decision_made
        dialogue_skipped dialogue_viewed distraction failure failure_occurred feedback_viewed help_given
        help_received help_requested help_sought initial_reaction initiative leadership mini_game_completed
        mini_game_started mission_complete mission_start mistake pause recovery recovery_achieved
        resource_allocated restart retry retry_attempted setback_encountered strategy_switched
        success_after_failure task_complete task_delegated task_start turn_taken
        """,
    )
)
