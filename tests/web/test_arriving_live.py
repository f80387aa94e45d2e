"""A developer watches in a real browser: what is sent to a real server appears by itself."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from builders import SECRET, Place, a_town, bearer, wire_batch, wire_event
from sandbox_running import a_free_port
from sightline.store.database import Store

SOON = 6_000
"""Milliseconds: three looks of the page."""


class Server:
    """The real server on a port, which can be away for a while."""

    def __init__(self, database_url: str, data_dir: Path) -> None:
        self.port = a_free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        clean = {key: value for key, value in os.environ.items() if not key.startswith("SIGHTLINE_")}
        self._environment = clean | {
            "SIGHTLINE_DATABASE_URL": database_url,
            "SIGHTLINE_SECRET_KEY": SECRET,
            "SIGHTLINE_DATA_DIR": str(data_dir),
            "SIGHTLINE_PUBLIC_URL": self.url,
        }

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sightline", "serve", "--port", str(self.port)],
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + 30
        while not self._answers():
            assert self._process.poll() is None, "the server ended by itself"
            assert time.monotonic() < until, "the server did not start in 30 seconds"
            time.sleep(0.1)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(15)

    def send(self, key: str, *events: object) -> int:
        batch = wire_batch(events)
        return httpx.post(f"{self.url}/api/v1/telemetry/batch", json=batch, headers=bearer(key)).status_code

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/livez").status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture(scope="module")
def server(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(database_url, tmp_path_factory.mktemp("arriving"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def school(database_url: str) -> Place:
    async def people() -> Place:
        store = Store(database_url)
        try:
            return (await a_town(store)).here
        finally:
            await store.close()

    with ThreadPoolExecutor(1) as pool:  # the browser's driver keeps a loop running in this thread
        return pool.submit(lambda: asyncio.run(people())).result()


@pytest.fixture
def watching(server: Server, school: Place, browser: Browser) -> Iterator[Page]:
    page = browser.new_context().new_page()
    page.goto(f"{server.url}/arriving")
    page.get_by_label("Server key").fill(school.key)
    page.get_by_role("button", name="Show what arrives").click()
    expect(page.get_by_role("heading", name="Send a first event")).to_be_visible()
    yield page
    page.context.close()


def test_what_is_sent_appears_without_reloading_and_what_is_open_stays_open(
    server: Server, school: Place, watching: Page
) -> None:
    refused_by_policy: list[str] = []
    watching.on("console", lambda said: refused_by_policy.append(said.text) if said.type == "error" else None)
    watching.evaluate("window.untouched = true")
    session = uuid4()
    typed = {"task": "bridge 3", "said": "<img src=x onerror=alert(1)>"}
    assert server.send(school.key, wire_event(school.students[0], session, "failure", data=typed)) == 201
    stored = watching.locator("tr.stored", has_text="failure")
    expect(stored).to_be_visible(timeout=SOON)
    stored.locator("summary").click()
    assert server.send(school.key, wire_event(uuid4(), session, "retry")) == 207
    refused = watching.locator("tr.refused", has_text="retry")
    expect(refused).to_contain_text("unknown_student", timeout=SOON)
    expect(refused).to_contain_text("/student_id")
    expect(watching.locator("#counts")).to_have_text("1 stored, 1 refused.")
    assert watching.locator("tbody tr").first.get_attribute("class") == "refused new"
    expect(stored.locator("pre")).to_be_visible()
    expect(stored.locator("summary")).to_be_focused()
    assert watching.evaluate("window.untouched") is True
    assert watching.locator("tbody img").count() == 0
    assert refused_by_policy == []


def test_it_can_be_paused_and_says_when_the_server_is_away(server: Server, school: Place, watching: Page) -> None:
    state = watching.locator("#state")
    expect(state).to_have_text("Live.")
    watching.get_by_role("button", name="Pause").click()
    expect(state).to_have_text("Paused.")
    assert server.send(school.key, wire_event(school.students[0], uuid4(), "task_start")) == 201
    watching.wait_for_timeout(2_500)
    assert watching.locator("tr.stored").count() == 0
    watching.get_by_role("button", name="Go on").click()
    expect(watching.locator("tr.stored")).to_have_count(1, timeout=SOON)
    server.stop()
    expect(state).to_have_text("Connection lost, trying again.", timeout=SOON)
    server.start()
    expect(state).to_have_text("Live.", timeout=3 * SOON)
    httpx.post(f"{server.url}/api/v1/auth/logout", headers=bearer(school.key))
    expect(state).to_contain_text("You are signed out", timeout=SOON)
    watching.get_by_role("link", name="Load again").click()
    expect(watching.get_by_label("Server key")).to_be_visible()


def test_without_scripts_the_page_is_the_same_and_is_loaded_again_by_hand(
    server: Server, school: Place, browser: Browser
) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(f"{server.url}/arriving")
    page.get_by_label("Server key").fill(school.key)
    page.get_by_role("button", name="Show what arrives").click()
    assert server.send(school.key, wire_event(school.students[0], uuid4(), "task_start")) == 201
    expect(page.get_by_role("button", name=re.compile("Pause"))).to_have_count(0)
    page.get_by_role("link", name="Load again").click()
    expect(page.locator("tr.stored")).to_have_count(1)
    page.context.close()
