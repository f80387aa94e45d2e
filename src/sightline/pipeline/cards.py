"""Parameter cards: those that the program ships, verified once a process, and the one that a school uses."""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.resources import files
from uuid import UUID

from sightline.measurement.card import Card, read_card
from sightline.store import cards
from sightline.store.database import Work
from sightline.talkacts.acts import ActCard
from sightline.talkacts.acts import read_card as read_act_card

MEASUREMENT_CARD = "measurement-literature-1.json"
TALK_ACT_CARD = "talkacts-delidata-1.json"

CARDS_KEPT = 64
"""Cards of schools that a process remembers as read; a fitted one is about 20 kB."""


def published_card() -> bytes:
    """The shipped card of the measurement model as it is published."""
    return files("sightline.params").joinpath(MEASUREMENT_CARD).read_bytes()


@cache
def measurement_card() -> Card:
    """Raises CardInvalid when the shipped card was altered."""
    return read_card(published_card())


@lru_cache(maxsize=CARDS_KEPT)
def card_from(content: bytes) -> Card:
    """A card that a school uses. Raises CardInvalid when it was altered."""
    return read_card(content)


async def card_of(work: Work, school_id: UUID) -> Card:
    """The card that a school uses: the newest that was put to use there, else the shipped one."""
    found = await cards.card_in_use(work, school_id)
    return measurement_card() if found is None else card_from(found.content)


@cache
def talk_act_card() -> ActCard:
    """Raises CardInvalid when the shipped card was altered."""
    return read_act_card(files("sightline.params").joinpath(TALK_ACT_CARD).read_bytes())
