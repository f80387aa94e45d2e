"""What a fit changed, as tables for a terminal: each indicator, then each source and the raters."""

from __future__ import annotations

import math

import numpy as np
from rich.box import SIMPLE
from rich.table import Table

from sightline.domain.skills import SKILLS, SOURCES
from sightline.measurement.card import read_card
from sightline.measurement.parameters import parameters_for
from sightline.pipeline.fitting import Learnt, start_card


def fit_tables(learnt: Learnt) -> tuple[Table, ...]:
    """Before (the priors) and after, with standard errors; what was held is said."""
    return _indicators(learnt), _variances(learnt)


def _indicators(learnt: Learnt) -> Table:
    material, fitted = learnt.material, learnt.fitted
    after = fitted.parameters
    before = parameters_for(read_card(start_card(material.weeks)), material.indicators, material.norms)
    counts = np.bincount(material.observations.indicator, minlength=len(material.indicators))
    table = Table(title="Indicators: before → after (standard error)", title_justify="left", box=SIMPLE)
    for words in ("source", "indicator"):
        table.add_column(words, no_wrap=True)
    for words in ("observations", "lam: skill", "gam: source", "s2: left over"):
        table.add_column(words, justify="right", no_wrap=True)
    kept: dict[str, list[str]] = {}
    for j in sorted(range(len(material.indicators)), key=lambda j: (int(after.source[j]), j)):
        indicator = material.indicators[j]
        lam_error, gam_error = fitted.standard_errors[j].tolist()
        table.add_row(
            indicator.source.value,
            indicator.name,
            str(int(counts[j])),
            _change(before.lam[j], after.lam[j], lam_error),
            _change(before.gam[j], after.gam[j], gam_error),
            _change(before.s2[j], after.s2[j]),
        )
        if fitted.held.indicator[j]:
            kept.setdefault("kept as before, because too few students showed it", []).append(indicator.name)
        elif fitted.held.gam[j]:
            words = "gam kept as before, because too few students were seen by another source, too"
            kept.setdefault(words, []).append(indicator.name)
    if kept:
        table.caption = "\n".join(f"{words}: {', '.join(names)}" for words, names in kept.items())
        table.caption_justify = "left"
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
    table = Table(title="Sources, raters and skills: before → after", title_justify="left", box=SIMPLE)
    for words in ("what", "before → after"):
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
