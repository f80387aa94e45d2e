"""The parameter card of the measurement model: numbers with their origin, refused when altered.

A card is JSON: {"version", "origin", "date", "checksum", "parameters"}; the checksum is the SHA-256 of the
parameters in canonical JSON, so that an edited number cannot pass for the published one.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.domain.skills import SKILLS, SOURCES, Source
from sightline.errors import CardInvalid

N_SKILLS = len(SKILLS)
N_SOURCES = len(SOURCES)
STATE = 2 * N_SKILLS + N_SOURCES
"""Length of a student's state [alpha(7), beta(7), m(3)]."""

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Card:
    """Parameters of equation (1) of the model, in SD units of the norming population.

    lam: loading on the skill; gam: loading on what a student brings to the source; om2: variance of one
    sitting; tau2: variance of rater severity; corr: correlation among skills (levels and changes alike);
    sd_beta: SD of change over one window; weeks: length of the window; cuts: between the levels.
    """

    version: str
    origin: str
    lam: dict[Source, float]
    gam: dict[Source, float]
    om2: dict[Source, float]
    tau2: float
    corr: float
    sd_beta: float
    weeks: float
    cuts: tuple[float, float, float]
    minimum_residual: float
    minimum_reliability: float
    minimum_sessions: int
    maximum_session_share: float

    @cached_property
    def prior_mean(self) -> Array:
        """mu0, length 17: everybody starts at the population's mean and no change is presumed."""
        return np.zeros(STATE)

    @cached_property
    def prior_covariance(self) -> Array:
        """C0, 17 x 17; levels, changes and source terms are independent of one another."""
        return self._covariance(self.sd_beta**2)

    @cached_property
    def prior_information(self) -> Array:
        return np.linalg.inv(self.prior_covariance)

    @cached_property
    def flat_slope_information(self) -> Array:
        """Prior information with the changes left free, for reporting change (SD 100 stands for flat)."""
        return np.linalg.inv(self._covariance(1e4))

    def _covariance(self, variance_beta: float) -> Array:
        among = np.full((N_SKILLS, N_SKILLS), self.corr) + (1 - self.corr) * np.eye(N_SKILLS)
        covariance = np.eye(STATE)
        covariance[:N_SKILLS, :N_SKILLS] = among
        covariance[N_SKILLS : 2 * N_SKILLS, N_SKILLS : 2 * N_SKILLS] = variance_beta * among
        return covariance

    def residual_variance(self, source: Source) -> float:
        """s2 of a standardised indicator: what level, source and sitting leave of a variance of 1."""
        explained = self.lam[source] ** 2 + self.gam[source] ** 2 + self.om2[source]
        return max(1.0 - explained, self.minimum_residual)


def checksum(parameters: dict[str, Any]) -> str:
    canonical = json.dumps(parameters, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def read_card(raw: bytes) -> Card:
    """Parse and verify a card. Raises CardInvalid when it is not a card or was altered."""
    try:
        content = json.loads(raw)
        parameters = content["parameters"]
        stated = content["checksum"]
        if checksum(parameters) != stated:
            raise CardInvalid(
                f"the measurement card's checksum is {checksum(parameters)}, it states {stated}: "
                "restore the published card, or publish the change as a new version"
            )
        by_source = {
            name: {Source(key): float(value) for key, value in parameters[name].items()}
            for name in ("lam", "gam", "om2")
        }
        first, second, third = (float(cut) for cut in parameters["cuts"])
        return Card(
            version=str(content["version"]),
            origin=str(content["origin"]),
            tau2=float(parameters["tau"]) ** 2,
            corr=float(parameters["corr"]),
            sd_beta=float(parameters["sd_beta"]),
            weeks=float(parameters["weeks"]),
            cuts=(first, second, third),
            minimum_residual=float(parameters["minimum_residual"]),
            minimum_reliability=float(parameters["minimum_reliability"]),
            minimum_sessions=int(parameters["minimum_sessions"]),
            maximum_session_share=float(parameters["maximum_session_share"]),
            **by_source,
        )
    except (KeyError, ValueError, TypeError, AttributeError) as problem:
        raise CardInvalid(f"this is not a measurement card: {problem!r}") from problem
