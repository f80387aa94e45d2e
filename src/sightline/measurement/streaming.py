"""One student's evidence as sums that sessions are added to and taken out of: no past item is needed again.

The sums of (2) and (3) are a group: adding a sitting and taking it out leaves what was there, the order is free,
and the evidence of disjoint items adds up. So a session, a student's history and a part of it are one type, 1.4 kB
each. An item leaves as its sitting without it enters: `history - sitting + sitting_without_the_item`. This holds
while the parameters and the norms stay what they were, and, with Student-t errors, the pull on each item.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np

from sightline.measurement.card import N_SKILLS, STATE
from sightline.measurement.observations import Floats, Index, Observations, Parameters
from sightline.measurement.posterior import Severity, design, error_variance, prior_information, residuals

LOWER = np.tril_indices(STATE)


@dataclass(frozen=True, slots=True)
class Evidence:
    """The sums of one student's items, before prior and severity.

    gain (17 x 17), eta (17); raters (k) in rising order with their numbers of items, borne b (k x 17), rated
    z'Rinv z (k x k) and rated_residual z'Rinv r (k); items: how many there are.
    """

    items: int
    gain: Floats
    eta: Floats
    raters: tuple[UUID, ...]
    rated_items: tuple[int, ...]
    borne: Floats
    rated: Floats
    rated_residual: Floats

    def __add__(self, other: Evidence) -> Evidence:
        """The evidence of both; they must not share an item."""
        return _combined(self, other, 1)

    def __sub__(self, other: Evidence) -> Evidence:
        """What is left without `other`. Raises ValueError when it cannot have been part of this."""
        return _combined(self, other, -1)


NOTHING = Evidence(
    items=0,
    gain=np.zeros((STATE, STATE)),
    eta=np.zeros(STATE),
    raters=(),
    rated_items=(),
    borne=np.zeros((0, STATE)),
    rated=np.zeros((0, 0)),
    rated_residual=np.zeros(0),
)
"""A student before the first item."""


def _combined(one: Evidence, other: Evidence, sign: int) -> Evidence:
    items = one.items + sign * other.items
    counts = dict(zip(one.raters, one.rated_items, strict=True))
    for rater, count in zip(other.raters, other.rated_items, strict=True):
        counts[rater] = counts[rater] + sign * count if rater in counts else sign * count
    if items < 0 or any(count < 0 for count in counts.values()):
        raise ValueError("this evidence was never part of the student's: it has more items than there are")
    if items == 0:
        return NOTHING
    kept = tuple(sorted(rater for rater, count in counts.items() if count))
    if not kept:
        return replace(NOTHING, items=items, gain=one.gain + sign * other.gain, eta=one.eta + sign * other.eta)
    borne, rated, residual = np.zeros((len(kept), STATE)), np.zeros((len(kept),) * 2), np.zeros(len(kept))
    for part, factor in ((one, 1), (other, sign)):
        here = [i for i, rater in enumerate(part.raters) if rater in kept]
        there = [kept.index(part.raters[i]) for i in here]
        borne[there] += factor * part.borne[here]
        rated[np.ix_(there, there)] += factor * part.rated[np.ix_(here, here)]
        residual[there] += factor * part.rated_residual[here]
    return Evidence(
        items=items,
        gain=one.gain + sign * other.gain,
        eta=one.eta + sign * other.eta,
        raters=kept,
        rated_items=tuple(counts[rater] for rater in kept),
        borne=borne,
        rated=rated,
        rated_residual=residual,
    )


def evidence_of(
    sitting: Observations, parameters: Parameters, raters: Sequence[UUID] = (), weight: Floats | None = None
) -> Evidence:
    """The sums of one sitting of one student; `raters` names the raters that the items point to.

    Raises ValueError for more than one sitting: their items have something in common each.
    """
    if sitting.n_sittings > 1 or sitting.n_students > 1:
        raise ValueError(f"one sitting of one student at a time, not {sitting.n_sittings}")
    if not len(sitting.y):
        return NOTHING
    precision = 1.0 / error_variance(sitting, parameters, weight)
    axes, values = design(sitting, parameters)
    n = len(precision)
    present = np.unique(sitting.rater[sitting.rater >= 0])
    columns = np.zeros((n, STATE + 1 + len(present)))  # h, then r, then one column a rater
    columns[np.arange(n)[:, None], axes] = values
    columns[:, STATE] = residuals(sitting, parameters)
    columns[:, STATE + 1 :] = sitting.rater[:, None] == present
    om2 = parameters.om2[parameters.source[sitting.indicator[0]]]
    sums = precision @ columns
    shrink = om2 / (1.0 + om2 * precision.sum())
    products = (columns.T * precision) @ columns - np.outer(shrink * sums, sums)
    named = [raters[r] for r in present.tolist()]
    order = np.array(sorted(range(len(named)), key=named.__getitem__), dtype=np.intp)
    rated = STATE + 1 + order
    return Evidence(
        items=n,
        gain=products[:STATE, :STATE],
        eta=products[:STATE, STATE],
        raters=tuple(named[i] for i in order),
        rated_items=tuple(int(np.sum(sitting.rater == present[i])) for i in order),
        borne=products[rated, :STATE],
        rated=products[np.ix_(rated, rated)],
        rated_residual=products[rated, STATE],
    )


def moved(evidence: Evidence, parameters: Parameters, by: float) -> Evidence:
    """The same items when the window's start moves on by `by` windows: every time t becomes t - by.

    h' becomes h'T and r gains by h'm (m: the mean changes on the levels' axes), so the sums follow without items.
    Items that fall out of the window must be taken out as well.
    """
    turn = np.eye(STATE)
    turn[np.arange(N_SKILLS), N_SKILLS + np.arange(N_SKILLS)] = -by
    means = np.zeros(STATE)
    means[:N_SKILLS] = by * parameters.mu_beta
    return replace(
        evidence,
        gain=turn.T @ evidence.gain @ turn,
        eta=turn.T @ (evidence.eta + evidence.gain @ means),
        borne=evidence.borne @ turn,
        rated_residual=evidence.rated_residual + evidence.borne @ means,
    )


@dataclass(frozen=True, slots=True)
class Prior:
    """What every student starts from: mean mu0 (17), information L0 (17 x 17), and the raters' variance."""

    mean: Floats
    information: Floats
    tau2: float


def prior_of(parameters: Parameters, *, flat_slopes: bool = False) -> Prior:
    information = prior_information(parameters, flat_slopes=flat_slopes)
    return Prior(np.asarray(parameters.prior_mean), np.asarray(information), parameters.tau2)


@dataclass(frozen=True, slots=True)
class RaterSums:
    """The raters' part of (3) over a school: precision without the prior (R x R) and shift (R), by rater."""

    place: Mapping[UUID, int]
    precision: Floats
    shift: Floats

    def changed(self, prior: Prior, *, before: Evidence = NOTHING, after: Evidence = NOTHING) -> RaterSums:
        """After one student's evidence changed from `before` to `after`. Raises KeyError for an unknown rater."""
        precision, shift = self.precision.copy(), self.shift.copy()
        for evidence, sign in ((before, -1.0), (after, 1.0)):
            if evidence.raters:
                at = self.at(evidence)
                along = np.linalg.solve(prior.information + evidence.gain, evidence.borne.T).T
                precision[np.ix_(at, at)] += sign * (evidence.rated - along @ evidence.borne.T)
                shift[at] += sign * (evidence.rated_residual - along @ evidence.eta)
        return RaterSums(self.place, precision, shift)

    def at(self, evidence: Evidence) -> Index:
        return np.array([self.place[rater] for rater in evidence.raters], dtype=np.intp)

    def severity(self, tau2: float) -> Severity:
        """Posterior of all severities; the places are those of `place`."""
        covariance = tau2 * np.linalg.inv(np.eye(len(self.shift)) + tau2 * self.precision)
        covariance = (covariance + covariance.T) / 2
        return Severity(mean=covariance @ self.shift, covariance=covariance)


def rater_sums(evidence: Iterable[Evidence], prior: Prior) -> RaterSums:
    """The raters' sums over all students of a school."""
    students = list(evidence)
    raters = sorted({rater for student in students for rater in student.raters})
    place = {rater: i for i, rater in enumerate(raters)}
    sums = RaterSums(place, np.zeros((len(raters), len(raters))), np.zeros(len(raters)))
    for student in students:
        sums = sums.changed(prior, after=student)
    return sums


def posterior_of(
    evidence: Evidence, prior: Prior, severity: Severity | None = None, places: Index | None = None
) -> tuple[Floats, Floats]:
    """Mean (17) and covariance (17 x 17) of one student's state.

    `severity` with the `places` of the student's raters in it is the school's; without it the student is alone
    with his raters, and nothing but the prior is known of them.
    """
    covariance = np.linalg.inv(prior.information + evidence.gain)
    covariance = (covariance + covariance.T) / 2
    mean = prior.mean + covariance @ evidence.eta
    if not evidence.raters:
        return mean, covariance
    if severity is None or places is None:
        alone = rater_sums([evidence], prior)
        severity, places = alone.severity(prior.tau2), alone.at(evidence)
    gain = covariance @ evidence.borne.T
    among = severity.covariance[np.ix_(places, places)]
    return mean - gain @ severity.mean[places], covariance + gain @ among @ gain.T


def to_bytes(evidence: Evidence) -> bytes:
    """1,376 bytes and 160 to 170 for each rater; exact."""
    counts = np.array([evidence.items, len(evidence.raters), *evidence.rated_items], dtype="<i8")
    parts = (evidence.gain[LOWER], evidence.eta, evidence.borne, evidence.rated, evidence.rated_residual)
    numbers = np.concatenate([part.ravel() for part in parts]).astype("<f8")
    return counts.tobytes() + b"".join(rater.bytes for rater in evidence.raters) + numbers.tobytes()


def from_bytes(raw: bytes) -> Evidence:
    """What `to_bytes` wrote. Raises ValueError when it is cut or too long."""
    items, k = (int(number) for number in np.frombuffer(raw, dtype="<i8", count=2))
    start = 16 + 8 * k
    expected = start + 16 * k + 8 * (len(LOWER[0]) + STATE + k * STATE + k * k + k)
    if len(raw) != expected:
        raise ValueError(f"{len(raw)} bytes are no evidence with {k} raters, which has {expected}")
    rated_items = np.frombuffer(raw, dtype="<i8", offset=16, count=k)
    raters = tuple(UUID(bytes=raw[start + 16 * i : start + 16 * (i + 1)]) for i in range(k))
    numbers = np.frombuffer(raw, dtype="<f8", offset=start + 16 * k)
    cuts = np.cumsum([len(LOWER[0]), STATE, k * STATE, k * k])
    lower, eta, borne, rated, residual = np.split(numbers, cuts)
    gain = np.zeros((STATE, STATE))
    gain[LOWER] = lower
    gain.T[LOWER] = lower
    return Evidence(
        items=items,
        gain=gain,
        eta=eta,
        raters=raters,
        rated_items=tuple(int(count) for count in rated_items),
        borne=borne.reshape(k, STATE),
        rated=rated.reshape(k, k),
        rated_residual=residual,
    )
