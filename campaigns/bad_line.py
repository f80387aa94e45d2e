"""A line between a client and the server that loses requests, loses answers, is busy, and gets the client killed.

It stands for what lies between a school's tablet and a server; nothing in it is part of Sightline.
"""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

SOON = 0.02
"""Seconds after an answer within which the client is killed: it is then taking the events out of its queue."""

KILL_SHARE, FAULT_SHARE = 0.5, 0.3
"""Probability that a request ends in a kill while kills are left, and in a fault otherwise."""

FAULTS = ("request lost", "answer lost", "busy")
KILLS = ("killed before the server had it", "killed before the answer came", "killed just after the answer")


class Line:
    """Passes requests on to a server, or does not. Counts what it did; `slowest` is the slowest answer in seconds."""

    def __init__(self, server_url: str, seed: int) -> None:
        self.done: Counter[str] = Counter()
        self.slowest = 0.0
        self.kills_left = 0
        self.victim: subprocess.Popen[str] | None = None
        self._chance = random.Random(seed)  # noqa: S311 - a repeatable course of accidents
        self._deciding = threading.Lock()
        self._onward = httpx.Client(base_url=server_url, timeout=30)
        handler = type("Handler", (_Handler,), {"line": self})
        self._door = _Door(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._door.server_port}"
        threading.Thread(target=self._door.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._door.shutdown()
        self._door.server_close()
        self._onward.close()

    def next_accident(self) -> str:
        """What happens to the next request; never the same thing for ever."""
        with self._deciding:
            if self.kills_left and self._chance.random() < KILL_SHARE:
                self.kills_left -= 1
                chosen = KILLS[self.kills_left % len(KILLS)]
            elif self._chance.random() < FAULT_SHARE:
                chosen = self._chance.choice(FAULTS)
            else:
                chosen = "passed"
            self.done[chosen] += 1
            return chosen

    def kill(self, after: float = 0.0) -> None:
        victim = self.victim
        if victim is not None:
            time.sleep(after)
            victim.kill()

    def a_moment(self) -> float:
        return self._chance.uniform(0.0, SOON)

    def pass_on(self, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
        began = time.monotonic()
        answer = self._onward.post(path, content=body, headers=headers)
        self.slowest = max(self.slowest, time.monotonic() - began)
        return answer


class _Door(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed has hung up; nothing is to be said about it."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    line: Line

    def log_message(self, *_: object) -> None:
        """Silent."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        accident = self.line.next_accident()
        if accident == "busy":
            self._answer(503, b"", {"Retry-After": "1"})
            return
        if accident == "request lost":
            self.close_connection = True
            return
        if accident == KILLS[0]:
            self.line.kill()
            self.close_connection = True
            return
        kept = ("Authorization", "Content-Type", "Content-Encoding")
        answer = self.line.pass_on(self.path, body, {n: self.headers[n] for n in kept if n in self.headers})
        if accident == "answer lost":
            self.close_connection = True
            return
        if accident == KILLS[1]:
            self.line.kill()
        self._answer(answer.status_code, answer.content, {"Content-Type": answer.headers["Content-Type"]})
        if accident == KILLS[2]:
            self.line.kill(after=self.line.a_moment())

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()


@contextmanager
def bad_line(server_url: str, seed: int) -> Iterator[Line]:
    line = Line(server_url, seed)
    try:
        yield line
    finally:
        line.close()
