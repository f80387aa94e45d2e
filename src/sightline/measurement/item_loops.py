"""Compiled loops over items once the posterior is known: contributions, errors, and shares of the precision."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sightline.measurement.card import N_SKILLS, STATE
from sightline.measurement.loops import compiled, dot
from sightline.measurement.observations import Floats, Index
from sightline.measurement.posterior import Information


class Known(NamedTuple):
    """What the loops read: starts of students' items (N + 1), sittings and h of items, and the posterior.

    deviation: mean - mu0 (N x 17); covariance: with severity (N x 17 x 17); rho, among: severities' mean and
    covariance (R, R x R).
    """

    starts: Index
    sitting: Index
    skill: Index
    source: Index
    level: Floats
    change: Floats
    own: Floats
    deviation: Floats
    covariance: Floats
    rho: Floats
    among: Floats


@compiled
def contribute(known: Known, sums: Information, before: Floats, wanted: Floats, amounts: Floats) -> None:
    """Equation (4) of every item (n x T); `wanted` has the targets as rows (T x 17)."""
    many = len(wanted)
    along = np.empty((STATE, many))
    row = np.empty(many)
    for i in range(len(known.starts) - 1):
        n, end = known.starts[i], known.starts[i + 1]
        if n < end:
            _times(before[i], wanted, along)
        while n < end:
            g = known.sitting[n]
            for t in range(many):
                row[t] = 0.0
            for j in range(STATE):
                va = sums.sitting_shrink[g] * sums.sitting_sum[g, j]
                if va != 0.0:
                    for t in range(many):
                        row[t] += va * along[j, t]
            while n < end and known.sitting[n] == g:
                one, three = known.skill[n], 2 * N_SKILLS + known.source[n]
                x, y, z = known.level[n], known.change[n], known.own[n]
                r = sums.residual[n] / sums.variance[n]
                for t in range(many):
                    here = x * along[one, t] + y * along[N_SKILLS + one, t] + z * along[three, t]
                    amounts[n, t] = (here - row[t]) * r
                n += 1


@compiled
def _times(matrix: Floats, wanted: Floats, out: Floats) -> None:
    """`out` = matrix wanted'; targets have few non-zeros."""
    for t in range(len(wanted)):
        for j in range(STATE):
            out[j, t] = 0.0
        for k in range(STATE):
            factor = wanted[t, k]
            if factor != 0.0:
                for j in range(STATE):
                    out[j, t] += matrix[j, k] * factor


@compiled
def errors(known: Known, sums: Information, out: Floats) -> None:
    """E[e] of every item (n), one sitting after another."""
    for i in range(len(known.starts) - 1):
        n, end, raters = known.starts[i], known.starts[i + 1], sums.raters[i]
        while n < end:
            g = known.sitting[n]
            shared = sums.sitting_residual[g] - dot(sums.sitting_sum[g], known.deviation[i])
            for k in range(len(raters)):
                if raters[k] >= 0:
                    shared -= sums.sitting_rated[g, k] * known.rho[raters[k]]
            while n < end and known.sitting[n] == g:
                one, three = known.skill[n], 2 * N_SKILLS + known.source[n]
                out[n] = (
                    sums.residual[n] - sums.sitting_shrink[g] * shared - known.own[n] * known.deviation[i, three]
                )
                out[n] -= known.level[n] * known.deviation[i, one]
                out[n] -= known.change[n] * known.deviation[i, N_SKILLS + one]
                if sums.slot[n] >= 0:
                    out[n] -= known.rho[raters[sums.slot[n]]]
                n += 1


@compiled
def precision_shares(known: Known, sums: Information, wanted: Floats, out: Floats) -> None:
    """(Pa)' G (Pa) of every sitting's information G and every target a (G x T), P with severity."""
    many = len(wanted)
    along = np.empty((STATE, many))
    for i in range(len(known.starts) - 1):
        n, end = known.starts[i], known.starts[i + 1]
        if n < end:
            _times(known.covariance[i], wanted, along)
        while n < end:
            g = known.sitting[n]
            for t in range(many):
                common = 0.0
                for j in range(STATE):
                    common += sums.sitting_sum[g, j] * along[j, t]
                out[g, t] = -sums.sitting_shrink[g] * common * common
            while n < end and known.sitting[n] == g:
                one, three = known.skill[n], 2 * N_SKILLS + known.source[n]
                x, y, z = known.level[n], known.change[n], known.own[n]
                for t in range(many):
                    shown = x * along[one, t] + y * along[N_SKILLS + one, t] + z * along[three, t]
                    out[g, t] += shown * shown / sums.variance[n]
                n += 1
