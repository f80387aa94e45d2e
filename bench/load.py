"""A lean load: prebuilt batches over plain sockets, from a process of its own, so that it weighs little itself.

    python bench/load.py < plan.json

Reads a plan as one line of JSON, prints "ready" when all bodies are built, waits for a line, sends, prints a line of
JSON: seconds, events answered, statuses, latencies in milliseconds, CPU seconds of this process.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True)
class Plan:
    """What to send: `per_request` events a request, `clients` connections, at `rate` events a second or as it goes."""

    ports: list[int]
    path: str
    key: str
    students: list[str]
    per_request: int
    requests: int
    clients: int
    rate: float | None = None
    single: bool = False


@dataclass
class Seen:
    """What came back."""

    latencies: list[float] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    created: int = 0


def an_event(student: str, session: str, at: datetime, i: int) -> str:
    """About 280 bytes, ids from the system's randomness."""
    return (
        f'{{"event_id":"{uuid.UUID(bytes=os.urandom(16), version=4)}","student_id":"{student}","session_id":"{session}",'
        f'"event_type":"choice_made","timestamp":"{at.isoformat()}","sequence":{i},'
        f'"data":{{"task":"bridge {i % 7}","choice":"beam","takes_perspective":{"true" if i % 3 else "false"}}}}}'
    )


def bodies(plan: Plan, port: int) -> list[bytes]:
    """Whole HTTP requests, each a session of its own (single events: one session for each hundred)."""
    now = datetime.now(UTC)
    made: list[bytes] = []
    session = str(uuid.uuid4())
    for n in range(plan.requests):
        if not plan.single or n % 100 == 0:
            session = str(uuid.uuid4())
        student = (
            plan.students[n % len(plan.students)]
            if not plan.single
            else plan.students[n // 100 % len(plan.students)]
        )
        events = [
            an_event(student, session, now - timedelta(milliseconds=plan.per_request - i), i + n)
            for i in range(plan.per_request)
        ]
        if plan.single:
            body = events[0]
        else:
            body = (
                f'{{"batch_id":"{uuid.uuid4()}","client_version":"bench","sent_at":"{now.isoformat()}",'
                f'"events":[{",".join(events)}]}}'
            )
        head = (
            f"POST {plan.path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {plan.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        made.append((head + body).encode())
    return made


def answered(connection: socket.socket) -> tuple[int, bytes]:
    """Status and body of one answer on a kept-open connection."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError("closed")
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    while len(body) < length:
        body += connection.recv(65536)
    return int(head[9:12]), body


def client(plan: Plan, port: int, waiting: list[bytes], seen: Seen, start: float, number: int) -> None:
    """One connection that sends what waits; paced when the plan has a rate."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    step = plan.per_request * plan.clients / plan.rate if plan.rate else 0.0
    due = start + step * number / plan.clients
    while waiting:
        try:
            body = waiting.pop()
        except IndexError:
            return
        if plan.rate:
            time.sleep(max(0.0, due - time.perf_counter()))
        began = due if plan.rate else time.perf_counter()  # paced: a late start counts as waiting
        connection.sendall(body)
        status, answer = answered(connection)
        seen.latencies.append((time.perf_counter() - began) * 1000)
        seen.statuses[str(status)] = seen.statuses.get(str(status), 0) + 1
        seen.created += json.loads(answer).get("counts", {}).get("created", 0)
        due += step


def main() -> None:
    plan = Plan(**json.loads(sys.stdin.readline()))
    per_port = [bodies(plan, port) for port in plan.ports]
    for waiting in per_port:  # with several servers each gets its share
        del waiting[len(waiting) // len(plan.ports) :]
    print("ready", flush=True)
    sys.stdin.readline()
    shares = [Seen() for _ in range(plan.clients)]
    cpu = time.process_time()
    start = time.perf_counter()
    threads = [
        threading.Thread(
            target=client,
            args=(plan, plan.ports[n % len(plan.ports)], per_port[n % len(plan.ports)], seen, start, n),
        )
        for n, seen in enumerate(shares)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    statuses: dict[str, int] = {}
    for seen in shares:
        for status, n in seen.statuses.items():
            statuses[status] = statuses.get(status, 0) + n
    print(
        json.dumps(
            {
                "seconds": seconds,
                "created": sum(seen.created for seen in shares),
                "statuses": statuses,
                "latencies": [x for seen in shares for x in seen.latencies],
                "cpu": time.process_time() - cpu,
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    main()
