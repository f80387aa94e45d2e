"""Compiled loops over items once the posterior is known: contributions, and expected squares of errors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sightline.measurement.card import N_SKILLS, STATE
from sightline.measurement.loops import add_to, compiled, dot
from sightline.measurement.observations import Floats, Index
from sightline.measurement.posterior import Information


class Known(NamedTuple):
    """What the loops read: starts of students' items (N + 1), sittings and h of items, and the posterior.

    deviation: mean - mu0 (N x 17); covariance: with severity (N x 17 x 17); rho, among: severities' mean and
    covariance (R, R x R); with_severity: Cov(x, rho) (N x K x 17).
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
    with_severity: Floats


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
def squares(known: Known, sums: Information, out: Floats) -> None:
    """E[e^2] of every item (n), one sitting after another."""
    carried = np.empty(STATE)
    for i in range(len(known.starts) - 1):
        n, end = known.starts[i], known.starts[i + 1]
        while n < end:
            last = n + 1
            while last < end and known.sitting[last] == known.sitting[n]:
                last += 1
            _squares_of_sitting(i, (n, last), known, sums, carried, out)
            n = last


@compiled
def _squares_of_sitting(
    i: int, span: tuple[int, int], known: Known, sums: Information, carried: Floats, out: Floats
) -> None:
    """E[e^2] of one sitting's items."""
    g, raters = known.sitting[span[0]], sums.raters[i]
    v, covariance, deviation = sums.sitting_shrink[g], known.covariance[i], known.deviation[i]
    with_severity = known.with_severity[i]
    borne = np.zeros(len(raters))
    shared = sums.sitting_residual[g] - _shared(i, g, known, sums, carried, borne)
    of_sitting = dot(sums.sitting_sum[g], carried) + dot(sums.sitting_rated[g], borne)
    for n in range(span[0], span[1]):
        one, two, three = known.skill[n], N_SKILLS + known.skill[n], 2 * N_SKILLS + known.source[n]
        x, y, z = known.level[n], known.change[n], known.own[n]
        mean = sums.residual[n] - x * deviation[one] - y * deviation[two] - z * deviation[three] - v * shared
        spread = x * x * covariance[one, one] + y * y * covariance[two, two] + z * z * covariance[three, three]
        spread += 2.0 * (x * y * covariance[one, two] + x * z * covariance[one, three])
        spread += 2.0 * y * z * covariance[two, three]
        between = x * carried[one] + y * carried[two] + z * carried[three]
        k = sums.slot[n]
        if k >= 0:
            mean -= known.rho[raters[k]]
            spread += known.among[raters[k], raters[k]]
            spread += 2.0 * (x * with_severity[k, one] + y * with_severity[k, two] + z * with_severity[k, three])
            between += borne[k]
        out[n] = mean * mean + v + spread - 2.0 * v * between + v * v * of_sitting


@compiled
def _shared(i: int, g: int, known: Known, sums: Information, carried: Floats, borne: Floats) -> float:
    """Mean of s = a'x + W rho beyond mu0; Cov(x, s) goes into `carried` and Cov(rho, s) into `borne`."""
    a, given, raters = sums.sitting_sum[g], sums.sitting_rated[g], sums.raters[i]
    with_severity = known.with_severity[i]
    for j in range(STATE):
        carried[j] = 0.0
    shared = 0.0
    for j in range(STATE):
        if a[j] != 0.0:
            shared += a[j] * known.deviation[i, j]
            add_to(carried, a[j], known.covariance[i, j])
            for k in range(len(raters)):
                borne[k] += a[j] * with_severity[k, j]
    for k in range(len(raters)):
        if given[k] != 0.0:
            shared += given[k] * known.rho[raters[k]]
            add_to(carried, given[k], with_severity[k])
            for m in range(len(raters)):
                if raters[m] >= 0:
                    borne[m] += given[k] * known.among[raters[k], raters[m]]
    return shared


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
