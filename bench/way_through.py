"""Measure the way through on this machine: start, closing, pages, footprint. Ingest is in ingest.py.

    python bench/way_through.py

Everything runs on a sandbox of its own in a temporary folder; speeds are ratios within one run where they can be.
"""

from __future__ import annotations

import asyncio
import os
import platform
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import psutil

from sightline.demo.connection import Connection, server_key
from sightline.demo.stack import Sandbox, start, stop
from sightline.store import people
from sightline.store.people import School, Student

STUDENTS = 100
CLOSED = 60
"""Sessions that are closed one after another, while the worker scores what they change."""


def a_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def timed(times: int, act: Callable[[], Awaitable[httpx.Response]]) -> list[float]:
    found = []
    for _ in range(times):
        began = time.perf_counter()
        answer = await act()
        found.append((time.perf_counter() - began) * 1000)
        answer.raise_for_status()
    return found


def row(what: str, measured: str, promised: str) -> None:
    print(f"| {what} | {measured} | {promised} |")


def quantiles(values: list[float]) -> str:
    cuts = statistics.quantiles(values, n=20)
    return f"p50 {statistics.median(values):.0f} ms, p95 {cuts[18]:.0f} ms"


async def measure(sandbox: Sandbox) -> None:
    connection = Connection(sandbox.url, sandbox.database_url, sandbox.secret_key)
    school_id, class_id = uuid4(), uuid4()
    students = [uuid4() for _ in range(STUDENTS)]
    async with connection.store() as store:
        async with store.work() as work:
            await people.add_school(work, School(school_id, "Bench", simulated=True, created_at=datetime.now(UTC)))
            await people.add_class(work, school_id, class_id, "Bench")
            await people.add_students(work, school_id, class_id, [Student(s, f"S {s}") for s in students])
        key = await server_key(store, connection, school_id, "bench")
    await closing(sandbox.url, key, students[0])


async def closing(url: str, key: str, student: UUID) -> None:
    """Close sessions of 200 events: the observables are stored when the answer comes."""
    steps = ["task_start", "failure", "retry", "task_complete", "choice_made"]
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as http:
        found = []
        for _ in range(CLOSED):
            session, now = str(uuid4()), datetime.now(UTC)
            events = [
                {
                    "event_id": str(uuid4()),
                    "student_id": str(student),
                    "session_id": session,
                    "event_type": steps[i % 5],
                    "timestamp": (now - timedelta(seconds=200 - i)).isoformat(),
                    "sequence": i,
                    "data": {"task": f"t{i // 5}"},
                }
                for i in range(200)
            ]
            batch = {"batch_id": str(uuid4()), "client_version": "b", "sent_at": now.isoformat(), "events": events}
            (await http.post("/api/v1/telemetry/batch", json=batch)).raise_for_status()
            address = f"/api/v1/telemetry/session/{session}/close"
            found += await timed(1, lambda address=address: http.post(address))  # type: ignore[misc]
    row("session of 200 events closed, observables stored (P3)", quantiles(found), "under 50 ms")


async def pages(url: str, link: str) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        token = link.partition("token=")[2]
        signed = await http.post("/signin", data={"token": token}, headers={"Origin": url})
        http.cookies.update(signed.cookies)
        home = (await http.get("/")).text
        class_page = re.findall(r"/classes/[0-9a-f-]{36}", home)[0]
        student_page = re.findall(r"/students/[0-9a-f-]{36}", (await http.get(class_page)).text)[0]
        for what, address in (("class page, 25 students (P6: 35)", class_page), ("student page", student_page)):
            size = len((await http.get(address)).content)
            found = await timed(40, lambda address=address: http.get(address))  # type: ignore[misc]
            row(f"{what}, {size / 1000:.0f} kB", quantiles(found), "p95 under 100 ms")


def footprint(sandbox: Sandbox) -> None:
    """Private and proportionally shared memory of the sandbox's processes and of its database."""
    keeper = psutil.Process(sandbox.pid)
    ours = [keeper, *keeper.children(recursive=True)]
    database = [
        p for p in psutil.process_iter() if "postgres" in p.name() or "store.embedded" in " ".join(p.cmdline())
    ]
    total = sum(p.memory_full_info().pss for p in {*ours, *database}) / 1e6
    row("memory idle: keeper, server, worker, database (P8)", f"{total:.0f} MB", "under 600 MB")


def main() -> None:
    print(
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}\n"
    )
    print("| what | measured | promised |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "sandbox"
        began = time.perf_counter()
        sandbox = start(folder, a_port())
        try:
            row(
                "cold start to ready: initdb, migrations, server, worker (P8)",
                f"{time.perf_counter() - began:.1f} s",
                "under 10 s",
            )
            asyncio.run(measure(sandbox))
            began = time.perf_counter()
            environment = os.environ | {"SIGHTLINE_DATA_DIR": name}
            command = [sys.executable, "-m", "sightline", "demo"]
            shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
            row(
                "`sightline demo` on a running sandbox: 50 students, 8 weeks",
                f"{time.perf_counter() - began:.0f} s",
                "under a minute",
            )
            asyncio.run(pages(sandbox.url, re.findall(r"\(teacher\)\s+(\S+)", shown)[0]))
            footprint(sandbox)
        finally:
            stop(folder)


if __name__ == "__main__":
    main()
