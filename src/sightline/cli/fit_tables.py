"""What a fit changed, as tables for a terminal: each indicator, then each source and the raters."""

from __future__ import annotations

import math

import numpy as np
from rich.table import Table

from sightline.domain.skills import SKILLS, SOURCES
from sightline.measurement.priors import at_priors
from sightline.pipeline.fitting import Learnt


def fit_tables(learnt: Learnt) -> tuple[Table, ...]:
    """Before (the priors) and after, with standard errors; what was held is said."""
    return _indicators(learnt), _variances(learnt)


def _indicators(learnt: Learnt) -> Table:
    material, fitted = learnt.material, learnt.fitted
    after = fitted.parameters
    before = at_priors(after.skill, after.source, learnt.priors, 0)
    counts = np.bincount(material.observations.indicator, minlength=len(material.indicators))
    table = Table(title="Indicators: before and after (standard error)", title_justify="left")
    for words, side in (
        ("indicator", "left"),
        ("source", "left"),
        ("skill", "left"),
        ("observations", "right"),
        ("lam, on the skill", "right"),
        ("gam, on the source", "right"),
        ("s2, left over", "right"),
        ("", "left"),
    ):
        table.add_column(words, justify=side, no_wrap=words != "")  # type: ignore[arg-type]
    for j, indicator in enumerate(material.indicators):
        _, lam_error, gam_error = fitted.standard_errors[j].tolist()
        held = "kept: too few students" if fitted.held.indicator[j] else ""
        if not held and fitted.held.gam[j]:
            held = "gam kept: one source alone"
        table.add_row(
            indicator.name,
            indicator.source.value,
            indicator.skill.value,
            str(int(counts[j])),
            _change(before.lam[j], after.lam[j], lam_error),
            _change(before.gam[j], after.gam[j], gam_error),
            _change(before.s2[j], after.s2[j]),
            held,
        )
    return table


def _variances(learnt: Learnt) -> Table:
    priors, after = learnt.priors, learnt.fitted.parameters
    many = len(SKILLS)
    pairs = np.triu_indices(many, 1)

    def correlation(sigma: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
        levels = sigma[:many, :many]
        sd = np.sqrt(np.diag(levels))
        return float((levels / np.outer(sd, sd))[pairs].mean())

    def spread(sigma: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
        return float(np.sqrt(np.diag(sigma)[many:]).mean())

    o = learnt.material.observations
    raters = len(np.unique(o.rater[o.rater >= 0]))
    table = Table(title="Sources, raters and skills: before and after", title_justify="left")
    for words in ("what", "before and after"):
        table.add_column(words)
    for s, source in enumerate(SOURCES):
        table.add_row(f"{source.value}: variance of one sitting", _change(priors.om2[s], after.om2[s]))
    table.add_row(f"raters ({raters}): variance of severity", _change(priors.tau2, after.tau2))
    table.add_row("skills: mean correlation", _change(correlation(priors.sigma), correlation(after.sigma)))
    table.add_row("change over the window: mean SD", _change(spread(priors.sigma), spread(after.sigma)))
    table.add_row("change over the window: mean", _change(0.0, float(after.mu_beta.mean())))
    tails = "normal" if math.isinf(after.nu) else f"{after.nu:.1f} degrees of freedom"
    table.add_row("tails of the errors", f"normal → {tails}")
    return table


def _change(before: float, after: float, error: float = math.nan) -> str:
    said = f"{before:.2f} → {after:.2f}"
    return f"{said} ({error:.2f})" if math.isfinite(error) else said
