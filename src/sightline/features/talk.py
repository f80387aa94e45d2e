"""Evidence rules for talk. Amount of speech, grammar, vocabulary and sentiment are no evidence of anything here.

A rule reads one student's own turns in one conversation; five own turns are the least. What a classifier says
arrives as an argument (`ActReadings`); a turn counts when its probability reaches the card's threshold, and the
classifier's errors make the observation weigh less (exposure = turns x discrimination squared).
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from uuid import UUID

from sightline.domain.acts import ActReadings
from sightline.domain.observables import Absence, Measured, Moment, MomentKind
from sightline.domain.records import Conversation, Utterance

RECENT_TURNS = 3
"""How many turns of others back a reply may reach (after Dowell et al. 2019, who use a window of turns)."""

COMMON_SHARE = 0.2
"""A word in more than a fifth of all turns is the setting, and saying it again takes nothing up."""

WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?")

FUNCTION_WORDS = frozenset(
    WORD.findall(
        """
        a about actually after again all also am an and any are aren't as at be because been before being both
        but by can can't cannot could couldn't did didn't do does doesn't doing don't done down each even every
        for from get go going gonna good got had has have haven't he her here hey him his how i i'm i've if in
        into is isn't it it's its just know let let's like ll look make maybe me mean more much my need no not
        now of off oh ok okay on one only or other our out over really right same say see she should so some
        something still sure take than that that's the their them then there there's these they thing think this
        those to too try two uh uhm um up us very wait want was way we we're well were what what's when where
        which who why will with would wow yeah yep yes yet you you're your
        """
    )
)
"""Words that carry no topic: repeating one of them is not taking up what another said."""

QUESTION_START = re.compile(
    r"^(?:(?:so|and|but|okay|ok|oh|um|uh|wait|then|yeah|no)[ ,]+)*"
    r"(?:what|why|how|which|where|when|who|do you|did you|can you|could you|are you|have you|is it|is that|"
    r"does it|should we|can we|shall we)\b",
    re.IGNORECASE,
)
ANOTHERS_VIEW = re.compile(
    r"\b(?:do|did|can|are|have|would|could|don't|didn't|aren't)\s+you\s+(?:\w+\s+){0,2}?"
    r"(?:think|see|seeing|understand|know|want|feel|feeling|agree|mean|like|prefer|okay|ok|sure|ready|happy)\b"
    r"|\bwhat\s+(?:do|did|are)\s+you\b(?!\s+(?:do|doing|got|get|have)\b)"
    r"|\bwhat\s+(?:would|about)\s+you\b"
    r"|\bhow\s+(?:do|would)\s+you\s+(?:think|feel|see|want|like)\b|\bhow\s+(?:are|about)\s+you\b"
    r"|^(?:(?:so|then|and|but|okay|ok|oh|um|uh)[ ,]+)*you\s+(?:think|see|understand|want|agree|feel)\b"
    r"|\byour\s+(?:opinion|idea|view|turn)\b",
    re.IGNORECASE,
)


@lru_cache(maxsize=65536)
def content_words(text: str) -> frozenset[str]:
    """Lower-case words that carry a topic (function words left out)."""
    return frozenset(
        w
        for w in (m.group().lower().replace("\u2019", "'") for m in WORD.finditer(text))
        if w not in FUNCTION_WORDS
    )


def is_question(text: str) -> bool:
    """A turn that asks: marked with a question mark, or unmarked but opening like a question."""
    return "?" in text or QUESTION_START.match(text.strip()) is not None


def asks_anothers_view(text: str) -> bool:
    """A question about what another thinks, sees, wants or how they are; telling them is not asking."""
    return is_question(text) and ANOTHERS_VIEW.search(text.strip()) is not None


def _own(conversation: Conversation, student: UUID, minimum: int) -> list[Utterance] | Absence:
    own = [u for u in conversation.utterances if u.student_id == student and WORD.search(u.text)]
    if len(own) < minimum:
        return Absence.TOO_FEW_UTTERANCES
    return own


def _moment(utterance: Utterance, *, counted: bool) -> Moment:
    return Moment(
        kind=MomentKind.UTTERANCE, record_id=utterance.utterance_id, at=utterance.starts_at, counted=counted
    )


def _proportion(pairs: list[tuple[Utterance, bool]], discrimination: float = 1.0) -> Measured | Absence:
    if not pairs:
        return Absence.NO_OPPORTUNITY
    counted = sum(happened for _, happened in pairs)
    return Measured(
        counted / len(pairs),
        len(pairs),
        tuple(_moment(u, counted=happened) for u, happened in pairs),
        counted=counted,
        exposure=len(pairs) * discrimination**2,
    )


def topics(talk: Conversation) -> dict[UUID, frozenset[str]]:
    """Topic words of each turn, without those that more than COMMON_SHARE of all turns say (a place, a game)."""
    words = {u.utterance_id: content_words(u.text) for u in talk.utterances}
    said = Counter(word for of_turn in words.values() for word in of_turn)
    common = frozenset(word for word, turns in said.items() if turns > COMMON_SHARE * len(words))
    return {turn: of_turn - common for turn, of_turn in words.items()}


def _taken_up(
    talk: Conversation, student: UUID, minimum: int, near: Callable[[Utterance], Sequence[Utterance]]
) -> Measured | Absence:
    """Share of own turns with a topic that share a topic word with the other students' turns that `near` gives."""
    own = _own(talk, student, minimum)
    if isinstance(own, Absence):
        return own
    said = topics(talk)
    pairs: list[tuple[Utterance, bool]] = []
    for turn in own:
        theirs = frozenset[str]().union(*(said[u.utterance_id] for u in near(turn)))
        words = said[turn.utterance_id]
        if theirs and words:
            pairs.append((turn, bool(theirs & words)))
    if not _others(talk, student):
        return Absence.NO_OTHER_SPEAKER
    if len(pairs) < minimum:
        return Absence.TOO_FEW_OPPORTUNITIES if pairs else Absence.NO_OPPORTUNITY
    return _proportion(pairs)


def _position(turn: Utterance) -> int:
    return turn.position


def _others(talk: Conversation, student: UUID) -> list[Utterance]:
    """Turns of the other students, in order of position."""
    return [u for u in talk.utterances if u.student_id not in {None, student}]


def responsivity(
    talk: Conversation, student: UUID, minimum: int, acts: ActReadings | Absence
) -> Measured | Absence:
    """Share of own turns after another student's topic that take up one of its words (0 to 1)."""
    del acts
    others = _others(talk, student)

    def before(turn: Utterance) -> Sequence[Utterance]:
        here = bisect_left(others, turn.position, key=_position)
        return others[max(here - RECENT_TURNS, 0) : here]

    return _taken_up(talk, student, minimum, before)


def social_impact(
    talk: Conversation, student: UUID, minimum: int, acts: ActReadings | Absence
) -> Measured | Absence:
    """Share of own turns, before another student's topic, of which that topic takes up a word (0 to 1)."""
    del acts
    others = _others(talk, student)

    def after(turn: Utterance) -> Sequence[Utterance]:
        here = bisect_right(others, turn.position, key=_position)
        return others[here : here + RECENT_TURNS]

    return _taken_up(talk, student, minimum, after)


def asking(talk: Conversation, student: UUID, minimum: int, acts: ActReadings | Absence) -> Measured | Absence:
    """Share of own turns that ask for information (0 to 1); asking for another's view is counted elsewhere."""
    del acts
    own = _own(talk, student, minimum)
    return (
        own
        if isinstance(own, Absence)
        else _proportion([(u, is_question(u.text) and not asks_anothers_view(u.text)) for u in own])
    )


def asking_anothers_view(
    talk: Conversation, student: UUID, minimum: int, acts: ActReadings | Absence
) -> Measured | Absence:
    """Share of own turns that ask what another thinks, sees or wants (0 to 1)."""
    del acts
    own = _own(talk, student, minimum)
    return own if isinstance(own, Absence) else _proportion([(u, asks_anothers_view(u.text)) for u in own])


def turn_balance(
    talk: Conversation, student: UUID, minimum: int, acts: ActReadings | Absence
) -> Measured | Absence:
    """How near the student's share of the students' turns is to an equal share: min/max of the two (0 to 1)."""
    del acts
    own = _own(talk, student, minimum)
    if isinstance(own, Absence):
        return own
    speakers = len(talk.students)
    if speakers == 1:
        return Absence.NO_OTHER_SPEAKER
    turns = sum(1 for u in talk.utterances if u.student_id is not None and WORD.search(u.text))
    share, equal = len(own) / turns, 1.0 / speakers
    return Measured(min(share, equal) / max(share, equal), 1, tuple(_moment(u, counted=True) for u in own))


def _act_share(
    act: str,
    talk: Conversation,
    student: UUID,
    minimum: int,
    acts: ActReadings | Absence,
    *,
    unless: str | None = None,
) -> Measured | Absence:
    """Share of own turns that reach the threshold of one act, and not that of `unless`."""
    own = _own(talk, student, minimum)
    if isinstance(own, Absence):
        return own
    if isinstance(acts, Absence):
        return acts

    def shows(turn: Utterance, wanted: str) -> bool:
        return acts.probabilities[turn.utterance_id][wanted] >= acts.thresholds[wanted]

    pairs = [(u, shows(u, act) and not (unless is not None and shows(u, unless))) for u in own]
    return _proportion(pairs, acts.discrimination[act])


def giving_reasons(
    talk: Conversation, student: UUID, minimum: int, acts: ActReadings | Absence
) -> Measured | Absence:
    """Share of own turns that the classifier reads as giving a reason, and not as asking for one (0 to 1)."""
    return _act_share("reasoning", talk, student, minimum, acts, unless="probing")


def proposing(talk: Conversation, student: UUID, minimum: int, acts: ActReadings | Absence) -> Measured | Absence:
    """Share of own turns that the classifier reads as proposing, and not asking about, a solution (0 to 1)."""
    return _act_share("solution", talk, student, minimum, acts, unless="probing")


def coordinating(
    talk: Conversation, student: UUID, minimum: int, acts: ActReadings | Absence
) -> Measured | Absence:
    """Share of own turns that the classifier reads as moderating the group's work (0 to 1)."""
    return _act_share("moderating", talk, student, minimum, acts)
