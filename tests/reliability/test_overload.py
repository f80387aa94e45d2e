"""Five times too much: who is refused hears when to come back, and what was answered as stored is stored."""

from __future__ import annotations

from campaigns.overload import control, run


def test_under_five_times_too_much_the_rest_is_refused_in_bounded_time_and_nothing_answered_is_lost() -> None:
    overload = run(5, calm=2)
    assert overload.complaints(speeds=False) == []
    assert overload.refusals()
    assert overload.stored_rate > 0


def test_the_harness_notices_a_queue_without_bounds() -> None:
    assert control()
