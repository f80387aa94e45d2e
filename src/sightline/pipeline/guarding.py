"""A source that is broken in a class does not count there: found whenever a school is scored, lifted likewise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np

from sightline.domain.observables import Observable
from sightline.domain.skills import SOURCES, Source
from sightline.measurement.assess import Frame
from sightline.pipeline.comparing import Compared, compared_of, matching_without
from sightline.quality.matching import Floats, Index, Matching
from sightline.quality.monitor import LEAST_CLASSES, LEAST_STUDENTS, Monitored, Watched, watch
from sightline.store import quarantines
from sightline.store.database import Work
from sightline.store.quarantines import Decision

NOTHING = Monitored(readings=(), set_aside=frozenset(), rounds=0)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the monitor says of the classes (in this order) and sources of a school."""

    classes: tuple[UUID, ...]
    monitored: Monitored

    @property
    def set_aside(self) -> frozenset[tuple[UUID, Source]]:
        return frozenset((self.classes[c], SOURCES[s]) for c, s in self.monitored.set_aside)


@dataclass(frozen=True, slots=True)
class _Members:
    """Every membership as a student of its own, because a student may be in several classes.

    at: the row of each membership's observations (m); student: the membership of each (m); klass: of each
    membership.
    """

    at: Index
    student: Index
    klass: Index


def watched(
    by_student: Mapping[UUID, Sequence[Observable]], classes: Mapping[UUID, Sequence[UUID]], frame: Frame
) -> Seen:
    """Look at every source in every class. A student in two classes counts in both."""
    names = tuple(sorted(classes))
    if sum(len(classes[c]) >= LEAST_STUDENTS for c in names) < LEAST_CLASSES:
        return Seen(names, NOTHING)
    of = compared_of(by_student, frame)
    members = _members(of, [classes[c] for c in names])
    if not len(members.at):
        return Seen(names, NOTHING)
    o, parameters = of.observations, of.parameters
    source = parameters.source[o.indicator]
    in_class = np.zeros((len(names), o.n_students), dtype=np.bool_)
    place = {student: i for i, student in enumerate(of.items.students)}
    for c, name in enumerate(names):
        in_class[c, [place[s] for s in classes[name] if s in place]] = True

    def matching(aside: frozenset[tuple[int, int]]) -> Matching:
        gone = np.zeros(len(o.y), dtype=np.bool_)
        for c, s in aside:
            gone |= in_class[c, o.student] & (source == s)
        found = matching_without(of, gone)
        return Matching(
            found.mean[members.at],
            found.standard_error[members.at],
            _rows(found.prior_variance, members.at),
            _rows(found.prior_mean, members.at),
        )

    data = Watched(
        y=o.y[members.at],
        student=members.student,
        indicator=o.indicator[members.at],
        klass=members.klass,
        c=parameters.c,
        lam=parameters.lam,
        source=parameters.source,
    )
    return Seen(names, watch(data, matching))


def _rows(values: Floats | float, at: Index) -> Floats | float:
    return values[at] if isinstance(values, np.ndarray) else values


def _members(of: Compared, rolls: Sequence[Sequence[UUID]]) -> _Members:
    place = {student: i for i, student in enumerate(of.items.students)}
    starts = of.items.starts
    at: list[Index] = []
    klass: list[int] = []
    for c, roll in enumerate(rolls):
        for i in (place[s] for s in roll if s in place):
            at.append(np.arange(starts[i], starts[i + 1]))
            klass.append(c)
    student = np.repeat(np.arange(len(at)), [len(rows) for rows in at])
    rows = np.concatenate(at) if at else np.zeros(0, dtype=np.intp)
    return _Members(at=rows, student=student, klass=np.array(klass, dtype=np.intp))


async def keep(work: Work, school_id: UUID, seen: Seen, now: datetime) -> frozenset[tuple[UUID, Source]]:
    """Append what is newly set aside or no longer; returns all that is set aside now."""
    before = await quarantines.current(work, school_id)
    readings = {(seen.classes[r.klass], SOURCES[r.source]): r for r in seen.monitored.readings}
    aside = seen.set_aside
    changed: list[Decision] = []
    for pair in sorted(aside | before.keys()):
        if (pair in aside) == (pair in before and before[pair].set_aside):
            continue
        reading = readings.get(pair)
        changed.append(
            Decision(
                class_id=pair[0],
                source=pair[1],
                set_aside=pair in aside,
                shift=None if reading is None else reading.shift,
                standard_error=None if reading is None else reading.standard_error,
                students=0 if reading is None else reading.students,
                at=now,
            )
        )
    await quarantines.add(work, school_id, changed)
    return aside
