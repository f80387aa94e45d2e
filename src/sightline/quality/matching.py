"""What the other sources say of a skill, as evidence with a known error: what DIF and monitors compare with.

A posterior mean is drawn towards its prior, and a group or class that truly differs is drawn back from where its
data lies; a difference in all skills at once is even taken for what students bring to a source. Subtracting such
means leaves a part of the true difference behind, which then looks like DIF or like a broken source. So the
posterior comes with a flat prior on the skills, what is left of that prior is taken out here, and what remains is
the skill plus an error of known variance, which the regressions correct for (Fuller, Measurement Error Models,
1987, ch. 3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightline.errors import BadInput

Floats = NDArray[np.float64]
Index = NDArray[np.intp]
Flags = NDArray[np.bool_]

MOST_VARIANCE = 19.0
"""Error variance (population variances) above which less than a twentieth of a value's variation is skill."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Per observation (n): the skill with error, `value`, the variance of that error, and whether there is any.

    Where `usable` is false, value is 0 and variance MOST_VARIANCE, and neither is to be used.
    """

    value: Floats
    variance: Floats
    usable: Flags

    @property
    def weight(self) -> Floats:
        """Inverse variance of the values in a population of variance 1: from exposure, never from the outcome."""
        return 1.0 / (1.0 + self.variance)


@dataclass(frozen=True, slots=True)
class Matching:
    """Posterior of each observation's skill at its time, from sources other than the observation's own.

    mean, standard_error: length n, population SD units. prior_variance: of each level under the prior that was
    used, without correlations among skills; wide (100 or more), or infinite for none. With the scoring prior
    (variance 1, skills correlated) the results are biased wherever groups differ in skill. prior_mean: of that
    skill at that time, one number or length n.
    """

    mean: Floats
    standard_error: Floats
    prior_variance: Floats | float
    prior_mean: Floats | float = 0.0

    def evidence(self) -> Evidence:
        """The posterior without its prior. Raises BadInput when lengths differ."""
        if self.mean.shape != self.standard_error.shape:
            raise BadInput("a matching needs one mean and one standard error for each observation")
        prior_variance = np.broadcast_to(np.asarray(self.prior_variance, dtype=np.float64), self.mean.shape)
        prior_mean = np.broadcast_to(np.asarray(self.prior_mean, dtype=np.float64), self.mean.shape)
        share = 1.0 - self.standard_error**2 / prior_variance
        known = np.isfinite(self.mean) & np.isfinite(self.standard_error) & (share > 0)
        usable = known & (self.standard_error**2 <= MOST_VARIANCE * share)
        safe = np.where(usable, share, 1.0)
        value = np.where(usable, prior_mean + (self.mean - prior_mean) / safe, 0.0)
        variance = np.where(usable, self.standard_error**2 / safe, MOST_VARIANCE)
        return Evidence(value, variance, usable)
