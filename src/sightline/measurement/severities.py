"""The severities of a school's raters as they were found, to assess one student with until they are found anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from sightline.measurement.observations import Floats
from sightline.measurement.posterior import Severity


@dataclass(frozen=True, slots=True)
class Severities:
    """The posterior of R raters' severities: raters in rising order, mean (R) and covariance (R x R)."""

    raters: tuple[UUID, ...]
    mean: Floats
    covariance: Floats

    def of(self, raters: Sequence[UUID], tau2: float) -> Severity:
        """For some raters in their order; of one who is not known there is the prior, with variance tau2."""
        place = {rater: i for i, rater in enumerate(self.raters)}
        known = [i for i, rater in enumerate(raters) if rater in place]
        at = [place[raters[i]] for i in known]
        mean, covariance = np.zeros(len(raters)), tau2 * np.eye(len(raters))
        mean[known] = self.mean[at]
        covariance[np.ix_(known, known)] = self.covariance[np.ix_(at, at)]
        return Severity(mean=mean, covariance=covariance)
