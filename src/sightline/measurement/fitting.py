"""Fitting without labels: parameters are learned from how the sources agree (EM; Dempster, Laird and Rubin 1977).

Each round solves the posterior of all students (`kernel`), sums its moments (`expectation`) and maximises
(`maximisation`). Between rounds the path is extrapolated; an extrapolation that does not increase the penalised
likelihood is not taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from sightline.measurement import student_t
from sightline.measurement.acceleration import extrapolated, laid_out
from sightline.measurement.enough import Held, TooLittle, held_back, too_little
from sightline.measurement.expectation import Moments
from sightline.measurement.maximisation import maximised
from sightline.measurement.objective import log_likelihood, log_prior
from sightline.measurement.observations import Floats, Index, Observations, Parameters
from sightline.measurement.posterior import Solved
from sightline.measurement.priors import Priors, at_priors, precision_of_priors

MOST_ROUNDS = 80
"""Rounds after which the search ends without having converged."""

TOLERANCE = 1e-3
"""Largest change of any parameter in one round of EM (variances: of their logarithms) that counts as none."""

Progress = Callable[[int, float], None]


@dataclass(frozen=True, slots=True)
class Fitted:
    """Parameters learned, how, and how surely.

    trace: penalised log likelihood of each round that was kept; rounds: those computed; standard_errors: of
    (lam, gam) of each indicator (J x 2), NaN where held; held: what kept its prior; y: with large errors pulled
    in (n; as it came in with normal errors); solved: the posterior under these parameters; notes: what a reader
    must know.
    """

    parameters: Parameters
    trace: tuple[float, ...]
    converged: bool
    rounds: int
    standard_errors: Floats
    held: Held
    y: Floats
    solved: Solved
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Round:
    """One evaluation: the parameters, their posterior, moments and objective, and where EM goes from them.

    `y` is what the posterior was solved with: with Student-t errors large ones are pulled in.
    """

    parameters: Parameters
    y: Floats
    solved: Solved
    found: Moments
    objective: float
    next: Parameters
    next_y: Floats


@dataclass(frozen=True, slots=True)
class _Search:
    observations: Observations
    priors: Priors
    held: Held
    heavy_tails: bool

    def moments(self, parameters: Parameters, y: Floats, *, with_score: bool = False) -> tuple[Solved, Moments]:
        return student_t.solve_pulled(self.observations, parameters, y, with_score=with_score)

    def round(self, parameters: Parameters, y: Floats) -> _Round:
        """E-step and M-step."""
        o = self.observations
        solved, found = self.moments(parameters, y)
        objective = log_likelihood(found, solved, parameters) + log_prior(found, parameters, self.priors)
        after = maximised(found, solved, parameters, self.priors, self.held, o)
        variance = parameters.s2[o.indicator] + o.sampling_variance
        if self.heavy_tails:
            after = replace(after, nu=student_t.degrees_of_freedom(found.error, found.spread, variance))
        next_y = student_t.pulled_in(o.y, found.error, variance, after.nu)
        return _Round(parameters, y, solved, found, objective, after, next_y)


def fit(
    observations: Observations,
    *,
    skill: Index,
    source: Index,
    priors: Priors,
    start: Parameters | None = None,
    heavy_tails: bool = True,
    most_rounds: int = MOST_ROUNDS,
    progress: Progress | None = None,
) -> Fitted | TooLittle:
    """Parameters of J indicators (skill and source axis of each) from observations of at least 150 students.

    y should be standardised and times be in units of the window. `start` are parameters to begin at (an earlier
    fit), else the priors' means; held parameters keep the start's values. `heavy_tails` estimates nu; without it
    the start's nu must be infinite. `progress` is told each round and its penalised log likelihood.
    """
    lacking = too_little(observations)
    if lacking is not None:
        return lacking
    held = held_back(observations, source)
    search = _Search(observations, priors, held, heavy_tails)
    begin = start or at_priors(skill, source, priors, observations.n_tasks)
    if heavy_tails and math.isinf(begin.nu) and start is None:
        begin = replace(begin, nu=student_t.START)
    rounds, trace, converged = 0, [], False

    def evaluate(parameters: Parameters, y: Floats) -> _Round:
        nonlocal rounds
        rounds += 1
        result = search.round(parameters, y)
        if progress is not None:
            progress(rounds, result.objective)
        return result

    now = evaluate(begin, observations.y)
    trace.append(now.objective)
    while rounds < most_rounds and not converged:
        second = evaluate(now.next, now.next_y)
        trace.append(second.objective)
        converged = float(np.abs(laid_out(second.next) - laid_out(second.parameters)).max()) < TOLERANCE
        guess = None if converged else extrapolated(now.parameters, second.parameters, second.next, held)
        now = second
        if guess is not None:
            jump = evaluate(guess, second.next_y)
            if jump.objective >= second.objective:
                trace.append(jump.objective)
                now = jump
    return _fitted(search, now, tuple(trace), converged=converged, rounds=rounds)


def _fitted(search: _Search, last: _Round, trace: tuple[float, ...], *, converged: bool, rounds: int) -> Fitted:
    _, scored = search.moments(last.parameters, last.y, with_score=True)
    return Fitted(
        parameters=last.parameters,
        trace=trace,
        converged=converged,
        rounds=rounds,
        standard_errors=standard_errors(scored.score, last.parameters, search.priors, search.held),
        held=search.held,
        y=last.y,
        solved=last.solved,
        notes=_notes(search, last, converged=converged),
    )


def standard_errors(score: Floats, parameters: Parameters, priors: Priors, held: Held) -> Floats:
    """Standard errors of (lam, gam) (J x 2) from the students' own scores (N x J x 3), priors included.

    The empirical information (Meilijson 1989): unlike the ridge systems of the M-step it knows that the states
    were not seen. Rough: all parameters but the intercepts count as known. Simulated errors are 1.0 (2,000
    students), 0.85 (500) and 0.9 (200) times as large. NaN for what kept its prior.
    """
    students, many, _ = score.shape
    flat = score.reshape(students, many * 3)
    flat = flat - flat.mean(axis=0)
    information = flat.T @ flat + np.diag(precision_of_priors(parameters, priors).ravel())
    errors: Floats = np.sqrt(np.diag(np.linalg.inv(information))).reshape(many, 3)[:, 1:]
    errors[held.indicator] = np.nan
    errors[held.gam, 1] = np.nan
    return errors


def _notes(search: _Search, last: _Round, *, converged: bool) -> tuple[str, ...]:
    """Sentences for the card and for whoever reads the fit."""
    notes = []
    if not converged:
        notes.append("the search ended before it had converged: small changes are still possible")
    if search.held.indicator.any():
        notes.append(
            f"{int(search.held.indicator.sum())} indicators were shown by too few students and keep priors"
        )
    if (search.held.gam & ~search.held.indicator).any():
        notes.append(
            "a source that is not seen together with another keeps the prior of what students bring to it"
        )
    if (last.parameters.lam[~search.held.indicator] <= 0.0).any():
        notes.append(
            "an indicator does not rise with its skill in these data: its loading is 0 and it says nothing"
        )
    return tuple(notes)
