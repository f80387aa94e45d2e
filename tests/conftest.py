"""Fixtures on real parts: an embedded PostgreSQL for the whole run, a fresh school for each test."""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from builders import SECRET, Town, a_town
from sandbox_running import browser, sandbox
from sightline.api.front import application
from sightline.settings import Settings
from sightline.store import embedded
from sightline.store.database import Store, migrate

__all__ = ["browser", "sandbox"]  # fixtures that are defined beside this file


@pytest.fixture(scope="session")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with embedded.share(tmp_path_factory.mktemp("postgres") / "data") as lease:
        migrate(lease.url)
        yield lease.url


@pytest.fixture(scope="session")
async def store(database_url: str) -> AsyncIterator[Store]:
    made = Store(database_url)
    yield made
    await made.close()


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        data_dir=tmp_path_factory.mktemp("data"),
        database_url=None,
        secret_key=SECRET,
        public_url="http://127.0.0.1:8460",
    )


@pytest.fixture(scope="session")
async def client(store: Store, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(application(store, settings), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://sightline.test") as made:
        yield made


@pytest.fixture
async def town(store: Store) -> Town:
    """Two schools with two classes each, their staff and their keys; fresh for each test."""
    return await a_town(store)


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of real data beside the repository, or where SIGHTLINE_DATA says."""
    folder = Path(os.environ.get("SIGHTLINE_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("real data is not on this machine; set SIGHTLINE_DATA to its folder")
    return folder
