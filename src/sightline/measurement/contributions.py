"""The exact sum behind a mean: equation (4). Contributions, rater adjustments and prior add up to 1e-9."""

from __future__ import annotations

from uuid import UUID

from sightline.domain.estimates import Contribution
from sightline.measurement.card import Array
from sightline.measurement.items import Items
from sightline.measurement.one_by_one import Information, Posterior, Severity


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
