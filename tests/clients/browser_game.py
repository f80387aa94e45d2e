"""A game in a real browser, from another origin than the real server that it sends to."""

from __future__ import annotations

import asyncio
import functools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import httpx
import psutil
import psycopg
from playwright.sync_api import BrowserContext, Page

from builders import SECRET, Place, a_town, bearer
from sandbox_running import a_free_port
from sightline.store.database import Store

CLIENT = Path(__file__).parents[2] / "clients" / "js"
PAGE = """<!doctype html><meta charset="utf-8"><title>A game</title><link rel="icon" href="data:,">
<script type="module">
import { Sightline } from "./sightline.js";
window.rejects = []; window.stops = [];
window.make = (options) => new Sightline({
  onreject: (reject) => window.rejects.push(reject), onstop: (stop) => window.stops.push(stop), ...options });
window.begin = (options, student, resumed) => {
  window.client = window.make(options); window.session = window.client.session(student, resumed); };
window.say = (count, data) => Promise.all(
  Array.from({ length: count }, (_, n) => window.session.event("choice_made", { n, ...data })));
</script><h1>A game</h1>"""

T = TypeVar("T")


class _Pages(SimpleHTTPRequestHandler):
    """The client's folder as any web server would give it, and one page that plays with it."""

    def do_GET(self) -> None:
        if self.path != "/":
            super().do_GET()
            return
        body = PAGE.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *said: object) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Arena:
    """A school behind a running server, and the address of a game's pages."""

    api_url: str
    page_url: str
    database_url: str
    school: Place

    def launch(self, student: UUID) -> str:
        """A launch token, as the game's own server gets one."""
        answer = httpx.post(
            f"{self.api_url}/api/v1/launches",
            json={"student_id": str(student), "game": "browser game"},
            headers=bearer(self.school.key),
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["launch_token"])

    def open(self, context: BrowserContext) -> Page:
        page = context.new_page()
        page.goto(self.page_url)
        page.wait_for_function("() => 'begin' in window")
        return page

    def begin(self, page: Page, student: UUID, **options: Any) -> str:
        """Begin a session on the page; returns the session's id."""
        settings = {"url": self.api_url, "flushEvery": 60_000, "retryBase": 50, "clientVersion": "browser game 1"}
        settings |= {"token": options.pop("token", None) or self.launch(student)} | options
        page.evaluate("([options, student]) => begin(options, student)", [settings, str(student)])
        return str(page.evaluate("session.sessionId"))

    def stored(self, session: str) -> list[tuple[int, Any]]:
        """What the database holds of a session: sequence and data of each row, in the order of the sequence."""
        with psycopg.connect(self.database_url) as connection:
            rows = connection.execute(
                "select sequence, data from events where session_id = %s order by sequence, event_id", [session]
            )
            return [(row[0], row[1]) for row in rows]

    def is_closed(self, session: str) -> bool:
        with psycopg.connect(self.database_url) as connection:
            found = connection.execute("select 1 from closures where session_id = %s", [session])
            return found.fetchone() is not None


def eventually(looked: Callable[[], T], wanted: T, seconds: float = 6.0) -> None:
    """Look again until it is as wanted; fails with what was seen last."""
    until = time.monotonic() + seconds
    while (seen := looked()) != wanted and time.monotonic() < until:
        time.sleep(0.05)
    assert seen == wanted


def kill_pages() -> None:
    """End every page's process as a crash or a phone out of memory does: no last words."""
    for process in psutil.Process().children(recursive=True):
        if "--type=renderer" in process.cmdline():
            process.kill()


def apart(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run asynchronous work in a thread of its own: the browser's driver keeps a loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(work())).result()


@contextmanager
def an_arena(database_url: str, data_dir: Path) -> Iterator[Arena]:
    """Pages and server, each on a port of its own: two origins to a browser."""

    async def people() -> Place:
        store = Store(database_url)
        try:
            return (await a_town(store)).here
        finally:
            await store.close()

    pages = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Pages, directory=str(CLIENT)))
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    page_url, port = f"http://127.0.0.1:{pages.server_port}", a_free_port()
    clean = {key: value for key, value in os.environ.items() if not key.startswith("SIGHTLINE_")}
    said = {
        "SIGHTLINE_DATABASE_URL": database_url,
        "SIGHTLINE_SECRET_KEY": SECRET,
        "SIGHTLINE_DATA_DIR": str(data_dir),
        "SIGHTLINE_CORS_ORIGINS": page_url,
    }
    command = [sys.executable, "-m", "sightline", "serve", "--port", str(port)]
    with (data_dir / "server.log").open("wb") as log:
        server = subprocess.Popen(command, env=clean | said, stdout=log, stderr=log)
    try:
        api_url = f"http://127.0.0.1:{port}"
        eventually(lambda: _alive(api_url) or server.poll() is not None, wanted=True, seconds=30)
        assert server.poll() is None, (data_dir / "server.log").read_text()
        yield Arena(api_url, f"{page_url}/", database_url, apart(people))
    finally:
        server.terminate()
        server.wait(10)
        pages.shutdown()
        pages.server_close()


def _alive(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez").status_code == 200
    except httpx.TransportError:
        return False
