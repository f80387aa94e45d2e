"""The kernel with severities that are known already: one student, without those who share the raters."""

from __future__ import annotations

from dataclasses import dataclass

from sightline.measurement import kernel
from sightline.measurement.observations import Floats, Observations, Parameters
from sightline.measurement.posterior import Severity, Solved


@dataclass(frozen=True, slots=True)
class KnownSeverity:
    """Solves as `kernel` does, but for the severities, which it takes as given."""

    severity: Severity

    def solve(self, observations: Observations, parameters: Parameters, *, weight: Floats | None = None) -> Solved:
        sums = kernel.information(observations, parameters, weight)
        return kernel.posterior(sums, parameters, n_raters=observations.n_raters, severity=self.severity)

    def expected_errors(self, observations: Observations, parameters: Parameters, solved: Solved) -> Floats:
        return kernel.expected_errors(observations, parameters, solved)
