"""How good held-out log-odds are: agreement with the coders, calibration, and the error rates of each act.

Whatever is chosen by looking at labels (the temperature, the thresholds) is chosen for each fold on the other
folds, so that no figure here has seen the labels that it is measured on. Needs the `train` extra.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.metrics import accuracy_score, cohen_kappa_score, roc_auc_score

from sightline.talkacts.acts import Act, ActFigures, Floats, Whole

TEMPERATURES: Final = np.arange(50, 201) / 100
"""What a temperature may be, in steps of .01; 1 = as fitted."""
THRESHOLDS: Final = np.arange(1, 100) / 100
"""What a threshold may be, in steps of .01 of a probability."""
ECE_BINS: Final = 10
"""Equal-width bins of the expected calibration error, the usual number (Guo et al. 2017)."""
DECIMALS: Final = 4

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Log-odds (n, k) of turns by models that did not see their group; `truth` (n,) the class, `fold` (n,)."""

    rows: Floats
    truth: Whole
    fold: Whole
    classes: tuple[frozenset[Act], ...]

    def of(self, chosen: Flags) -> HeldOut:
        return HeldOut(self.rows[chosen], self.truth[chosen], self.fold[chosen], self.classes)

    def shares(self, temperature: float) -> Floats:
        """Probabilities (n, k) of the classes; the class without acts is certain where nothing was said."""
        silent = self.silent()
        rows = np.where(silent[:, None], 0.0, self.rows) / temperature
        odds = np.exp(rows - rows.max(axis=1, keepdims=True))
        shares = odds / odds.sum(axis=1, keepdims=True)
        shares[silent] = [float(not held) for held in self.classes]
        return np.asarray(shares, dtype=np.float64)

    def silent(self) -> Flags:
        """Which turns (n,) said nothing."""
        return np.asarray(np.isneginf(self.rows).all(axis=1), dtype=np.bool_)

    def holding(self, act: Act) -> Flags:
        """Which of the classes (k,) hold the act."""
        return np.array([act in held for held in self.classes])


def best_temperature(held: HeldOut) -> float:
    """The temperature with the least negative log-likelihood (Guo et al. 2017)."""
    at = np.arange(len(held.truth))
    said = ~held.silent()
    losses = [-np.log(held.shares(t)[at, held.truth][said]).mean() for t in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


def best_threshold(probability: Floats, true: Flags) -> float:
    """The threshold with the best F1 (the lowest of equals)."""
    f1 = [2 * (true & (probability >= t)).sum() / (true.sum() + (probability >= t).sum()) for t in THRESHOLDS]
    return float(THRESHOLDS[int(np.argmax(f1))])


def calibrated(held: HeldOut) -> Floats:
    """Probabilities (n, k), each fold's temperature chosen on the other folds."""
    out = np.empty_like(held.rows)
    for fold in np.unique(held.fold):
        here = held.fold == fold
        out[here] = held.of(here).shares(best_temperature(held.of(~here)))
    return out


def act_figures(held: HeldOut) -> dict[Act, ActFigures]:
    """Error rates, AUROC and ECE of each act; the threshold given is the one chosen on all folds."""
    shares = calibrated(held)
    return {act: _one_act(held, act, shares[:, held.holding(act)].sum(axis=1)) for act in Act}


def overall_figures(held: HeldOut) -> dict[str, float]:
    """Accuracy and Cohen's kappa of the type (none, stating, probing) and the target (none and five), pooled.

    `*_kappa_fold_sd` is the standard deviation of kappa over the folds.
    """
    shares = calibrated(held)
    out: dict[str, float] = {"labelled_turns": len(held.truth), "folds": len(np.unique(held.fold))}
    for name, kinds in (("type", types(held.classes)), ("target", targets(held.classes))):
        said, found = _collapsed(held, shares, kinds)
        kappas = [cohen_kappa_score(said[held.fold == f], found[held.fold == f]) for f in np.unique(held.fold)]
        out[f"{name}_accuracy"] = _rounded(accuracy_score(said, found))
        out[f"{name}_kappa"] = _rounded(cohen_kappa_score(said, found))
        out[f"{name}_kappa_fold_sd"] = _rounded(np.std(kappas, ddof=1))
    return out


def types(classes: Sequence[frozenset[Act]]) -> list[str]:
    """The first level of the corpus's annotation, for each class."""
    return ["probing" if Act.PROBING in held else "stating" if held else "none" for held in classes]


def targets(classes: Sequence[frozenset[Act]]) -> list[str]:
    """The second level of the corpus's annotation, for each class; "none" where the first is none."""
    return [next((act.value for act in held if act is not Act.PROBING), "none") for held in classes]


def _collapsed(held: HeldOut, shares: Floats, kinds: list[str]) -> tuple[Whole, Whole]:
    names = sorted(set(kinds))
    number = np.array([names.index(kind) for kind in kinds])
    sums = np.stack([shares[:, number == at].sum(axis=1) for at in range(len(names))], axis=1)
    return number[held.truth], sums.argmax(axis=1)


def _one_act(held: HeldOut, act: Act, probability: Floats) -> ActFigures:
    true = held.holding(act)[held.truth]
    found = np.empty_like(true)
    for fold in np.unique(held.fold):
        here = held.fold == fold
        found[here] = probability[here] >= best_threshold(probability[~here], true[~here])
    return ActFigures(
        threshold=best_threshold(probability, true),
        sensitivity=_rounded(found[true].mean()),
        false_positive_rate=_rounded(found[~true].mean()),
        precision=_rounded(true[found].mean()) if found.any() else 0.0,
        auroc=_rounded(roc_auc_score(true, probability)),
        ece=_rounded(expected_calibration_error(probability, true)),
        positives=int(true.sum()),
        negatives=int((~true).sum()),
    )


def expected_calibration_error(probability: Floats, true: Flags) -> float:
    """Mean distance of probability and share true over `ECE_BINS` equal bins, weighted by turns (0 to 1)."""
    bins = np.minimum((probability * ECE_BINS).astype(int), ECE_BINS - 1)
    gaps = [abs(probability[bins == b].sum() - true[bins == b].sum()) for b in range(ECE_BINS)]
    return float(sum(gaps) / len(true))


def _rounded(value: float) -> float:
    return round(float(value), DECIMALS)


def as_plain(figures: Mapping[Act, ActFigures]) -> dict[str, dict[str, float]]:
    """The figures of each act as JSON would have them."""
    names = ActFigures.__dataclass_fields__
    return {act.value: {name: getattr(one, name) for name in names} for act, one in figures.items()}
