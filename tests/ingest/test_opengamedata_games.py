"""The mapping tables of OpenGameData games, and ten real sessions of one of them."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from opengamedata_senders import (
    NOW,
    browser_body,
    browser_entry,
    events_of,
    ogd,
    one,
    read,
)
from sightline.features.timeline import ATTEMPTS, FAILURES
from sightline.ingest.event_types import KNOWN_TYPES
from sightline.ingest.opengamedata import unmapped_type
from sightline.ingest.opengamedata_mapping import GAMES, Row

ROWS = [(game, row) for game, table in GAMES.items() for row in table.rows]


def told(row: Row) -> dict[str, Any]:
    """What a game says so that the row fits, with a word of its own at each place."""
    said: dict[str, Any] = {}
    places = {place: f"word {place}" for take in row.takes for place in take.places}
    if row.when is not None:
        places[row.when[0]] = row.when[1].replace(".*", "").split("|")[0]
    for place, word in places.items():
        *path, last = place.split(".")
        inner = said
        for key in path:
            inner = inner.setdefault(key, {})
        inner[last] = word
    return said


@pytest.mark.parametrize(("game", "row"), ROWS)
def test_each_row_maps_its_name_and_takes_its_fields(game: str, row: Row) -> None:
    event = one(browser_entry(row.name, 0, NOW, 0, **told(row)), app_id=game)
    assert event.event_type == (row.event_type or unmapped_type(row.name))
    for take in row.takes if row.event_type else ():
        assert event.data[take.to] == " / ".join(f"word {place}" for place in take.places)
    assert {row.event_type for _, row in ROWS} - {None} <= KNOWN_TYPES


def test_a_failure_is_told_only_with_its_task_and_where_the_next_try_is_told_too() -> None:
    for game, table in GAMES.items():
        attempts = [row.takes for row in table.rows if row.event_type in ATTEMPTS]
        for row in table.rows:
            if row.event_type in FAILURES:
                assert row.takes, game
                assert row.takes in attempts, game


def test_without_a_table_each_name_becomes_a_type_that_is_stored_and_read_by_no_rule() -> None:
    event = one(browser_entry("Click → Öffnen!", 0, NOW, 0, event_data={"task": "x"}), app_id="SOME_GAME")
    assert event.event_type == "ogd_click_ffnen"
    assert event.data == {"ogd": ogd(event)}
    assert ogd(event)["event_name"] == "Click → Öffnen!"
    assert one(browser_entry("→", 0, NOW, 0), app_id="X").event_type == "ogd_unnamed"


def jo_wilder(corpora: Path) -> dict[str, list[dict[str, str]]]:
    with (corpora / "jowilder" / "raw_test_multi_sample.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {
        s: [row for row in rows if row["session_id"] == s] for s in dict.fromkeys(r["session_id"] for r in rows)
    }


def as_logged(session: str, rows: Sequence[Mapping[str, str]]) -> list[dict[str, object]]:
    year, month, *rest = (int(session[i : i + 2]) for i in range(0, 12, 2))
    start = datetime(2000 + year, month + 1, *rest, tzinfo=UTC) + timedelta(hours=5)  # type: ignore[arg-type, misc]
    skipped = {"", "session_id", "index", "elapsed_time", "event_name", "level"}
    return [
        browser_entry(
            row["event_name"],
            int(row["index"]),
            start + timedelta(milliseconds=int(row["elapsed_time"])),
            -300,
            event_data={key: value for key, value in row.items() if key not in skipped and value},
            game_state={"level": int(row["level"])},
        )
        for row in rows
    ]


def test_ten_real_sessions_of_jo_wilder_are_accounted_for_to_the_row(corpora: Path) -> None:
    types: Counter[str] = Counter()
    mapped = unmapped = backwards = 0
    for session, rows in jo_wilder(corpora).items():
        query = {"app_id": "JOWILDER", "app_version": "6", "session_id": session}
        entries = as_logged(session, rows)
        logs = [read(browser_body(entries[i : i + 50]), query) for i in range(0, len(entries), 50)]
        found = [event for log in logs for event in events_of(log)]
        assert not any(log.rejects for log in logs)
        assert not any(log.personal_dropped for log in logs)
        assert [e.sequence for e in found] == [int(row["index"]) for row in rows]
        assert len({e.event_id for e in found}) == len(rows)
        assert {e.session_id for e in found} == {logs[0].session_id}
        first = min(e.occurred_at for e in found)
        for event, row in zip(found, rows, strict=True):
            assert event.occurred_at - first == timedelta(milliseconds=int(row["elapsed_time"]))
            assert ogd(event)["event_data"].get("action") == row["name"]
        times = [e.occurred_at for e in sorted(found, key=lambda e: e.sequence or 0)]
        backwards += sum(b < a for a, b in pairwise(times))
        types.update(e.event_type for e in found)
        mapped += sum(log.mapped for log in logs)
        unmapped += sum(log.unmapped for log in logs)
    assert (mapped, unmapped) == (3_535, 7_056)
    assert types["task_complete"] == 30
    assert types["dialogue_viewed"] == 2_413 + 1_092
    assert types["ogd_navigate_click"] == 4_350
    assert backwards == 232  # the game's own clock goes back in 2 % of its rows: the index is the order


def test_the_page_says_what_the_tables_say() -> None:
    script = Path(__file__).parents[2] / "scripts" / "opengamedata_page.py"
    found = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
