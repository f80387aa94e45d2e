"""The parameter cards that the program ships, read and verified once a process."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from sightline.measurement.card import Card, read_card
from sightline.talkacts.acts import ActCard
from sightline.talkacts.acts import read_card as read_act_card

MEASUREMENT_CARD = "measurement-literature-1.json"
TALK_ACT_CARD = "talkacts-delidata-1.json"


@cache
def measurement_card() -> Card:
    """Raises CardInvalid when the shipped card was altered."""
    return read_card(files("sightline.params").joinpath(MEASUREMENT_CARD).read_bytes())


@cache
def talk_act_card() -> ActCard:
    """Raises CardInvalid when the shipped card was altered."""
    return read_act_card(files("sightline.params").joinpath(TALK_ACT_CARD).read_bytes())
