"""False-discovery control: Benjamini-Hochberg in each family, and selective inference inside selected ones.

Benjamini & Hochberg (1995), directional for two-sided p-values (Benjamini & Yekutieli 2005); inside families that
were selected by an earlier test, at q times the share selected (Benjamini & Bogomolov 2014).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import false_discovery_control

from sightline.growth.changes import Bools, Floats


@dataclass(frozen=True, slots=True)
class Discoveries:
    """Of one family or of many, all arrays of the shape of its p-values.

    q: the smallest q at which each would be found, NaN where it was not tested; found: q below the wanted one;
    reached: the largest p-value at which each would be found, the others being what they are.
    """

    q: Floats
    found: Bools
    reached: Floats


def discoveries(p: Floats, tested: Bools, q: float) -> Discoveries:
    """Benjamini-Hochberg over all that were tested, as one family. p and tested of one shape."""
    adjusted = np.full(p.shape, np.nan)
    if not tested.any():
        return Discoveries(adjusted, np.zeros(p.shape, dtype=bool), np.zeros(p.shape))
    adjusted[tested] = false_discovery_control(p[tested])
    found = tested & (adjusted < q)
    steps = found.sum() + ~found  # one that is not found yet would be one more
    return Discoveries(adjusted, found, np.where(tested, q * steps / tested.sum(), 0.0))


def discoveries_inside(p: Floats, selected: Bools, candidates: int, q: float) -> Discoveries:
    """Benjamini-Hochberg in each row (family) that was selected, at q times the share of candidates selected.

    p: N x m; selected: N; candidates: how many families could have been selected. What lies in families that were
    not selected is not tested.
    """
    adjusted, reached = np.full(p.shape, np.nan), np.zeros(p.shape)
    found = np.zeros(p.shape, dtype=bool)
    if not selected.any():
        return Discoveries(adjusted, found, reached)
    share = selected.sum() / candidates
    adjusted[selected] = np.minimum(false_discovery_control(p[selected], axis=1) / share, 1.0)
    found[selected] = adjusted[selected] < q
    steps = found.sum(axis=1, keepdims=True) + ~found
    reached[selected] = (q * share * steps / p.shape[1])[selected]
    return Discoveries(adjusted, found, reached)
