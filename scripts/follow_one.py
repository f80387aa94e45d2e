"""Follow one observable of one child from the raw lines to the sum. Prints the second half of docs/walkthrough.md.

python scripts/follow_one.py DIR
"""

from __future__ import annotations

import sys
from math import fsum
from pathlib import Path

from sightline.demo.justhink_import import read_corpus
from sightline.demo.justhink_reading import events_of, frame_of, observables_of
from sightline.domain.skills import Skill
from sightline.features.catalog import INDICATORS
from sightline.ingest.justhink import student_id
from sightline.measurement.assess import assess
from sightline.measurement.norms import standardised, transformed

TEAM, CHILD, INDICATOR, SKILL = 18, "B", "feedback_use", Skill.SELF_REGULATION


def follow(folder: Path) -> None:
    corpus = read_corpus(folder)
    play = next(p for p in corpus.plays if p.team == TEAM)
    student = student_id(TEAM, CHILD)
    found = observables_of(corpus)
    observable = next(o for o in found[student] if o.indicator == INDICATOR)
    events = {e.event_id: e for e in events_of(play, CHILD)}
    print(f"moments of {INDICATOR}, pair {TEAM} {CHILD}:")
    for moment in observable.measured.moments:
        event = events[moment.record_id]
        print(
            f"  line {event.data['line']}: {event.event_type} at {moment.at:%H:%M:%S}, counted: {moment.counted}"
        )
    frame = frame_of(found)
    indicator, norm = INDICATORS[INDICATOR], frame.norms.by_indicator[INDICATOR]
    y, variance = transformed(observable.measured, indicator.scale)
    standard, error = standardised(observable, indicator, norm)
    k, n = observable.measured.counted, observable.measured.opportunities
    print(f"{k} of {n}: y = {y:.4f}, sampling variance {variance:.4f}")
    print(
        f"norm: mean {norm.mean:.4f}, SD {norm.spread:.4f}, {norm.students} children; standardised {standard:+.4f}"
    )
    print(f"error variance of the standardised value beyond the residual: {error:.4f}")
    result = next(a for a in assess(found, frame) if a.student_id == student).of(SKILL)
    print(f"contributions to {SKILL} (prior {result.prior_mean:+.4f}):")
    for c in sorted(result.contributions, key=lambda c: -abs(c.amount)):
        print(f"  {c.amount:+.4f}  {c.indicator} ({'direct' if c.direct else 'borrowed'})")
    total = result.prior_mean + fsum(c.amount for c in result.contributions)
    print(f"sum = {total:+.4f} SD, and not shown to anybody:")
    print(f"  {result.outcome}")


if __name__ == "__main__":
    if len(sys.argv) != len(["script", "DIR"]):
        sys.exit("usage: python scripts/follow_one.py DIR (the folder of the JUSThink corpus)")
    follow(Path(sys.argv[1]))
