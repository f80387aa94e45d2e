"""What /metrics says of events: how many of which type came, and what became of them."""

from __future__ import annotations

from collections import Counter

from sightline import metrics
from sightline.ingest.event_types import KNOWN_TYPES
from sightline.pipeline.receiving import REFUSED, Arrival, Settled
from sightline.store.event_rows import EventRow


def count(one: Arrival, settled: Settled, seconds: float) -> None:
    """Count an answered request, and each of its events by type and by what became of it."""
    metrics.SECONDS.observe(seconds)
    if settled.answer.counts["created"] == len(one.items):  # nearly always
        for event_type, n in Counter(
            [item.event_type for item in one.items if isinstance(item, EventRow)]
        ).items():
            known = event_type if event_type in KNOWN_TYPES else metrics.OTHER
            metrics.EVENTS.labels(known, "created").inc(n)
        return
    types = [getattr(item, "event_type", metrics.OTHER) for item in one.items]
    statuses = ["created" if fate is None else fate.status for fate in settled.fates]
    for (event_type, status), n in Counter(zip(types, statuses, strict=True)).items():
        metrics.EVENTS.labels(event_type if event_type in KNOWN_TYPES else metrics.OTHER, status).inc(n)
    metrics.DUPLICATES.inc(settled.answer.counts["duplicate"])
    for code, n in Counter(r.code for r in settled.answer.results if r.status in REFUSED).items():
        metrics.REJECTS.labels(code or metrics.OTHER).inc(n)
