"""From the database to a card, and from a card to scores: what the commands promise to whoever runs a system."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import pytest
from sqlalchemy import select, text
from typer.testing import CliRunner, Result

from measured_school import NOW, Drawn, drawn_school, put
from sightline.cli import app
from sightline.errors import BadInput, CardInvalid, NotFound
from sightline.measurement.card import read_card
from sightline.measurement.enough import MINIMUM_STUDENTS
from sightline.pipeline.cards import measurement_card
from sightline.pipeline.scoring import rescore_school
from sightline.store import embedded
from sightline.store.database import Store, migrate
from sightline.store.schema import assessments, cards, rescores

Made = TypeVar("Made")


@dataclass(frozen=True)
class Place:
    """A database of its own, because these commands go over all schools of a deployment."""

    url: str
    folder: Path

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(app, words, catch_exceptions=False, env={"SIGHTLINE_DATABASE_URL": self.url})

    def do(self, act: Callable[[Store], Awaitable[Made]]) -> Made:
        async def in_loop() -> Made:
            store = Store(self.url)
            try:
                return await act(store)
            finally:
                await store.close()

        return asyncio.run(in_loop())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("measuring")
    with embedded.share(folder / "database") as lease:
        migrate(lease.url)
        yield Place(lease.url, folder)


@pytest.fixture(scope="module")
def school(place: Place) -> Drawn:
    """156 students, just enough to fit."""
    drawn = drawn_school(1, classes=6, size=26, sittings=(1, 1, 1))
    place.do(lambda store: put(store, drawn, title="B school"))
    return drawn


def hashes(place: Place, school_id: UUID | None = None) -> dict[UUID, list[bytes]]:
    """Content hashes of all assessments by student, in the order in which they were appended."""

    async def act(store: Store) -> dict[UUID, list[bytes]]:
        async with store.work() as work:
            query = select(assessments.c.student_id, assessments.c.content_hash).order_by(assessments.c.entry)
            if school_id is not None:
                query = query.where(assessments.c.school_id == school_id)
            found: dict[UUID, list[bytes]] = {}
            for row in await work.execute(query):
                found.setdefault(row.student_id, []).append(bytes(row.content_hash))
            return found

    return place.do(act)


@pytest.fixture(scope="module")
def fitted(place: Place, school: Drawn) -> Path:
    out = place.folder / "card.json"
    said = place.run("fit", "--school", str(school.school_id), "--out", str(out), "--use").output
    assert "rubric_empathy" in said
    assert "raters (6): variance of severity" in said
    assert "0.65 → " in said
    assert "fitted on 156 simulated students of one school" in said
    return out


def test_a_card_says_what_it_was_fitted_on_and_cannot_be_altered(fitted: Path) -> None:
    card = read_card(fitted.read_bytes())
    assert card.learned is not None
    assert card.learned.origin.students == 156
    assert card.norms is not None
    assert set(card.norms.by_indicator) == set(card.learned.indicators)
    assert 0 < card.learned.parameter_error < 0.5, "few students: refits widen the intervals"
    content = json.loads(fitted.read_text())
    content["parameters"]["learned"]["tau2"] = 0.0
    with pytest.raises(CardInvalid):
        read_card(json.dumps(content).encode())


def test_a_published_card_is_not_overwritten(place: Place, fitted: Path) -> None:
    before = fitted.read_bytes()
    with pytest.raises(BadInput, match="never changed"):
        place.run("fit", "--out", str(fitted))
    assert fitted.read_bytes() == before


def test_a_school_is_measured_with_the_card_that_it_uses_and_then_with_the_shipped_one_again(
    place: Place, school: Drawn, fitted: Path
) -> None:
    async def versions(store: Store) -> set[str]:
        async with store.work() as work:
            await rescore_school(work, school.school_id, now=NOW)
            newest = await work.execute(
                text(
                    "select distinct on (student_id) card_version from assessments where school_id = :s "
                    "order by student_id, entry desc"
                ),
                {"s": school.school_id},
            )
            return set(newest.scalars())

    fitted_version = read_card(fitted.read_bytes()).version
    assert place.do(versions) == {fitted_version}
    assert measurement_card().version in place.run("use-card", "--school", str(school.school_id)).output
    assert place.do(versions) == {measurement_card().version}
    assert fitted_version in place.run("use-card", "--school", str(school.school_id), str(fitted)).output
    assert place.do(versions) == {fitted_version}

    async def used(store: Store) -> list[str]:
        async with store.work() as work:
            return list((await work.execute(select(cards.c.version).order_by(cards.c.entry))).scalars())

    assert place.do(used) == [fitted_version, measurement_card().version, fitted_version], "appended, not replaced"


def test_too_little_data_is_said_in_one_line_with_what_is_missing(place: Place) -> None:
    few = drawn_school(2, classes=1, size=12, sittings=(2, 0, 1))
    place.do(lambda store: put(store, few, title="A small school"))
    out = place.folder / "few.json"
    with pytest.raises(BadInput) as said:
        place.run("fit", "--school", str(few.school_id), "--out", str(out))
    line = said.value.detail
    assert f"12 students with observations, and at least {MINIMUM_STUDENTS} students" in line
    assert "responsivity" in line, "an indicator that nobody showed"
    assert "rubric_empathy" in line, "an indicator that fewer than 30 showed"
    assert "1 rater;" in f"{line};"
    assert "\n" not in line
    assert not out.exists()
    with pytest.raises(BadInput, match="4 to 12 weeks"):
        place.run("fit", "--windows", "3", "--out", str(out))
    with pytest.raises(NotFound):
        place.run("fit", "--school", str(UUID(int=1)), "--out", str(out))


@pytest.fixture(scope="module")
def schools(place: Place, school: Drawn, fitted: Path) -> list[UUID]:
    """Six schools; one of them uses a fitted card. A seventh is there already."""
    del fitted
    others = [drawn_school(10 + i, classes=1, size=14, sittings=(2, 1, 1)) for i in range(5)]
    for i, drawn in enumerate(others):
        place.do(partial(put, drawn=drawn, title=f"C school {i}"))
    return [school.school_id, *(drawn.school_id for drawn in others)]


def test_killed_in_the_middle_it_goes_on_where_it_was_with_the_rows_of_an_undisturbed_run(
    place: Place, schools: list[UUID]
) -> None:
    place.do(forget)
    place.run("rescore", "--fresh")
    undisturbed = {student: found[-1] for student, found in hashes(place).items()}
    place.do(forget)
    with subprocess.Popen(
        [sys.executable, "-m", "sightline", "rescore", "--fresh"],
        env=os.environ | {"SIGHTLINE_DATABASE_URL": place.url, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as running:
        assert running.stdout is not None
        first = running.stdout.readline()
        os.kill(running.pid, signal.SIGKILL)
    assert "A small school" in first
    written = hashes(place)
    assert 0 < len(written) < len(undisturbed), "killed in the middle"
    said = place.run("rescore").output
    assert "going on with the run of" in said
    assert "A small school" not in said.splitlines()[1:], "what was done is not done again"
    assert said.splitlines()[-1] == f"{len(undisturbed)} of {len(undisturbed)} changed"
    assert hashes(place) == {student: [content] for student, content in undisturbed.items()}, "no row twice"
    assert len(schools) == 6


def test_repeated_it_changes_nothing_byte_for_byte(place: Place, schools: list[UUID]) -> None:
    place.run("rescore")
    before = hashes(place)
    said = place.run("rescore").output.splitlines()
    assert said[-1] == f"0 of {len(before)} changed"
    assert hashes(place) == before
    said = place.run("rescore", "--school", str(schools[1])).output.splitlines()
    assert said[-1] == "0 of 14 changed"
    with pytest.raises(NotFound):
        place.run("rescore", "--school", str(UUID(int=1)))


async def forget(store: Store) -> None:
    """As if nothing had ever been assessed."""
    async with store.work() as work:
        for table in (assessments, rescores):
            await work.execute(table.delete())


def test_a_report_for_each_school_and_groups_from_a_file(place: Place, school: Drawn) -> None:
    groups = place.folder / "groups.csv"
    rows = [f"{s},{'a' if i % 2 else 'b'}" for i, s in enumerate(school.students)]
    groups.write_text("\n".join(["student_id,group", *rows]))
    out = place.folder / "report"
    words = ("quality", "--school", str(school.school_id), "--out", str(out), "--groups", str(groups))
    assert place.run(*words).output.strip() == str(out / "index.html")
    assert (out / "figures" / "dif.svg").exists()
    with pytest.raises(BadInput, match="is there already"):
        place.run(*words)
    groups.write_text("student_id,group\nnobody,a")
    with pytest.raises(BadInput, match="no UUID"):
        place.run(*words[:4], str(out / "again"), *words[5:])
