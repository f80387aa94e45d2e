"""The posterior in information form, with sittings and rater severity integrated out exactly.

Equations (2) and (3) of the model. numpy reference: one student is a few products of small matrices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from sightline.domain.estimates import Contribution
from sightline.measurement.card import Array, Card
from sightline.measurement.items import Items


@dataclass(frozen=True, slots=True)
class Information:
    """What one student's items say, before severity.

    gain: the items' part of L (17 x 17); eta: 17; rows: n x 17, row n is (h_n - v_g a_g) w_n/s2, so that
    eta = rows' r; z_rows: n x R, the same for the raters' indicator columns.
    """

    gain: Array
    eta: Array
    rows: Array
    rater_design: Array
    z_rows: Array


@dataclass(frozen=True, slots=True)
class Posterior:
    """One student: mean (17), covariance with severity (17 x 17), covariance before it, and -P b (17 x R)."""

    mean: Array
    covariance: Array
    covariance_before_severity: Array
    severity_gain: Array


@dataclass(frozen=True, slots=True)
class Severity:
    """Posterior of the severities of R raters, in SD units: mean (R) and covariance (R x R)."""

    mean: Array
    covariance: Array


def session_corrected(columns: Array, items: Items) -> Array:
    """Rinv times the columns (n x m), R being the items' error covariance with the sitting term in it."""
    precision = 1.0 / items.variance
    weighted = columns * precision[:, None]
    groups = len(items.sitting_variance)
    if groups == 0:
        return weighted
    sums = np.zeros((groups, columns.shape[1]))
    np.add.at(sums, items.sitting, weighted)
    totals = np.zeros(groups)
    np.add.at(totals, items.sitting, precision)
    shrink = 1.0 / (1.0 / items.sitting_variance + totals)
    return weighted - precision[:, None] * (shrink[:, None] * sums)[items.sitting]


def information(items: Items, n_raters: int) -> Information:
    """Information of one student's items; the order of the items does not matter."""
    rater_design = np.zeros((len(items.residual), n_raters))
    rated = np.flatnonzero(items.rater >= 0)
    rater_design[rated, items.rater[rated]] = 1.0
    rows = session_corrected(items.design, items)
    return Information(
        gain=items.design.T @ rows,
        eta=rows.T @ items.residual,
        rows=rows,
        rater_design=rater_design,
        z_rows=session_corrected(rater_design, items),
    )


def severity(
    all_items: Sequence[Items], all_information: Sequence[Information], n_raters: int, card: Card
) -> Severity:
    """Severity of all raters jointly, the students integrated out: a dense solve of R x R."""
    precision = np.eye(n_raters) / card.tau2
    shift = np.zeros(n_raters)
    for items, info in zip(all_items, all_information, strict=True):
        if not np.any(items.rater >= 0):
            continue
        covariance = np.linalg.inv(card.prior_information + info.gain)
        borne = items.design.T @ info.z_rows
        precision += info.rater_design.T @ info.z_rows - borne.T @ covariance @ borne
        shift += info.z_rows.T @ items.residual - borne.T @ covariance @ info.eta
    covariance_of_raters = np.linalg.inv(precision) if n_raters else np.zeros((0, 0))
    return Severity(mean=covariance_of_raters @ shift, covariance=covariance_of_raters)


def posterior(items: Items, info: Information, raters: Severity, prior: Array, card: Card) -> Posterior:
    """Mean and covariance of one student's state under the given prior information (17 x 17)."""
    before = np.linalg.inv(prior + info.gain)
    before = (before + before.T) / 2
    gain = -before @ (items.design.T @ info.z_rows)
    mean = card.prior_mean + before @ info.eta + gain @ raters.mean
    covariance = before + gain @ raters.covariance @ gain.T
    return Posterior(mean=mean, covariance=covariance, covariance_before_severity=before, severity_gain=gain)


def contributions(
    target: Array, axis: int, items: Items, info: Information, state: Posterior
) -> tuple[Contribution, ...]:
    """One contribution per item to target'x, in SD; direct when the item's own skill is `axis`."""
    amounts = (info.rows @ (state.covariance_before_severity @ target)) * items.residual
    return tuple(
        Contribution(
            observable_id=observable.observable_id,
            indicator=observable.indicator,
            source=observable.source,
            sitting_id=observable.sitting_id,
            direct=bool(items.skill[i] == axis),
            amount=float(amounts[i]),
        )
        for i, observable in enumerate(items.observables)
    )


def rater_adjustments(
    target: Array, items: Items, state: Posterior, raters: Severity, names: tuple[UUID, ...]
) -> tuple[tuple[UUID, float], ...]:
    """One line per rater of this student: how far the mean moved for that rater's severity, in SD."""
    present = sorted({int(r) for r in items.rater if r >= 0})
    along = target @ state.severity_gain
    return tuple((names[r], float(along[r] * raters.mean[r])) for r in present)
