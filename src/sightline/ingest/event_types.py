"""The event types known from the start. Others are stored and counted, and the answer says so."""

from __future__ import annotations

KNOWN_TYPES = frozenset(
    """
    mission_start mission_complete task_start task_complete choice_made retry restart failure mistake recovery
    success_after_failure distraction pause collaboration help_given help_received leadership initiative
    decision_made dialogue_viewed dialogue_skipped choice_presented help_requested task_delegated
    resource_allocated conflict_encountered conflict_resolved turn_taken mini_game_started mini_game_completed
    setback_encountered initial_reaction strategy_switched failure_occurred retry_attempted help_sought
    recovery_achieved feedback_viewed
    """.split()
)
