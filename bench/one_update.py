"""How long one student's update after a session takes, and how far it is from scoring the whole school.

    OMP_NUM_THREADS=1 PYTHONPATH=src:tests python bench/one_update.py [CLASSES]

A school of 25 students a class with about 100 observables each stands in an embedded PostgreSQL (fsync on). Each of
200 students plays one more session; what the worker does for that student is timed: hold the school, read the student,
compute, append, commit. Pass mark: 5 ms. Prints a table.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4, uuid5

import numpy as np

from measured_school import NOW, Drawn, drawn_school, literature_as_fitted, put, put_observables
from sightline.cli.serving import settle_memory
from sightline.domain.estimates import Assessment
from sightline.domain.observables import Observable
from sightline.domain.skills import Source
from sightline.features.catalog import CATALOG_VERSION
from sightline.measurement.card import read_card
from sightline.pipeline.scoring import Scored, score_school
from sightline.pipeline.updating import Remembered, assessed, remember
from sightline.store import cards, embedded, one_student
from sightline.store.assessments import newest_assessments
from sightline.store.database import Store, migrate

STUDENTS = 200
PARTS = ("hold and read", "compute", "append", "commit (fsync)", "end to end", "CPU of the worker in it")


def a_session(drawn: Drawn, student: UUID) -> tuple[Observable, ...]:
    """One more session of games on the last day, as good as the first one was."""
    seen = drawn.observables[student]
    first = next(o.sitting_id for o in seen if o.source is Source.GAME)
    at = max(o.at for of in drawn.observables.values() for o in of) + timedelta(seconds=1)
    sitting = uuid4()
    return tuple(
        replace(o, sitting_id=sitting, observable_id=uuid5(sitting, o.indicator), at=at)
        for o in seen
        if o.sitting_id == first
    )


def means(assessment: Assessment) -> list[float]:
    return [
        r.prior_mean + sum(c.amount for c in r.contributions) + sum(amount for _, amount in r.rater_adjustments)
        for r in assessment.results
    ]


async def scored(store: Store, drawn: Drawn) -> tuple[Scored, Remembered, float]:
    start = time.perf_counter()
    async with store.work() as work:
        done = await score_school(work, drawn.school_id, now=NOW)
        kept = await remember(work, drawn.school_id, done)
    return done, kept, time.perf_counter() - start


async def main(url: str, classes: int) -> None:
    store = Store(url)
    drawn = drawn_school(1, classes=classes)
    await put(store, drawn)
    content = literature_as_fitted(drawn)
    async with store.work() as work:
        version = read_card(content).version
        await cards.use_card(work, drawn.school_id, version=version, content=content, at=NOW)
    await scored(store, drawn)
    _, school, _ = await scored(store, drawn)
    students = drawn.students[:STUDENTS]
    await put_observables(store, drawn, {student: a_session(drawn, student) for student in students})
    settle_memory()  # as the worker does
    parts: dict[str, list[float]] = {name: [] for name in PARTS}
    for student in students:
        used, marks = time.process_time(), [time.perf_counter()]
        with store.for_jobs.work() as driver:
            stored = one_student.read(driver, drawn.school_id, student, CATALOG_VERSION)
            marks.append(time.perf_counter())
            assessment = assessed(student, stored.observables, school, now=NOW)
            marks.append(time.perf_counter())
            one_student.add(driver, drawn.school_id, assessment, stored.content_hash)
            marks.append(time.perf_counter())
        marks.append(time.perf_counter())
        took = [*np.diff(marks), marks[-1] - marks[0], time.process_time() - used]
        for name, seconds in zip(PARTS, took, strict=True):
            parts[name].append(1e3 * seconds)
    async with store.work() as work:
        near = await newest_assessments(work, drawn.school_id, students)
    done, _, seconds = await scored(store, drawn)
    async with store.work() as work:
        after = await newest_assessments(work, drawn.school_id, students)
    apart = [np.max(np.abs(np.subtract(means(near[s]), means(after[s])))) for s in students]
    items = sum(len(seen) for seen in drawn.observables.values()) / len(drawn.observables)
    print(f"{done.students} students with {items:.0f} observables each; {len(students)} updates\n")
    print("| one student's update, ms | least | median | 95 % |\n|---|---|---|---|")
    for name, times in parts.items():
        low, middle, high = np.min(times), np.median(times), np.quantile(times, 0.95)
        print(f"| {name} | {low:.1f} | {middle:.1f} | {high:.1f} |")
    print(f"\nThe whole school: {seconds:.2f} s. {done.changed} of {done.students} changed: severities moved.")
    print(f"Update against the whole school: at most {max(apart):.4f} SD apart.")
    await store.close()


if __name__ == "__main__":
    many = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory() as folder, embedded.share(Path(folder) / "data") as lease:
        migrate(lease.url)
        asyncio.run(main(lease.url, many))
