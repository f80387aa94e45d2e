"""What is counted for whoever runs the system, as Prometheus reads it. No label names a person, class or school.

With several server processes each writes to files of a shared folder, which `PROMETHEUS_MULTIPROC_DIR` names
before this module is imported, and each answers for all of them.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable by which the library shares its numbers among processes."""

OTHER = "other"
"""The label of every event type that is not in the catalog: senders make up any number of names."""

EVENTS = Counter(
    "telemetry_events_processed_total",
    "Events answered, by type (unknown types as other) and by what became of them",
    ["event_type", "status"],
)
SECONDS = Histogram(
    "telemetry_event_processing_seconds",
    "From a request being read to its answer, after the commit of the transaction that holds its events",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2),
)
BATCH_SIZE = Histogram(
    "telemetry_batch_size", "Events of one request", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
)
DUPLICATES = Counter("telemetry_duplicates_total", "Events that were stored already when they came")
REJECTS = Counter("telemetry_rejects_total", "Events that were not taken, by code", ["code"])
GROUP_EVENTS = Histogram(
    "telemetry_group_commit_events",
    "Events of one transaction",
    buckets=(1, 10, 50, 100, 200, 500, 1000, 2000, 4000),
)
GROUP_SECONDS = Histogram(
    "telemetry_group_commit_seconds",
    "One transaction of events, from its begin to its commit",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2),
)
GROUP_WAIT = Histogram(
    "telemetry_group_wait_seconds",
    "From the oldest request of a transaction being read to the begin of the transaction",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2),
)
WAITING = Gauge(
    "telemetry_queue_events", "Events that wait for a transaction or are in it", multiprocess_mode="livesum"
)
TURNED_AWAY = Counter(
    "telemetry_turned_away_total",
    "Requests answered 429 or 503, and logs that are refused for good (reason logger), by reason",
    ["reason"],
)
for _reason in ("limit", "database", "busy", "too_slow", "logger"):
    TURNED_AWAY.labels(_reason)  # there from the start: Prometheus sees no growth in a series that was not there


class _Jobs(Collector):
    """Jobs as the database has them at the time of the question."""

    def __init__(self, waiting: Mapping[str, tuple[int, float]]) -> None:
        self._waiting = waiting

    def collect(self) -> Iterable[Metric]:
        count = GaugeMetricFamily("sightline_jobs_waiting", "Jobs that wait or run, by task", labels=["task"])
        age = GaugeMetricFamily(
            "sightline_job_age_seconds", "Seconds that the oldest job of a task is due", labels=["task"]
        )
        for task, (jobs, seconds) in self._waiting.items():
            count.add_metric([task], jobs)
            age.add_metric([task], seconds)
        return [count, age]


def exposition(jobs: Mapping[str, tuple[int, float]] | None, folder: Path | None) -> bytes:
    """All numbers in the Prometheus text format. `jobs` has how many of each task there are, and the oldest's age.

    None when the database cannot be asked: then there are no job numbers, and none that are made up. `folder` is
    the one that several processes share.
    """
    parts: list[CollectorRegistry] = []
    if folder is not None:
        _bury(folder)
        shared = CollectorRegistry()
        MultiProcessCollector(shared, str(folder))  # type: ignore[no-untyped-call]
        parts.append(shared)
    else:
        parts.append(REGISTRY)
    if jobs is not None:
        counted = CollectorRegistry()
        counted.register(_Jobs(jobs))
        parts.append(counted)
    return b"".join(generate_latest(part) for part in parts)


def _bury(folder: Path) -> None:
    """Let the gauges of processes that are gone go with them."""
    for path in folder.glob("gauge_live*.db"):
        found = re.search(r"_(\d+)\.db$", path.name)
        if found is None:
            continue
        try:
            os.kill(int(found[1]), 0)  # asks only
        except ProcessLookupError:
            with contextlib.suppress(FileNotFoundError):  # another process was first
                mark_process_dead(int(found[1]), str(folder))  # type: ignore[no-untyped-call]
