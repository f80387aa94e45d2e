"""The house stays as it is drawn: layers, map, file sizes, words, migrations."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect

import sightline
from sightline.domain.indicators import Modality
from sightline.features.catalog import INDICATORS
from sightline.store.database import driver_url, migrate
from sightline.store.schema import metadata

ROOT = Path(__file__).parents[2]
PACKAGE = Path(sightline.__file__).parent
SOURCES = sorted(
    path
    for folder in (PACKAGE, *(ROOT / f for f in ("tests", "bench", "campaigns", "scripts")))
    for path in folder.rglob("*.py")
)
MOST_LINES = 400
FORBIDDEN_NAMES = {"utils", "helpers", "common", "core", "base", "manager", "services"}


def test_layers_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    found = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[-2000:]


def test_every_folder_is_on_the_map() -> None:
    on_the_map = set(re.findall(r"^- `(\w+)` ", sightline.__doc__ or "", re.MULTILINE))
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert on_the_map == folders


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_file_is_longer_than_a_person_reads(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_LINES


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert not [
        p for p in PACKAGE.rglob("*") if p.stem in FORBIDDEN_NAMES or p.stem.rstrip("s") in FORBIDDEN_NAMES
    ]


def test_the_core_reads_no_clock_environment_or_logger() -> None:
    pure = ("domain", "ingest", "features", "measurement", "growth", "reasoning", "quality", "security")
    told = re.compile(r"\bdatetime\.now\(|\butcnow\(|\btime\.time\(|\bos\.environ|\blogging\b|\bprint\(")
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for folder in pure
        for path in (PACKAGE / folder).rglob("*.py")
        for line in path.read_text().splitlines()
        if told.search(line)
    ]
    assert found == []


def test_only_settings_and_the_composition_root_read_the_environment() -> None:
    found = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if re.search(r"\bos\.(environ|getenv)", path.read_text())
    }
    assert {p for p in found if not p.startswith("cli/")} <= {
        "demo/stack.py",
        "store/embedded.py",
        "store/postmaster.py",
    }


def test_indicators_look_at_text_rubrics_and_task_actions_only() -> None:
    assert set(Modality) == {"text", "rubric", "task action"}
    heard_or_seen = re.compile(r"voice|pitch|audio|face|gaze|keystroke|mouse|emotion|sentiment", re.IGNORECASE)
    for indicator in INDICATORS.values():
        assert indicator.modality in set(Modality)
        assert not heard_or_seen.search(f"{indicator.name} {indicator.act} {indicator.unit}")


def test_migrations_lead_to_the_schema_and_may_run_again(database_url: str) -> None:
    migrate(database_url)
    engine = create_engine(driver_url(database_url))
    try:
        with engine.connect() as connection:
            found = compare_metadata(MigrationContext.configure(connection), metadata)
            ours = [entry for entry in found if "procrastinate" not in str(entry)]
            assert ours == []
            for table in metadata.tables:
                key = inspect(connection).get_pk_constraint(table)["constrained_columns"]
                assert key[0] == "school_id", f"{table} cannot be distributed by school"
    finally:
        engine.dispose()


def test_migrations_cards_and_pages_are_shipped_in_the_package() -> None:
    package = files("sightline")
    for place in (
        "store/migrations/env.py",
        "store/migrations/versions/0001_tables.py",
        "params/measurement-literature-1.json",
        "params/talkacts-delidata-1.json",
        "web/static/sightline.css",
        "py.typed",
    ):
        assert package.joinpath(place).is_file(), place


def test_generated_docs_say_what_the_code_says() -> None:
    script = ROOT / "scripts" / "generate_docs.py"
    found = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
