"""The parameter card of the measurement model: numbers with their origin, refused when altered.

A card is JSON: {"version", "origin", "date", "checksum", "parameters"}; the checksum is the SHA-256 of the
parameters in canonical JSON, so that an edited number cannot pass for the published one. A literature card
gives one number a source. A fitted card has "learned" among its parameters: each indicator's own numbers, its
norms, and what they were fitted on; the numbers by source are then what the fit started from.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.domain.skills import SKILLS, SOURCES, Source
from sightline.errors import CardInvalid
from sightline.measurement import learned as fitted
from sightline.measurement.learned import Learned
from sightline.measurement.norms import Norms

N_SKILLS = len(SKILLS)
N_SOURCES = len(SOURCES)
STATE = 2 * N_SKILLS + N_SOURCES
"""Length of a student's state [alpha(7), beta(7), m(3)]."""

SHORTEST, LONGEST = 4.0, 12.0
"""Weeks of a window: a shorter one has no room for change, and over a longer one change is no straight line."""

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Card:
    """Parameters of equation (1) of the model, in SD units of the norming population, and rules of reporting.

    lam: loading on the skill; gam: loading on what a student brings to the source; om2: variance of one
    sitting; tau2: variance of rater severity; corr: correlation among skills (levels and changes alike);
    sd_beta: SD of change over one window; weeks: length of the window; cuts: between the levels; learned: what
    a fit put in place of all these, None with literature priors.
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
    learned: Learned | None = None

    @property
    def sigma(self) -> NDArray[np.float64]:
        """Covariance of levels and changes (14 x 14); by assumption independent unless a fit says otherwise."""
        if self.learned is not None:
            return self.learned.sigma
        among = np.full((N_SKILLS, N_SKILLS), self.corr) + (1 - self.corr) * np.eye(N_SKILLS)
        sigma = np.zeros((2 * N_SKILLS, 2 * N_SKILLS))
        sigma[:N_SKILLS, :N_SKILLS] = among
        sigma[N_SKILLS:, N_SKILLS:] = self.sd_beta**2 * among
        return sigma

    @property
    def mu_beta(self) -> NDArray[np.float64]:
        """Mean changes over the window (7); no change is presumed unless a fit found one."""
        return np.zeros(N_SKILLS) if self.learned is None else self.learned.mu_beta

    @property
    def prior_covariance(self) -> NDArray[np.float64]:
        """C0, 17 x 17: sigma, and source terms of variance 1, independent of it and of one another."""
        covariance = np.eye(STATE)
        covariance[: 2 * N_SKILLS, : 2 * N_SKILLS] = self.sigma
        return covariance

    @cached_property
    def norms(self) -> Norms | None:
        """The norms fixed in a fitted card; None when the school's own have to do."""
        return None if self.learned is None else self.learned.norms

    @property
    def gam_learned(self) -> frozenset[Source]:
        """Sources of which it is known, not only assumed, how much students bring to them."""
        return frozenset() if self.learned is None else self.learned.gam_learned

    @property
    def parameter_error(self) -> float:
        """What the parameters' own errors add to a variance, as a share of what the evidence took from it."""
        return 0.0 if self.learned is None else self.learned.parameter_error

    def residual_variance(self, source: Source) -> float:
        """s2 of a standardised indicator: what level, source and sitting leave of a variance of 1."""
        explained = self.lam[source] ** 2 + self.gam[source] ** 2 + self.om2[source]
        return max(1.0 - explained, self.minimum_residual)

    def for_window(self, weeks: float) -> Card:
        """The same card for a window of so many weeks: change over a window grows with its length.

        SD and mean of the change of a window are those a week times its weeks; levels at its start stay. Raises
        CardInvalid outside 4 to 12 weeks.
        """
        if not SHORTEST <= weeks <= LONGEST:
            raise CardInvalid(f"a window of {weeks:g} weeks: the model is for {SHORTEST:g} to {LONGEST:g} weeks")
        if weeks == self.weeks:
            return self
        longer = weeks / self.weeks
        learned = self.learned
        if learned is not None:
            stretch = np.repeat([1.0, longer], N_SKILLS)
            sigma = learned.sigma * np.outer(stretch, stretch)
            learned = replace(learned, sigma=sigma, mu_beta=learned.mu_beta * longer)
        version = f"{self.version}, {weeks:g} weeks"
        return replace(self, version=version, weeks=weeks, sd_beta=self.sd_beta * longer, learned=learned)


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
            learned=fitted.from_json(parameters["learned"]) if "learned" in parameters else None,
            **by_source,
        )
    except (KeyError, ValueError, TypeError, AttributeError) as problem:
        raise CardInvalid(f"this is not a measurement card: {problem!r}") from problem


def fitted_card(start: bytes, learned: Learned, *, version: str, origin: str, made: date) -> bytes:
    """A card with the rules and starting numbers of the card `start` and with what was learned, ready to publish.

    Raises CardInvalid when `start` is no valid card or the learned numbers cannot be a model's.
    """
    read_card(start)
    parameters = {**json.loads(start)["parameters"], "learned": fitted.as_json(learned)}
    content = {
        "version": version,
        "origin": origin,
        "date": made.isoformat(),
        "checksum": checksum(parameters),
        "parameters": parameters,
    }
    raw = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    read_card(raw)
    return raw
