"""Ingest, side by side in one run on this machine: plain COPY, our HTTP path, the row-by-row design.

    python -m bench.ingest [--short]

Events of about 280 bytes, random ids, fsync and synchronous_commit on, answers after the commit, every check on (the
limits are set high, not off). The load comes from a process of its own. CPU is that of the server processes and of
all PostgreSQL processes, divided by the events stored.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psutil
import psycopg

from bench.way_through import a_port
from sightline.pipeline.signing_in import NewCredential, issue
from sightline.security.identity import CredentialKind
from sightline.store import embedded, people
from sightline.store.database import Store, migrate
from sightline.store.event_rows import COLUMNS
from sightline.store.people import School, Student

HERE = Path(__file__).parent
STUDENTS = 100
PAIRS = 9
GROWN = 1_000_000
"""Stored events after which ingest is measured again (promise P7: ten times as many as before)."""


@dataclass(frozen=True)
class Ground:
    """A database with a school, and what a sender needs."""

    folder: Path
    url: str
    school_id: UUID
    students: list[str]
    key: str
    secret: str


@dataclass(frozen=True)
class Load:
    """One load: events a request, requests, connections, and the pace in events a second if there is one."""

    per_request: int
    requests: int
    clients: int
    rate: float | None = None


@dataclass(frozen=True)
class Measured:
    """What a load showed; CPU in microseconds an event."""

    speed: float
    server: float
    database: float
    client: float
    latencies: Sequence[float]
    statuses: Mapping[str, int]

    def quantile(self, percent: int) -> float:
        return statistics.quantiles(self.latencies, n=100)[percent - 1]


async def settle(url: str, secret: str, folder: Path) -> Ground:
    school_id, class_id = uuid4(), uuid4()
    students = [uuid4() for _ in range(STUDENTS)]
    now = datetime.now(UTC)
    store = Store(url)
    async with store.work() as work:
        await people.add_school(work, School(school_id, "Bench", simulated=True, created_at=now))
        await people.add_class(work, school_id, class_id, "Bench")
        await people.add_students(work, school_id, class_id, [Student(s, f"S {s}") for s in students])
        wanted = NewCredential(kind=CredentialKind.SERVER_KEY, school_id=school_id, staff_id=None, label="bench")
        key = await issue(work, wanted, secret_key=secret, now=now)
    await store.close()
    return Ground(folder, url, school_id, [str(s) for s in students], key, secret)


@contextmanager
def serving(ground: Ground, command: list[str], ports: Sequence[int]) -> Iterator[list[psutil.Process]]:
    """Server processes on these ports, ready to be asked; ended afterwards."""
    environment = os.environ | {
        "SIGHTLINE_DATABASE_URL": ground.url,
        "SIGHTLINE_SECRET_KEY": ground.secret,
        "SIGHTLINE_LIMITS": "server.events=1000000,server.batches=1000000",
    }
    with (ground.folder / "server.log").open("a") as log:
        started = [
            subprocess.Popen([sys.executable, *command, str(port)], env=environment, stderr=log) for port in ports
        ]
        try:
            for port in ports:
                _wait_for(port)
            yield [psutil.Process(p.pid) for p in started]
        finally:
            for process in started:
                process.terminate()
                process.wait(timeout=30)


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            httpx.get(f"http://127.0.0.1:{port}/livez", timeout=1)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"nothing answers on port {port}")


def cpu_of(processes: Sequence[psutil.Process]) -> float:
    return float(sum(p.cpu_times().user + p.cpu_times().system for p in processes))


def database_cpu() -> float:
    """CPU seconds of all PostgreSQL processes, those that have ended counted with their parent."""
    total = 0.0
    for process in psutil.process_iter():
        try:
            if "postgres" in process.name():
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
        except psutil.NoSuchProcess:
            continue
    return total


def measure(ground: Ground, ports: Sequence[int], servers: Sequence[psutil.Process], load: Load) -> Measured:
    single = load.per_request == 1
    plan: dict[str, Any] = {
        "ports": list(ports),
        "path": "/api/v1/telemetry/events" if single else "/api/v1/telemetry/batch",
        "key": ground.key,
        "students": ground.students,
        "per_request": load.per_request,
        "requests": load.requests,
        "clients": load.clients,
        "rate": load.rate,
        "single": single,
    }
    with subprocess.Popen(
        [sys.executable, str(HERE / "load.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise SystemExit("the load has no pipes")
        process.stdin.write(json.dumps(plan) + "\n")
        process.stdin.flush()
        process.stdout.readline()
        before = cpu_of(servers), database_cpu()
        process.stdin.write("go\n")
        process.stdin.flush()
        found = json.loads(process.stdout.readline())
        after = cpu_of(servers), database_cpu()
    events = max(found["created"], 1)
    return Measured(
        speed=found["created"] / found["seconds"],
        server=(after[0] - before[0]) / events * 1e6,
        database=(after[1] - before[1]) / events * 1e6,
        client=found["cpu"] / events * 1e6,
        latencies=found["latencies"],
        statuses=found["statuses"],
    )


def copied(ground: Ground, rows: int) -> float:
    """Rows a second of one plain COPY (text) of stored rows under new ids into the same table, one connection."""
    columns = COLUMNS.replace("event_id", "gen_random_uuid()", 1)
    with psycopg.connect(ground.url) as connection:
        with connection.cursor().copy(
            f"copy (select {columns} from events limit {rows}) to stdout".encode()  # noqa: S608 - constants
        ) as copy:
            text = b"".join(bytes(piece) for piece in copy)
        count = text.count(b"\n")
        connection.commit()
        began = time.perf_counter()
        with connection.cursor().copy(f"copy events ({COLUMNS}) from stdin".encode()) as copy:
            copy.write(text)
        connection.commit()
        return count / (time.perf_counter() - began)


def paired(ground: Ground, port: int, servers: Sequence[psutil.Process]) -> list[tuple[float, float]]:
    """Events a second of 8 clients with 100 a request, each time with the mean of a COPY before and one after it.

    The pace of a shared machine changes within seconds; what is measured beside one another can be compared.
    """
    found: list[tuple[float, float]] = []
    for _ in range(PAIRS):
        before = copied(ground, 15_000)
        speed = measure(ground, [port], servers, Load(100, 300, 8)).speed
        found.append((speed, (before + copied(ground, 15_000)) / 2))
    return found


def stored(ground: Ground) -> int:
    with psycopg.connect(ground.url) as connection:
        row = connection.execute("select count(*) from events").fetchone()
        return 0 if row is None else int(row[0])


def line(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


def show(what: str, found: Measured, copy: float) -> None:
    refused = {s: n for s, n in found.statuses.items() if s != "201"}
    line(
        what + (f" (answers {refused})" if refused else ""),
        f"{found.speed:,.0f}",
        f"{found.speed / copy:.2f}",
        f"{found.server:.1f}",
        f"{found.database:.1f}",
        f"{found.client:.1f}",
        f"{found.quantile(50):.0f} / {found.quantile(95):.0f} / {found.quantile(99):.0f}",
    )


SERVE = ["-m", "sightline", "serve", "--port"]


def run(ground: Ground, *, short: bool) -> None:
    scale = 4 if short else 1
    line("what", "events/s", "of COPY", "server us", "PostgreSQL us", "client us", "ms p50 / p95 / p99")
    line(*["---"] * 7)
    port = a_port()
    with serving(ground, SERVE, [port]) as servers:
        measure(ground, [port], servers, Load(100, 200, 8))
        copies = [copied(ground, 20_000)]
        loads = [
            Load(e, n // scale, c)
            for e, n in ((1, 2_000), (10, 1_000), (100, 800), (1_000, 120))
            for c in (1, 8, 32)
        ]
        seen: list[tuple[str, Measured]] = []
        for load in loads:
            requests = load.requests if load.clients > 1 else load.requests // 2
            found = measure(ground, [port], servers, Load(load.per_request, requests, load.clients))
            seen.append((f"HTTP, {load.per_request:,} a request, {load.clients} clients", found))
            if load.per_request in {
                100,
                1_000,
            }:  # COPY again and again, so that a change of the machine's pace shows
                copies.append(copied(ground, 60_000 // scale))
        copy = statistics.median(copies)
        full = next(found for what, found in seen if what == "HTTP, 100 a request, 8 clients")
        pairs = paired(ground, port, servers)
        half = measure(ground, [port], servers, Load(100, 600 // scale, 8, rate=full.speed / 2))
    spread = f"{min(copies):,.0f} to {max(copies):,.0f}"
    line(f"plain COPY, median of {len(copies)} ({spread})", f"{copy:,.0f}", "1.00", "-", "-", "-", "-")
    for what, found in seen:
        show(what, found, copy)
    show("HTTP, 100 a request, 8 clients, at half of that pace (P2)", half, copy)
    ports = [a_port(), a_port()]
    with serving(ground, SERVE, ports) as servers:
        measure(ground, ports, servers, Load(100, 100, 8))
        show(
            "HTTP, 100 a request, 8 clients, two server processes",
            measure(ground, ports, servers, Load(100, 800 // scale, 8)),
            copy,
        )
    with psycopg.connect(ground.url) as connection:
        connection.execute(
            "create table events_by_row (like events including all, foreign key (school_id) references schools)"
        )
    port = a_port()
    with serving(ground, [str(HERE / "row_by_row.py")], [port]) as servers:
        rows = measure(ground, [port], servers, Load(100, 40 // scale + 8, 8))
        show("row-by-row ORM design, 100 a request, 8 clients", rows, copy)
    shares = [speed / beside for speed, beside in pairs]
    typical = statistics.median(speed for speed, _ in pairs)
    print(
        f"\nP1: {statistics.median(shares):.2f} of COPY (0.6 asked; median of {PAIRS} loads, each between two COPYs: "
        f"{', '.join(f'{share:.2f}' for share in shares)}), {typical / rows.speed:.0f} times the row-by-row design "
        f"(40 asked; {typical:,.0f} events/s)."
    )
    print(f"P2: p95 {half.quantile(95):.0f} ms at half of the load (100 asked).")
    grown(ground, full.speed, short=short)


def grown(ground: Ground, before: float, *, short: bool) -> None:
    """Ingest again with ten times the stored events (promise P7), by its cost: speeds change with the machine."""
    first = stored(ground)
    port = a_port()
    load = Load(100, 200 if short else 400, 8)
    with serving(ground, SERVE, [port]) as servers:
        measure(ground, [port], servers, load)
        base = _typical([measure(ground, [port], servers, load) for _ in range(5)])
    while stored(ground) < first * 10:
        copied(ground, 200_000)
    with psycopg.connect(ground.url, autocommit=True) as connection:
        connection.execute("checkpoint")
    with serving(ground, SERVE, [port]) as servers:
        measure(ground, [port], servers, load)
        later = _typical([measure(ground, [port], servers, load) for _ in range(5)])
    print(
        f"P7: {base[0]:.1f} us of CPU an event ({base[1]:,.0f} events/s) with {first:,} events stored, {later[0]:.1f} us "
        f"({later[1]:,.0f} events/s) with {stored(ground):,}: {later[0] / base[0] - 1:+.0%} (under 10 % asked; medians of "
        f"five; the table above was measured at {before:,.0f})."
    )


def _typical(found: Sequence[Measured]) -> tuple[float, float]:
    """CPU of server and database in microseconds an event, and events a second: medians."""
    return statistics.median(m.server + m.database for m in found), statistics.median(m.speed for m in found)


def main() -> None:
    print(
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}\n"
    )
    secret = secrets.token_hex(32)
    with tempfile.TemporaryDirectory() as name, embedded.share(Path(name) / "database") as lease:
        migrate(lease.url)
        run(asyncio.run(settle(lease.url, secret, Path(name))), short="--short" in sys.argv)


if __name__ == "__main__":
    main()
