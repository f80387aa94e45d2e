"""What a fitted parameter card holds beyond the rules of reporting: each indicator's numbers, with their
origin.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.domain.skills import SKILLS, Skill, Source
from sightline.measurement.norms import MINIMUM_STUDENTS, Norm, Norms

STATES = 2 * len(SKILLS)
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LearnedIndicator:
    """Parameters of one indicator in SD of the norming population, with the norm that they belong to.

    errors: standard errors by the parameter's name (c, lam, gam, s2), as far as they are known.
    """

    skill: Skill
    source: Source
    c: float
    lam: float
    gam: float
    s2: float
    norm: Norm
    errors: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class LearnedFrom:
    """What a card was fitted on."""

    students: int
    observations: int
    first: date
    last: date
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Learned:
    """Fitted parameters.

    om2: variance of one sitting by source; tau2, kap2: of raters' severity and tasks' difficulty; tasks:
    difficulty by the task's name; sigma: covariance of levels and changes (14 x 14); mu_beta: mean changes (7);
    nu: degrees of freedom of the errors. gam_learned: sources whose loading on what a student brings was
    learned, not only assumed. parameter_error: what the parameters' own errors add to a variance, as a share of
    what the evidence took from it: the whole variance is P + parameter_error (C0 - P), nothing without evidence
    (from the bootstrap; 0 if not done).
    """

    origin: LearnedFrom
    indicators: Mapping[str, LearnedIndicator]
    om2: Mapping[Source, float]
    tau2: float
    kap2: float
    tasks: Mapping[str, float]
    sigma: Floats
    mu_beta: Floats
    nu: float
    gam_learned: frozenset[Source]
    parameter_error: float = 0.0

    @property
    def norms(self) -> Norms:
        """The norms inside the card; they never move with the school that is measured."""
        by_indicator = {name: found.norm for name, found in sorted(self.indicators.items())}
        text = repr(list(by_indicator.items()))
        return Norms(version=hashlib.sha256(text.encode()).hexdigest()[:16], by_indicator=by_indicator)


def as_json(learned: Learned) -> dict[str, Any]:
    """The fitted part of a card's parameters as JSON values; floats keep every digit."""
    origin = learned.origin
    return {
        "fitted_on": {
            "students": origin.students,
            "observations": origin.observations,
            "first": origin.first.isoformat(),
            "last": origin.last.isoformat(),
            "sources": [source.value for source in origin.sources],
        },
        "indicators": {
            name: {
                "skill": found.skill.value,
                "source": found.source.value,
                **{key: getattr(found, key) for key in ("c", "lam", "gam", "s2")},
                "norm": asdict(found.norm),
                "errors": dict(found.errors),
            }
            for name, found in sorted(learned.indicators.items())
        },
        "om2": {source.value: value for source, value in learned.om2.items()},
        "tau2": learned.tau2,
        "kap2": learned.kap2,
        "tasks": dict(learned.tasks),
        "sigma": learned.sigma.tolist(),
        "mu_beta": learned.mu_beta.tolist(),
        "nu": None if np.isinf(learned.nu) else learned.nu,
        "gam_learned": sorted(source.value for source in learned.gam_learned),
        "parameter_error": learned.parameter_error,
    }


def from_json(content: Mapping[str, Any]) -> Learned:
    """What `as_json` wrote. Raises KeyError, TypeError or ValueError when it is something else."""
    origin = content["fitted_on"]
    learned = Learned(
        origin=LearnedFrom(
            students=int(origin["students"]),
            observations=int(origin["observations"]),
            first=date.fromisoformat(origin["first"]),
            last=date.fromisoformat(origin["last"]),
            sources=tuple(Source(name) for name in origin["sources"]),
        ),
        indicators={name: _indicator(found) for name, found in content["indicators"].items()},
        om2={Source(name): float(value) for name, value in content["om2"].items()},
        tau2=float(content["tau2"]),
        kap2=float(content["kap2"]),
        tasks={str(name): float(value) for name, value in content["tasks"].items()},
        sigma=np.array(content["sigma"], dtype=np.float64),
        mu_beta=np.array(content["mu_beta"], dtype=np.float64),
        nu=np.inf if content["nu"] is None else float(content["nu"]),
        gam_learned=frozenset(Source(name) for name in content["gam_learned"]),
        parameter_error=float(content["parameter_error"]),
    )
    _check(learned)
    return learned


def _indicator(found: Mapping[str, Any]) -> LearnedIndicator:
    norm = found["norm"]
    return LearnedIndicator(
        skill=Skill(found["skill"]),
        source=Source(found["source"]),
        c=float(found["c"]),
        lam=float(found["lam"]),
        gam=float(found["gam"]),
        s2=float(found["s2"]),
        norm=Norm(
            mean=float(norm["mean"]),
            spread=float(norm["spread"]),
            students=int(norm["students"]),
            observables=int(norm["observables"]),
            typical_sampling_variance=float(norm["typical_sampling_variance"]),
        ),
        errors={str(name): float(value) for name, value in found["errors"].items()},
    )


def _check(learned: Learned) -> None:
    """Raises ValueError for numbers that no model can have."""
    sigma = learned.sigma
    wrong = {
        "sigma is no covariance of 7 levels and 7 changes": sigma.shape != (STATES, STATES)
        or not np.allclose(sigma, sigma.T)
        or np.linalg.eigvalsh(sigma)[0] <= 0,
        "mu_beta has no mean for each skill": learned.mu_beta.shape != (len(SKILLS),),
        "a variance is negative": min(learned.tau2, learned.kap2, learned.parameter_error, *learned.om2.values())
        < 0,
        "a source has no om2": set(learned.om2) != set(Source),
        "nu is not above 2": not learned.nu > 2,  # noqa: PLR2004 - below, errors have no variance
        "an indicator's lam is negative, or its s2 or norm is not positive": any(
            found.lam < 0 or found.s2 <= 0 or found.norm.spread <= 0 or found.norm.students < MINIMUM_STUDENTS
            for found in learned.indicators.values()
        ),
    }
    for words, is_so in wrong.items():
        if is_so:
            raise ValueError(words)
