"""Evidence rules for play. Each counts acts over opportunities; nothing is counted that the game did not allow."""

from __future__ import annotations

from datetime import timedelta
from statistics import fmean

from sightline.domain.observables import Absence, Measured, Moment
from sightline.domain.records import Event, Session
from sightline.features.timeline import (
    ACTIONS,
    FAILURES,
    HELP_SOUGHT,
    amount,
    attempt_after,
    failures_of,
    first,
    flag,
    is_shared,
    moment,
    said,
    solution_after,
    task_of,
)

PLANNING_CAP = timedelta(seconds=120)
"""Longer silence before the first action is not planning (Eichmann et al. 2019 cap likewise)."""

ADAPTIVE_REACTIONS = frozenset({"adapt", "analyse", "try_again", "ask", "plan"})
REACTIONS = ADAPTIVE_REACTIONS | {"blame", "give_up", "ignore", "repeat"}
FAIR_OUTCOMES = frozenset({"win_win", "compromise"})


def _proportion(pairs: list[tuple[Event, bool]], minimum: int) -> Measured | Absence:
    """Counted of opportunities, with a moment for each opportunity."""
    if not pairs:
        return Absence.NO_OPPORTUNITY
    if len(pairs) < minimum:
        return Absence.TOO_FEW_OPPORTUNITIES
    counted = sum(happened for _, happened in pairs)
    moments = tuple(moment(event, counted=happened) for event, happened in pairs)
    return Measured(counted / len(pairs), len(pairs), moments, counted=counted)


def _stated(
    session: Session, event_type: str, key: str, minimum: int, *, counts: bool = True
) -> Measured | Absence:
    """Share of events of one type whose yes-or-no `key` is as `counts` says."""
    events = [e for e in session.events if e.event_type == event_type]
    stated = [(e, flag(e, key)) for e in events]
    pairs = [(e, said is counts) for e, said in stated if said is not None]
    if not pairs and any(key in e.data for e in events):
        return Absence.NOT_STATED_BY_GAME
    return _proportion(pairs, minimum)


def retry_after_failure(session: Session, minimum: int) -> Measured | Absence:
    """Share of failures that another attempt by the same student followed (0 to 1).

    A failure that ends the session counts as not retried, unless the game says it offered no further try
    (`data.last_chance` true). A team's failure is an occasion for each member, whose own next act counts.
    """
    pairs = [
        (a.failure, attempt_after(a) is not None)
        for a in failures_of(session)
        if flag(a.failure, "last_chance") is not True
    ]
    return _proportion(pairs, minimum)


def bounce_back(session: Session, minimum: int) -> Measured | Absence:
    """Share of own failures at a task that the student solved later in the session (0 to 1).

    A last chance (`data.last_chance` true) gave no opportunity to come back.
    """
    pairs = [
        (event, solution_after(session, i) is not None)
        for i, event in enumerate(session.events)
        if event.event_type in FAILURES and not is_shared(event) and flag(event, "last_chance") is not True
    ]
    return _proportion(pairs, minimum)


def recovery_latency(session: Session, minimum: int) -> Measured | Absence:
    """Mean seconds from an own failure to the next success at that task; unsolved failures have none."""
    seconds: list[float] = []
    moments: list[Moment] = []
    for i, event in enumerate(session.events):
        if event.event_type not in FAILURES or is_shared(event):
            continue
        solved = solution_after(session, i)
        if solved is not None:
            seconds.append(max((solved.occurred_at - event.occurred_at).total_seconds(), 1.0))
            moments += [moment(event, counted=False), moment(solved, counted=True)]
    if not seconds:
        return Absence.NO_OPPORTUNITY
    if len(seconds) < minimum:
        return Absence.TOO_FEW_OPPORTUNITIES
    return Measured(fmean(seconds), len(seconds), tuple(moments))


def strategy_change_after_failure(session: Session, minimum: int) -> Measured | Absence:
    """Share of retried failures before whose next attempt the student switched strategy (0 to 1).

    Only games that report strategies give this opportunity: `data.new_approach` on the attempts, or a
    `strategy_switched` anywhere in the session; a switch counts between the failure and the next attempt.
    """
    reports = any(e.event_type == "strategy_switched" for e in session.events)
    retried = [(a, attempt) for a in failures_of(session) if (attempt := attempt_after(a)) is not None]
    pairs: list[tuple[Event, bool]] = []
    for a, attempt in retried:
        stated = flag(attempt, "new_approach")
        if stated is not None:
            pairs.append((attempt, stated))
        elif reports:
            between = a.later[: a.later.index(attempt)]
            pairs.append((attempt, any(e.event_type == "strategy_switched" for e in between)))
    if retried and not pairs:
        return Absence.NOT_STATED_BY_GAME
    return _proportion(pairs, minimum)


def perseveration(session: Session, minimum: int) -> Measured | Absence:
    """Share of chances after a mistake in which the same was done again at once (0 to 1).

    Trying something else, asking for help or looking at feedback in between is the other outcome.

    The same is the same `data.what` on the same `data.state` at the same task; a game that does not state
    `data.what` gives no opportunity.
    """
    pairs: list[tuple[Event, bool]] = []
    before: Event | None = None
    stated = True
    for event in session.events:
        if event.event_type == "mistake":
            stated = stated and said(event, "what") is not None
            if before is not None:
                pairs.append((event, _same_mistake(before, event)))
            before = event
        elif event.event_type in ACTIONS | HELP_SOUGHT | {"feedback_viewed"}:
            if before is not None:
                pairs.append((event, False))
            before = None
    return _proportion(pairs, minimum) if stated else Absence.NOT_STATED_BY_GAME


def _same_mistake(one: Event, other: Event) -> bool:
    return task_of(one) == task_of(other) and all(
        one.data.get(key) == other.data.get(key) for key in ("what", "state")
    )


def initial_reaction(session: Session, minimum: int) -> Measured | Absence:
    """Share of first reactions to a setback that change or probe something (0 to 1)."""
    pairs = [
        (e, said(e, "reaction") in ADAPTIVE_REACTIONS)
        for e in session.events
        if e.event_type == "initial_reaction" and said(e, "reaction") in REACTIONS
    ]
    return _proportion(pairs, minimum)


def tasks_completed(session: Session, minimum: int) -> Measured | Absence:
    """Share of own started tasks that were completed (0 to 1); a task counts once however often it is started."""
    started = {
        task_of(e): e for e in reversed(session.events) if e.event_type == "task_start" and not is_shared(e)
    }
    completed = {task_of(e) for e in session.events if e.event_type == "task_complete"}
    return _proportion([(e, task in completed) for task, e in reversed(started.items())], minimum)


def efficiency(session: Session, minimum: int) -> Measured | Absence:
    """Mean of least/used over own completed tasks whose game states both (`data.least`, `data.used`; above 0).

    Less used than the least there is contradicts itself and counts as not stated.
    """
    completed = [e for e in session.events if e.event_type == "task_complete" and not is_shared(e)]
    if not completed:
        return Absence.NO_OPPORTUNITY
    stated: list[tuple[Event, float]] = []
    for event in completed:
        least, used = amount(event, "least"), amount(event, "used")
        if least is not None and used is not None and 0 < least <= used and least / used > 0:
            stated.append((event, least / used))
    if not stated:
        return Absence.NOT_STATED_BY_GAME
    if len(stated) < minimum:
        return Absence.TOO_FEW_OPPORTUNITIES
    moments = tuple(moment(e, counted=True) for e, _ in stated)
    return Measured(fmean(ratio for _, ratio in stated), len(stated), moments)


def planning_time(session: Session, minimum: int) -> Measured | Absence:
    """Mean seconds from the start of an own task to the first action in it, capped at PLANNING_CAP."""
    seconds: list[float] = []
    moments: list[Moment] = []
    for i, event in enumerate(session.events):
        if event.event_type != "task_start" or is_shared(event):
            continue
        action = first(session.events[i + 1 :], lambda e: e.event_type in ACTIONS or e.event_type == "task_start")
        if action is not None and action.event_type != "task_start":
            waited = min(action.occurred_at - event.occurred_at, PLANNING_CAP).total_seconds()
            seconds.append(max(waited, 0.1))
            moments.append(moment(event, counted=True))
    if not seconds:
        return Absence.NO_OPPORTUNITY
    if len(seconds) < minimum:
        return Absence.TOO_FEW_OPPORTUNITIES
    return Measured(fmean(seconds), len(seconds), tuple(moments))


def feedback_use(session: Session, minimum: int) -> Measured | Absence:
    """Share of failures with feedback after which the student looked at it before the next action (0 to 1).

    Opportunity: a failure, own or the team's, whose game offers feedback (`data.feedback` true) and after which
    the student did anything at all; looking is an event `feedback_viewed` at the same task, or without one.
    """
    pairs: list[tuple[Event, bool]] = []
    for a in failures_of(session):
        if flag(a.failure, "feedback") is not True:
            continue
        reaction = first(a.later, lambda e: e.event_type in ACTIONS or e.event_type == "feedback_viewed")
        if reaction is not None:
            looked = reaction.event_type == "feedback_viewed" and task_of(reaction) in {None, task_of(a.failure)}
            pairs.append((a.failure, looked))
    return _proportion(pairs, minimum)


def help_then_act(session: Session, minimum: int) -> Measured | Absence:
    """Share of requests for help that an own action followed before the next request (0 to 1).

    A mistake is no use of help: what comes after it decides.
    """
    pairs: list[tuple[Event, bool]] = []
    for i, event in enumerate(session.events):
        if event.event_type in HELP_SOUGHT:
            following = first(
                session.events[i + 1 :],
                lambda e: e.event_type in ACTIONS - {"mistake"} or e.event_type in HELP_SOUGHT,
            )
            pairs.append((event, following is not None and following.event_type in ACTIONS))
    return _proportion(pairs, minimum)


def distraction_resisted(session: Session, minimum: int) -> Measured | Absence:
    """Share of distractions on offer that the student left alone (0 to 1; `data.engaged` says which)."""
    return _stated(session, "distraction", "engaged", minimum, counts=False)


def perspective_taken(session: Session, minimum: int) -> Measured | Absence:
    """Share of choices offering another's point of view in which it was taken (0 to 1)."""
    return _stated(session, "choice_made", "takes_perspective", minimum)


def costly_help(session: Session, minimum: int) -> Measured | Absence:
    """Share of choices to help somebody at an own cost in which help was given (0 to 1)."""
    return _stated(session, "choice_made", "helps_at_cost", minimum)


def turn_given(session: Session, minimum: int) -> Measured | Absence:
    """Share of turns that the student could pass to a team mate and did (0 to 1)."""
    return _stated(session, "turn_taken", "gave_turn", minimum)


def fair_resolution(session: Session, minimum: int) -> Measured | Absence:
    """Share of conflicts met that ended in a win for both sides or a compromise (0 to 1).

    A conflict that the session leaves open counts as not resolved.
    """
    pairs: list[tuple[Event, bool]] = []
    for i, event in enumerate(session.events):
        if event.event_type == "conflict_encountered":
            end = first(
                session.events[i + 1 :],
                lambda e: e.event_type in {"conflict_resolved", "conflict_encountered"},
            )
            fair = (
                end is not None and end.event_type == "conflict_resolved" and said(end, "outcome") in FAIR_OUTCOMES
            )
            pairs.append((event, fair))
    return _proportion(pairs, minimum)
