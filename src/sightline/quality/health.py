"""What each indicator could observe in one school: how often, of how many students, and why not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from sightline.domain.indicators import Indicator
from sightline.domain.observables import Observable


@dataclass(frozen=True, slots=True)
class IndicatorHealth:
    """One indicator in one school; `compared` says whether enough students showed it to compare them."""

    indicator: str
    observed: int
    students: int
    compared: bool
    absent: Mapping[str, int]


def indicator_health(
    indicators: Iterable[Indicator],
    observables: Iterable[Observable],
    absences: Mapping[tuple[str, str], int],
    compared: frozenset[str],
) -> tuple[IndicatorHealth, ...]:
    """One row an indicator, in catalog order. `absences` counts (indicator, reason)."""
    observed: Counter[str] = Counter()
    students: dict[str, set[UUID]] = {}
    for observable in observables:
        observed[observable.indicator] += 1
        students.setdefault(observable.indicator, set()).add(observable.student_id)
    return tuple(
        IndicatorHealth(
            indicator=indicator.name,
            observed=observed[indicator.name],
            students=len(students.get(indicator.name, ())),
            compared=indicator.name in compared,
            absent={reason: n for (name, reason), n in sorted(absences.items()) if name == indicator.name},
        )
        for indicator in indicators
    )
