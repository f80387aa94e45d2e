"""What the classifier sees of one turn: tokens, n-grams of them, and how the turn sits after the one before.

A turn becomes a set of short strings (`w:because`, `b:not agree`, `c:after-question`), and each string a bucket
by crc32, so that the same words fall into the same bucket on every machine and in every process (Python's own
hash is salted). Labels of speakers are compared with one another and never read.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

LETTER: Final = "<letter>"
"""Stands for a single letter that names a thing (a card, a node), so that no letter is learned by heart."""
NUMBER: Final = "<number>"
"""Stands for a number, for the same reason."""
NAME: Final = "<name>"
"""Stands for `@someone`."""

NEGATION_REACH: Final = 3
"""Tokens after a negation that are also read as negated; cut by punctuation. The usual window of sentiment
work (Pang, Lee & Vaithyanathan 2002 mark to the next punctuation; three words suit short turns)."""

LENGTH_STEPS: Final = (1, 2, 4, 8, 16, 32)
"""Upper bounds, in tokens, of the length classes of a turn; doubling, as turn lengths are about log-normal."""

SHAPE_WEIGHT: Final = 0.5
"""Value of a shape or context feature beside words of total length 1; .3, .5 and .6 gave the same kappa (+-.001,
5-fold by group on DeliData), so the middle."""

_TOKEN: Final = re.compile(r"@\w+|\d+(?:[.,]\d+)*|[^\W\d_]+(?:'[^\W\d_]+)*|[?!.,;:]")
_LOOSE: Final = frozenset("aiurkstmdyn")
"""Lower-case single letters that are words or chat for words (a, i, u, r, k, y, n) or torn-off endings."""
_NEGATIONS: Final = frozenset({"not", "no", "never", "nor", "without", "nope", "nothing"})
_STOPS: Final = frozenset("?!.,;:")
_QUESTION_WORDS: Final = frozenset(["what", "why", "how", "who", "which", "where", "when", "whose"])
_ASKING_VERBS: Final = frozenset(
    [
        "do",
        "does",
        "did",
        "is",
        "are",
        "was",
        "were",
        "can",
        "could",
        "shall",
        "should",
        "will",
        "would",
        "have",
        "has",
        "had",
        "any",
        "anyone",
    ]
)
_BARE_NEGATIVES: Final = frozenset(
    [
        "dont",
        "doesnt",
        "didnt",
        "isnt",
        "wasnt",
        "arent",
        "werent",
        "wouldnt",
        "couldnt",
        "shouldnt",
        "havent",
        "hasnt",
        "hadnt",
        "aint",
        "cant",
        "wont",
    ]
)
_ENDINGS: Final = ("'s", "'re", "'m", "'ll", "'ve", "'d")
_STEMS: Final = {"ca": "can", "wo": "will", "ai": "is"}
_SAME: Final = {
    "cuz": "because",
    "coz": "because",
    "bc": "because",
    "becuz": "because",
    "becasue": "because",
    "becuase": "because",
    "okay": "ok",
    "okey": "ok",
    "k": "ok",
    "yea": "yeah",
    "ya": "yeah",
    "u": "you",
    "r": "are",
    "ur": "your",
    "im": "i 'm",
    "cannot": "can not",
}


@dataclass(frozen=True, slots=True)
class Turn:
    """What one speaker said in one go. `speaker` is any label that is the same for the same person."""

    speaker: str
    text: str


def tokens(text: str) -> list[str]:
    """Lower-case words, masks and the marks `? ! . , ; :`, in order; typographic quotes are read as plain ones.

    `don't`, `dont` and `do not` give the same tokens. A capital letter on its own (but not I) is a `LETTER`, and
    so is a small one that is no word or chat form; in a transcript without capitals `a` stays the article.
    """
    plain = text.replace("\u2019", "'").replace("\u2018", "'")
    out: list[str] = []
    for match in _TOKEN.finditer(plain):
        out.extend(_normal(match.group()))
    return out


def _normal(raw: str) -> Iterator[str]:
    if raw.startswith("@"):
        yield NAME
    elif raw[0].isdigit():
        yield NUMBER
    elif len(raw) == 1 and raw.isalpha() and raw != "I" and (raw.isupper() or raw not in _LOOSE):
        yield LETTER
    else:
        yield from _word(raw.lower())


def _word(word: str) -> Iterator[str]:
    if word.endswith("n't") or word in _BARE_NEGATIVES:
        stem = word.removesuffix("n't") if word.endswith("n't") else word.removesuffix("nt")
        if stem:
            yield _STEMS.get(stem, stem)
        yield "not"
        return
    for ending in _ENDINGS:
        if word.endswith(ending) and word != ending:
            yield from _SAME.get(word.removesuffix(ending), word.removesuffix(ending)).split()
            yield ending
            return
    yield from _SAME.get(word, word).split()


def is_word(token: str) -> bool:
    """Whether a token is a word as opposed to a mask or a mark."""
    return token[0].isalpha() or token[0] == "'"


def has_content(turn_tokens: Sequence[str]) -> bool:
    """Whether anything was said: at least one token that is not a punctuation mark."""
    return any(token not in _STOPS for token in turn_tokens)


def is_question(turn_tokens: Sequence[str]) -> bool:
    return "?" in turn_tokens


def word_features(turn_tokens: Sequence[str]) -> set[str]:
    """Words, pairs of neighbours (with the turn's edges), and what a negation reaches; each counted once."""
    found = {f"w:{token}" for token in turn_tokens}
    found |= {f"b:{one} {two}" for one, two in pairwise(["<s>", *turn_tokens, "</s>"])}
    found |= {f"n:{token}" for token in negated(turn_tokens)}
    return found


def negated(turn_tokens: Sequence[str]) -> Iterator[str]:
    """The tokens within `NEGATION_REACH` after a negation, up to the next mark."""
    left = 0
    for token in turn_tokens:
        if token in _STOPS:
            left = 0
        elif token in _NEGATIONS:
            left = NEGATION_REACH
        elif left:
            yield token
            left -= 1


def shape_features(turn_tokens: Sequence[str]) -> set[str]:
    """Length class, question mark, and how the turn opens."""
    size = len(turn_tokens)
    found = {f"l:{sum(size > step for step in LENGTH_STEPS)}"}
    if is_question(turn_tokens):
        found.add("s:question")
    opening = next((token for token in turn_tokens if is_word(token)), "")
    if opening in _QUESTION_WORDS:
        found.add("s:opens-wh")
    if opening in _ASKING_VERBS:
        found.add("s:opens-verb")
    return found


def context_feature(before: Turn | None, speaker: str) -> str:
    """How a turn sits after the one before: nothing before, same speaker, or another who asked or told."""
    if before is None:
        return "c:first"
    if before.speaker == speaker:
        return "c:same-speaker"
    return "c:after-question" if "?" in before.text else "c:after-statement"


def bucket(feature: str, n_features: int) -> int:
    """The bucket of a feature, 0 to `n_features` - 1, the same everywhere and always."""
    return zlib.crc32(feature.encode()) % n_features


def described(turns: Sequence[Turn], n_features: int) -> Iterator[dict[int, float]]:
    """For each turn its buckets and their values; empty for a turn that says nothing.

    The word features of a turn share a length of 1 (each is one over the root of their number), so that a long
    turn does not shout; each shape and context feature is `SHAPE_WEIGHT`. Colliding features add up.
    """
    before: Turn | None = None
    for turn in turns:
        said = tokens(turn.text)
        values: dict[int, float] = {}
        if has_content(said):
            words = word_features(said)
            for feature in sorted(words):
                at = bucket(feature, n_features)
                values[at] = values.get(at, 0.0) + len(words) ** -0.5
            for feature in sorted(shape_features(said) | {context_feature(before, turn.speaker)}):
                at = bucket(feature, n_features)
                values[at] = values.get(at, 0.0) + SHAPE_WEIGHT
        yield values
        before = turn
