"""What a turn of talk does: reasons, proposes, agrees, disagrees, organises, asks. Run time, numpy only.

The model is one multinomial logistic regression over the combinations of acts that the annotators of DeliData
used (Karadzhov, Stafford & Vlachos 2023); the probability of an act is the sum over the combinations that hold it.
So acts are not exclusive: "should we take 4?" is `PROBING` and `SOLUTION`, and `MODERATING` is always `PROBING`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from sightline.errors import CardInvalid
from sightline.talkacts.features import Turn, bucket, described, is_word, tokens

__all__ = [
    "Act",
    "ActCard",
    "ActFigures",
    "Origin",
    "Turn",
    "Weights",
    "act_probabilities",
    "coverage",
    "log_odds",
    "probabilities",
    "read_card",
    "sealed",
]

WEIGHT_UNIT: Final = 1000
"""Weights are stored as whole thousandths of a log-odds."""

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Count = Annotated[int, msgspec.Meta(ge=0)]
_Thousandths = Annotated[int, msgspec.Meta(ge=-(10**6), le=10**6)]
"""Up to a thousand log-odds either way: far beyond any fit, and nothing overflows."""


class Act(StrEnum):
    """What a turn does, in DeliData's words (`annotation_target`, and `Probing` of `annotation_type`)."""

    REASONING = "reasoning"
    """Gives a reason or, when also `PROBING`, asks for one."""
    SOLUTION = "solution"
    """Names or proposes a (part of a) solution, or asks about one."""
    AGREEING = "agreeing"
    DISAGREEING = "disagreeing"
    MODERATING = "moderating"
    """Organises the talk: "what does everyone think?"; a kind of `PROBING`."""
    PROBING = "probing"
    """Provokes discussion: asks for a view, a reason or a step."""


@dataclass(frozen=True, slots=True)
class ActFigures:
    """How well one act is found; shares of 0 to 1 on held-out groups, at `threshold` (on the probability).

    `positives` and `negatives` are the labelled turns behind `sensitivity` and `false_positive_rate`.
    """

    threshold: _Share
    sensitivity: _Share
    false_positive_rate: _Share
    precision: _Share
    auroc: _Share
    ece: _Share
    positives: _Count
    negatives: _Count


@dataclass(frozen=True, slots=True)
class Origin:
    """What the card was trained on. `checksum`: SHA-256 over the sorted lines `<sha256 of a file>  <name>`."""

    corpus: str
    files: _Count
    groups: _Count
    turns: _Count
    checksum: str


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """A fitted model: `buckets` (f,) ascending, `weights` (f, k) and `intercept` (k,) in log-odds.

    `classes` are the k combinations of acts; `n_features` is the number of buckets that features hash into.
    """

    n_features: int
    classes: tuple[frozenset[Act], ...]
    buckets: Whole
    weights: Floats
    intercept: Floats


@dataclass(frozen=True, slots=True, eq=False)
class ActCard:
    """A checked parameter card. `overall` holds accuracy and kappa by group-wise cross-validation.

    `temperature` divides the log-odds (above 1 = the fit was too sure); `vocabulary` (v,) are the buckets of the
    words known from training, ascending.
    """

    version: str
    trained_on: Origin
    licence: str
    date: date
    checksum: str
    seed: int
    n_features: int
    temperature: float
    acts: Mapping[Act, ActFigures]
    overall: Mapping[str, float]
    weights: Weights
    vocabulary: Whole


class _CardFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The card as it lies in JSON; weights and intercept in thousandths of a log-odds."""

    version: str
    trained_on: Origin
    licence: str
    date: date
    checksum: str
    seed: int
    n_features: Annotated[int, msgspec.Meta(gt=0, le=2**32)]
    temperature: Annotated[float, msgspec.Meta(gt=0)]
    acts: dict[Act, ActFigures]
    overall: dict[str, float]
    classes: list[list[Act]]
    buckets: list[_Count]
    weights: list[list[_Thousandths]]
    intercept: list[_Thousandths]
    vocabulary: list[_Count]


def sealed(body: Mapping[str, Any]) -> bytes:
    """The JSON of a card: `body` with the SHA-256 of its canonical form (sorted keys, no spaces) as `checksum`."""
    return _canonical({**body, "checksum": _checksum(body)}) + b"\n"


def read_card(raw: bytes) -> ActCard:
    """The card in `raw`. Raises `CardInvalid` when the checksum inside is wrong or anything is misshapen."""
    try:
        loose = msgspec.json.decode(raw, type=dict[str, Any])
        card = msgspec.json.decode(raw, type=_CardFile)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CardInvalid(f"the talk-act card cannot be read: {error}") from error
    if _checksum({key: value for key, value in loose.items() if key != "checksum"}) != card.checksum:
        raise CardInvalid(
            "the talk-act card was changed after it was made: its checksum does not match; get it anew"
        )
    return _checked(card)


def act_probabilities(card: ActCard, turns: Sequence[Turn]) -> tuple[Mapping[Act, float], ...]:
    """For each turn, in order of talk, the probability (0 to 1) of every act; an empty tuple for no turns.

    Of other turns only the one before is read (who spoke, and whether it asked). A turn without a word, letter
    or number has 0 for every act: nothing was said, so no act was done.
    """
    return tuple(probabilities(card.weights, row / card.temperature) for row in log_odds(card.weights, turns))


def coverage(card: ActCard, turns: Sequence[Turn]) -> float:
    """Share (0 to 1) of the words in `turns` that training knew: low means that the card is out of its domain.

    Marks, numbers and single letters do not count. 0 when there is no word at all: then nothing is known.
    """
    words = [token for turn in turns for token in tokens(turn.text) if is_word(token)]
    if not words:
        return 0.0
    return float(np.isin([bucket(f"w:{word}", card.n_features) for word in words], card.vocabulary).mean())


def log_odds(model: Weights, turns: Sequence[Turn]) -> Floats:
    """Unnormalised log-odds (n, k) of the model's classes for each turn; minus infinity where nothing was said."""
    row_of = {int(at): row for row, at in enumerate(model.buckets)}
    out = np.full((len(turns), len(model.classes)), -np.inf)
    for number, values in enumerate(described(turns, model.n_features)):
        if values:
            known = [(row_of[at], value) for at, value in values.items() if at in row_of]
            rows, sizes = [row for row, _ in known], np.array([value for _, value in known])
            out[number] = model.intercept + sizes @ model.weights[rows]
    return out


def probabilities(model: Weights, row: Floats) -> dict[Act, float]:
    """The probability of each act from one row (k,) of tempered log-odds; all 0 for a row of minus infinities."""
    if np.isneginf(row).all():
        return dict.fromkeys(Act, 0.0)
    odds = np.exp(row - row.max())
    share = odds / odds.sum()
    holds = np.array([[act in combination for combination in model.classes] for act in Act])
    return {act: min(1.0, float(share[held].sum())) for act, held in zip(Act, holds, strict=True)}


def _checked(card: _CardFile) -> ActCard:
    k = len(card.classes)
    ascending = all(one < two for numbers in (card.buckets, card.vocabulary) for one, two in pairwise(numbers))
    highest = max([0, *card.buckets[-1:], *card.vocabulary[-1:]])
    if set(card.acts) != set(Act) or {act for held in card.classes for act in held} != set(Act):
        raise CardInvalid("the talk-act card does not cover exactly the known acts")
    if len(card.weights) != len(card.buckets) or len(card.intercept) != k or not ascending:
        raise CardInvalid("the talk-act card's weights, buckets and classes do not fit together")
    if any(len(row) != k for row in card.weights) or highest >= card.n_features:
        raise CardInvalid("the talk-act card's weights, buckets and classes do not fit together")
    return ActCard(
        version=card.version,
        trained_on=card.trained_on,
        licence=card.licence,
        date=card.date,
        checksum=card.checksum,
        seed=card.seed,
        n_features=card.n_features,
        temperature=card.temperature,
        acts=card.acts,
        overall=card.overall,
        weights=Weights(
            n_features=card.n_features,
            classes=tuple(frozenset(held) for held in card.classes),
            buckets=np.array(card.buckets, dtype=np.int64),
            weights=np.array(card.weights, dtype=np.float64).reshape(-1, k) / WEIGHT_UNIT,
            intercept=np.array(card.intercept, dtype=np.float64) / WEIGHT_UNIT,
        ),
        vocabulary=np.array(card.vocabulary, dtype=np.int64),
    )


def _canonical(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _checksum(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(body)).hexdigest()
