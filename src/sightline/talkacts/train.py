"""The recipe of the talk-act card: DeliData's conversations to one JSON file, the same bytes every time.

`python -m sightline.talkacts.train CORPUS OUT --seed 20261122` writes the card and prints its figures. Ten folds
by group give the figures; each fold's model is rounded exactly as the card is and read by the run-time code, so
the figures are those of what ships. Then one model is fitted on everything. Needs the `train` extra.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits  # it ships no types

from sightline.errors import BadInput
from sightline.talkacts.acts import WEIGHT_UNIT, Act, Weights, log_odds, read_card, sealed
from sightline.talkacts.corpus import CORPUS, LICENCE, Conversation, corpus_checksum, read_delidata
from sightline.talkacts.features import bucket, described, is_word, tokens
from sightline.talkacts.figures import HeldOut, act_figures, as_plain, best_temperature, overall_figures

__all__ = ["main", "read_delidata", "train"]

VERSION: Final = "talkacts-delidata-1"
RECIPE_DATE: Final = date(2026, 11, 22)
"""The day this recipe was made: the card's date unless another is given, so its bytes do not hang on today."""
N_FEATURES: Final = 2**20
"""Buckets. About 6,000 are used, so an unseen feature falls on a used one with a chance of about .6 %."""
MIN_TURNS: Final = 3
"""A feature (and a word of the vocabulary) counts when this many training turns have it; 2 gave the same kappa
(+-.001, 5-fold by group) with half as many weights again."""
INVERSE_PENALTY: Final = 8.0
"""scikit-learn's C. 4 gave a type kappa .004 lower, 30 a target kappa .011 lower (5-fold by group)."""
MAX_STEPS: Final = 500
FOLDS: Final = 10


def train(conversations: Sequence[Conversation], *, seed: int, trained_at: date) -> bytes:
    """The card of these conversations as JSON; `seed` deals the groups into folds.

    Raises `BadInput` when there are fewer groups than folds or when an act never occurs.
    """
    classes = _classes(conversations)
    if len({one.group for one in conversations}) < FOLDS:
        raise BadInput(f"{FOLDS} folds by group need at least {FOLDS} groups")
    with threadpool_limits(limits=1):  # sums in parallel round differently, and the bytes would hang on the cores
        held = _held_out(conversations, classes, seed)
        model = _fitted(conversations, classes)
    spoken = [tokens(turn.text) for one in conversations for turn in one.turns]
    seen = Counter(word for said in spoken for word in set(said) if is_word(word))
    body = {
        "version": VERSION,
        "trained_on": {
            "corpus": CORPUS,
            "files": len(conversations),
            "groups": len({one.group for one in conversations}),
            "turns": len(held.truth),
            "checksum": corpus_checksum(conversations),
        },
        "licence": LICENCE,
        "date": trained_at.isoformat(),
        "seed": seed,
        "n_features": N_FEATURES,
        "temperature": best_temperature(held),
        "acts": as_plain(act_figures(held)),
        "overall": overall_figures(held),
        "classes": [sorted(act.value for act in one) for one in classes],
        "buckets": model.buckets.tolist(),
        "weights": np.rint(model.weights * WEIGHT_UNIT).astype(int).tolist(),
        "intercept": np.rint(model.intercept * WEIGHT_UNIT).astype(int).tolist(),
        "vocabulary": sorted({bucket(f"w:{w}", N_FEATURES) for w, n in seen.items() if n >= MIN_TURNS}),
    }
    return sealed(body)


def _classes(conversations: Sequence[Conversation]) -> tuple[frozenset[Act], ...]:
    found = {label for one in conversations for label in one.labels if label is not None}
    if missing := set(Act) - {act for label in found for act in label}:
        raise BadInput(f"no turn is labelled {', '.join(sorted(missing))}, so the card could not tell it")
    return tuple(sorted(found, key=sorted))


def _held_out(conversations: Sequence[Conversation], classes: tuple[frozenset[Act], ...], seed: int) -> HeldOut:
    groups = [one.group for one in conversations]
    splits = GroupKFold(FOLDS, shuffle=True, random_state=seed).split(groups, groups=groups)
    rows, truth, folds = [], [], []
    for fold, (learn, test) in enumerate(splits):
        model = _fitted([conversations[at] for at in learn], classes)
        for one in (conversations[at] for at in test):
            coded = [at for at, label in enumerate(one.labels) if label is not None]
            rows.append(log_odds(model, one.turns)[coded])
            truth += [classes.index(label) for label in one.labels if label is not None]
            folds += [fold] * len(coded)
    return HeldOut(np.concatenate(rows), np.array(truth), np.array(folds), classes)


def _fitted(conversations: Sequence[Conversation], classes: tuple[frozenset[Act], ...]) -> Weights:
    """A model of the labelled turns, its numbers already rounded to what a card can hold."""
    pairs = [
        (values, classes.index(label))
        for one in conversations
        for values, label in zip(described(one.turns, N_FEATURES), one.labels, strict=True)
        if label is not None and values
    ]
    turns_with = Counter(at for values, _ in pairs for at in values)
    buckets = np.array(sorted(at for at, n in turns_with.items() if n >= MIN_TURNS), dtype=np.int64)
    column = {int(at): number for number, at in enumerate(buckets)}
    cells = [
        (row, column[at], value)
        for row, (values, _) in enumerate(pairs)
        for at, value in values.items()
        if at in column
    ]
    row, col, value = zip(*cells, strict=True)
    shape = (len(pairs), len(buckets))
    fit = LogisticRegression(C=INVERSE_PENALTY, max_iter=MAX_STEPS)
    fit.fit(csr_matrix((value, (row, col)), shape=shape), [label for _, label in pairs])
    if list(fit.classes_) != list(range(len(classes))):
        raise BadInput("a kind of turn is too rare: some folds would have none of it to learn from")
    return Weights(
        n_features=N_FEATURES,
        classes=classes,
        buckets=buckets,
        weights=np.rint(fit.coef_.T * WEIGHT_UNIT) / WEIGHT_UNIT,
        intercept=np.rint(fit.intercept_ * WEIGHT_UNIT) / WEIGHT_UNIT,
    )


def report(raw: bytes) -> str:
    """The figures of a card as lines to print."""
    card = read_card(raw)
    lines = [f"{card.version}: {len(raw)} bytes, {len(card.weights.buckets)} features, checksum {card.checksum}"]
    lines += [f"temperature {card.temperature}"]
    lines += [f"{name} {value:g}" for name, value in card.overall.items()]
    for act in Act:
        one = card.acts[act]
        lines.append(
            f"{act}: threshold {one.threshold:.2f} precision {one.precision:.3f} recall {one.sensitivity:.3f} "
            f"FPR {one.false_positive_rate:.4f} AUROC {one.auroc:.3f} ECE {one.ece:.4f} "
            f"({one.positives} of {one.positives + one.negatives})"
        )
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. 0 when the card was written; 1, with one line on standard error, when it could not be."""
    parser = argparse.ArgumentParser(prog="python -m sightline.talkacts.train", description=__doc__)
    parser.add_argument("corpus", type=Path, help="the folder with DeliData's files, one per group")
    parser.add_argument("out", type=Path, help="the card to write")
    parser.add_argument("--seed", type=int, required=True, help="deals the groups into folds")
    parser.add_argument("--date", type=date.fromisoformat, default=RECIPE_DATE, help="the card's date")
    given = parser.parse_args(arguments)
    try:
        raw = train(read_delidata(given.corpus), seed=given.seed, trained_at=given.date)
        given.out.write_bytes(raw)
    except BadInput as error:
        sys.stderr.write(f"{error.detail}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{error.filename}: {error.strerror}\n")
        return 1
    sys.stdout.write(report(raw))
    return 0


if __name__ == "__main__":
    sys.exit(main())
