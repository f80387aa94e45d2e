"""The event catalog: what is sent today stays welcome, what is wrong is told, and rules and schemas never part."""

from __future__ import annotations

import json
import random
import re
import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import a_session, wire_event
from sightline.demo.generator import simulate
from sightline.domain.records import Event, Session
from sightline.features import play, timeline
from sightline.features.catalog import INDICATORS
from sightline.features.extraction import extract_session
from sightline.features.rows_play import PLAY_RULES
from sightline.features.session_features import session_features
from sightline.ingest.event_types import (
    CATALOG,
    EVENT_CATALOG_VERSION,
    KNOWN_TYPES,
    Field,
    check_data,
    fields_of,
    json_schema,
)
from sightline.ingest.events import read_event
from sightline.ingest.justhink import play_of, read_log

NOW = datetime(2026, 3, 9, tzinfo=UTC)
CONTRACT = """
mission_start mission_complete task_start task_complete choice_made retry restart failure mistake recovery
success_after_failure distraction pause collaboration help_given help_received leadership initiative decision_made
dialogue_viewed dialogue_skipped choice_presented help_requested task_delegated resource_allocated
conflict_encountered conflict_resolved turn_taken mini_game_started mini_game_completed setback_encountered
initial_reaction strategy_switched failure_occurred retry_attempted help_sought recovery_achieved feedback_viewed
"""
NO_RULE_READS = "waved_at_the_keeper"
FIELDS = [(name, one) for name, row in CATALOG.items() for one in fields_of(row)]
ROWS = pytest.mark.parametrize("name", sorted(CATALOG))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4)
    | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=6,
)


def needed(name: str) -> dict[str, Any]:
    """The least data that a type takes."""
    return {one.name: CATALOG[name].example[one.name] for one in fields_of(CATALOG[name]) if one.required}


def is_simple(value: object) -> bool:
    return isinstance(value, str | int | float)


def may_be(value: object, one: Field) -> bool:
    """Whether the field's description in plain words allows a value."""
    if value is None:
        return not one.required
    if one.kind.startswith("a number"):
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > sys.float_info.max:
            return False
        return value >= 0 or not one.kind.endswith("0 or more")
    if one.kind == "true or false":
        return isinstance(value, bool)
    if one.kind == "a text" or one.words:
        return isinstance(value, str)
    items = value if "list" in one.kind and isinstance(value, list) else [value]
    return one.kind == "anything" or all(is_simple(item) for item in items)


def test_the_catalog_has_every_type_of_the_contract_and_no_other() -> None:
    assert sorted(CONTRACT.split()) == sorted(KNOWN_TYPES)
    assert {row.since for row in CATALOG.values()} == {EVENT_CATALOG_VERSION}


@ROWS
def test_every_example_passes_the_check_and_the_whole_validation(name: str) -> None:
    example = dict(CATALOG[name].example)
    assert set(example) <= {one.name for one in fields_of(CATALOG[name])}
    assert check_data(name, example) is None
    sent = msgspec.json.encode(wire_event(uuid4(), uuid4(), name, data=example))
    assert isinstance(read_event(sent, received_at=NOW, sent_at=None), Event)


@ROWS
def test_every_type_and_field_says_what_it_means(name: str) -> None:
    row = CATALOG[name]
    schema = json_schema(row)
    assert row.meaning.endswith(".")
    assert row.meaning != CATALOG["failure"].schema.__base__.__doc__
    assert set(schema["properties"]) == {one.name for one in fields_of(row)}
    assert all(said["description"] for said in schema["properties"].values())
    assert schema.get("required", []) == [one.name for one in fields_of(row) if one.required]
    json.dumps(schema)


@pytest.mark.parametrize(("name", "one"), FIELDS, ids=[f"{name}.{one.name}" for name, one in FIELDS])
def test_a_wrong_value_is_answered_with_code_and_place_and_a_right_one_is_taken(name: str, one: Field) -> None:
    @settings(max_examples=40, deadline=None)
    @given(JSON)
    def judged(value: Any) -> None:
        found = check_data(name, needed(name) | {one.name: value})
        if may_be(value, one):
            assert found is None
            return
        assert found is not None
        code, pointer, detail = found
        assert code == ("missing_field" if value is None else "invalid_data")
        assert pointer == f"/data/{one.name}" or pointer.startswith(f"/data/{one.name}/")
        assert f"send {one.kind}" in detail

    judged()


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([*sorted(KNOWN_TYPES), NO_RULE_READS]), st.dictionaries(st.text(max_size=9), JSON, max_size=5)
)
def test_keys_of_the_games_own_are_left_alone(name: str, data: dict[str, Any]) -> None:
    own = {key: value for key, value in data.items() if (name, key) not in {(n, f.name) for n, f in FIELDS}}
    assert check_data(name, own | (needed(name) if name in CATALOG else {})) is None


def test_only_a_reaction_without_its_word_is_missing_anything() -> None:
    """Every other type is of use to a rule, or to a person, with no data at all."""
    assert [name for name in sorted(CATALOG) if check_data(name, {}) is not None] == ["initial_reaction"]
    for data in ({}, {"reaction": None}):
        found = check_data("initial_reaction", data)
        assert found is not None
        assert found[:2] == ("missing_field", "/data/reaction")


def test_a_list_says_which_of_its_items_is_wrong() -> None:
    found = check_data("choice_presented", {"offers": ["a", {}]})
    assert found is not None
    assert found[:2] == ("invalid_data", "/data/offers/1")


def test_all_that_the_simulated_school_sends_is_taken() -> None:
    school = simulate(3, NOW, classes=1, class_size=6)
    sent: list[Mapping[str, Any]] = [e for session in school.sessions for e in session.events]
    assert len(sent) > 100
    assert [e for e in sent if check_data(e["event_type"], e["data"]) is not None] == []


def test_all_that_the_real_corpus_becomes_is_taken(corpora: Path) -> None:
    plays = [play_of(read_log(log.read_text())) for log in sorted((corpora / "justhink" / "logs").glob("*.csv"))]
    sent: list[Mapping[str, Any]] = [e for one in plays for events in one.events.values() for e in events]
    assert len(sent) > 1000
    assert [e for e in sent if check_data(e["event_type"], e["data"]) is not None] == []


class Watched(dict[str, Any]):
    """Data that notes which of its keys are asked for."""

    asked: set[str]

    def __init__(self, said: Mapping[str, Any]) -> None:
        super().__init__(said)
        self.asked = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)

    def __getitem__(self, key: str) -> Any:
        self.asked.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self.asked.add(str(key))
        return super().__contains__(key)


def a_random_session(chance: random.Random) -> Session:
    """Fourteen steps of few types on two tasks, so that one step answers another as often as can be."""
    types = chance.sample(sorted(KNOWN_TYPES), 8)
    return a_session(*((name, _said(CATALOG[name].name, chance)) for name in chance.choices(types, k=14)))


def _said(name: str, chance: random.Random) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for one in fields_of(CATALOG[name]):
        if one.kind == "true or false" and chance.random() < 0.7:
            data[one.name] = chance.random() < 0.5
        elif one.kind.startswith("a number"):
            data[one.name] = chance.randint(1, 9)
        elif one.name == "task":
            data[one.name] = chance.choice(["a", "a", "b"])
        elif one.name == "outcome":
            data[one.name] = chance.choice(["win_win", "compromise", "own_way"])
        elif one.words:
            data[one.name] = chance.choice(one.words)
        elif one.kind == "a text":
            data[one.name] = chance.choice(["left", "right"])
    return data


def without(session: Session, name: str) -> Session:
    """The same session in which no rule can tell what the events of one type are."""
    events = (replace(e, event_type=NO_RULE_READS) if e.event_type == name else e for e in session.events)
    return replace(session, events=tuple(events))


def values(session: Session) -> dict[str, object]:
    """What the rules find: the indicators of play, and the session features that are none of them."""
    found: dict[str, object] = {r.indicator.name: r.function(session, r.indicator.minimum) for r in PLAY_RULES}
    for one in session_features(session, extract_session(session)):
        if one.unit in {"count", "seconds"}:
            found[one.name] = (one.value, one.opportunities)
    return found


def test_rows_say_exactly_what_the_rules_read() -> None:
    """Take a type away, and see which results change; a row may name those and no others."""
    chance = random.Random(20261)  # noqa: S311 - the same sessions every time
    changed: defaultdict[str, set[str]] = defaultdict(set)
    for _ in range(700):
        session = a_random_session(chance)
        whole = values(session)
        for name in {e.event_type for e in session.events}:
            less = values(without(session, name))
            changed[name] |= {one for one, value in whole.items() if less[one] != value}
    for name, row in CATALOG.items():
        assert set(row.shows) == {one for one in changed[name] if one in INDICATORS}, name
        assert set(row.session_features) == {one for one in changed[name] if one not in INDICATORS}, name
        assert len(set(row.shows)) == len(row.shows)


def test_every_key_that_a_rule_reads_is_declared_for_its_type() -> None:
    chance = random.Random(20262)  # noqa: S311 - the same sessions every time
    asked: defaultdict[str, set[str]] = defaultdict(set)
    for _ in range(700):
        made = a_random_session(chance)
        session = replace(made, events=tuple(replace(e, data=Watched(e.data)) for e in made.events))
        for rule in PLAY_RULES:
            rule.function(session, rule.indicator.minimum)
        for event in session.events:
            assert isinstance(event.data, Watched)
            asked[event.event_type] |= event.data.asked
    for name, keys in asked.items():
        assert keys <= {one.name for one in fields_of(CATALOG[name])}, name
    sources = "".join(Path(module.__file__ or "").read_text() for module in (play, timeline))
    named = re.findall(r'(?:flag|amount|said|get)\([\w.]+, "(\w+)"\)|_stated\(session, "\w+", "(\w+)"', sources)
    keys_in_sources = {key for pair in named for key in pair if key}
    assert len(keys_in_sources) > 10
    assert keys_in_sources <= set().union(*asked.values()), "the sessions above never reach this key"


def test_a_type_that_is_read_as_another_gives_the_same_results_under_that_name() -> None:
    chance = random.Random(20263)  # noqa: S311 - the same sessions every time
    aliases = {name: row.read_as for name, row in CATALOG.items() if row.read_as is not None}
    assert aliases
    for _ in range(300):
        session = a_random_session(chance)
        renamed = tuple(replace(e, event_type=aliases.get(e.event_type, e.event_type)) for e in session.events)
        assert values(replace(session, events=renamed)) == values(session)


def test_the_words_that_the_catalog_names_are_the_words_that_rules_read() -> None:
    (reaction,) = fields_of(CATALOG["initial_reaction"])
    assert set(reaction.words) == play.REACTIONS
    outcome = next(one for one in fields_of(CATALOG["conflict_resolved"]) if one.name == "outcome")
    assert all(f"`{word}`" in outcome.meaning for word in play.FAIR_OUTCOMES)


async def test_anybody_may_read_the_catalog_and_keep_it_for_an_hour(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/telemetry/event-types")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=3600"
    said = answer.json()
    assert said["version"] == EVENT_CATALOG_VERSION
    by_name = {one["event_type"]: one for one in said["event_types"]}
    assert set(by_name) == KNOWN_TYPES
    assert by_name["failure_occurred"]["read_as"] == "failure"
    assert by_name["mistake"]["data_schema"] == json_schema(CATALOG["mistake"])
    assert by_name["turn_taken"]["shows"] == list(CATALOG["turn_taken"].shows)
    again = await client.get("/api/v1/telemetry/event-types", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == "public, max-age=3600"
