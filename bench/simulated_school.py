"""Does the machinery hold on students whose skills are known? Simulated schools, literature card, no fitting.

    python bench/simulated_school.py [SEEDS]

The generator shares the model's form and was tuned on seeds 1 to 6, so seeds begin at 101. This shows machinery, and
says nothing of validity. Prints one row a seed: results scored, RMSE and correlation with the true level (SD,
centred on the school, as the norms are), and how many true levels the 90 % intervals held.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from uuid import UUID, uuid5

import msgspec
import numpy as np

from sightline.demo.generator import simulate
from sightline.demo.school import SimulatedSchool, SimulatedTalk
from sightline.domain.estimates import Estimate
from sightline.domain.observables import Observable
from sightline.domain.records import Conversation, Event, Rating
from sightline.domain.skills import SKILLS, Skill
from sightline.features.catalog import CATALOG_VERSION, INDICATORS
from sightline.features.extraction import extract_ratings, extract_session
from sightline.ingest.events import read_event
from sightline.ingest.sessions import session_of
from sightline.ingest.transcripts import read_transcript, utterances_of
from sightline.measurement.assess import Frame, assess
from sightline.pipeline.cards import measurement_card
from sightline.pipeline.scoring import norms_now, occasion_id, talk_extractions

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
FIRST_SEED = 101


def conversation(talk: SimulatedTalk) -> Conversation:
    transcript_id = UUID(talk.transcript_id)
    turns = utterances_of(
        read_transcript(talk.content, talk.format),
        transcript_id=transcript_id,
        recorded_at=datetime.fromisoformat(talk.recorded_at),
        speakers={label: None if s is None else UUID(s) for label, s in talk.speakers.items()},
    )
    return Conversation(transcript_id=transcript_id, utterances=turns)


def observables_of(school: SimulatedSchool) -> dict[UUID, list[Observable]]:
    """What the pipeline would store of a simulated school."""
    found: dict[UUID, list[Observable]] = {UUID(s.student_id): [] for s in school.students}
    for sitting in school.sessions:
        read = [read_event(msgspec.json.encode(e), received_at=NOW, sent_at=None) for e in sitting.events]
        events = [e for e in read if isinstance(e, Event)]
        student = UUID(sitting.student_id)
        found[student] += extract_session(session_of(UUID(sitting.session_id), student, events)).observables
    for talk in school.talks:
        for extraction in talk_extractions(conversation(talk)):
            found[extraction.student_id] += extraction.observables
    occasions: dict[tuple[UUID, UUID, date], list[Rating]] = {}
    for i, r in enumerate(school.ratings):
        student, rater = UUID(r.student_id), uuid5(UUID(int=0), f"rater/{r.rater}")
        rating = Rating(
            rating_id=uuid5(student, str(i)),
            rater_id=rater,
            student_id=student,
            skill=Skill(r.skill),
            level=r.level,
            occasion=date.fromisoformat(r.occasion),
            rated_at=datetime.fromisoformat(r.rated_at),
        )
        occasions.setdefault((student, rater, rating.occasion), []).append(rating)
    for (student, rater, occasion), ratings in occasions.items():
        found[student] += extract_ratings(occasion_id(rater, student, occasion), ratings).observables
    return found


def figures(seed: int) -> tuple[float, float, float, float]:
    """Share scored, RMSE, correlation, share of true levels inside their 90 % interval."""
    school = simulate(seed, NOW)
    found = observables_of(school)
    as_of, norms = norms_now(found, NOW)
    frame = Frame(
        indicators=INDICATORS,
        norms=norms,
        card=measurement_card(),
        catalog_version=CATALOG_VERSION,
        as_of=as_of,
        computed_at=as_of,
    )
    truth = {UUID(s.student_id): [s.truth.level(skill, 1.0) for skill in SKILLS] for s in school.students}
    centre = np.mean(list(truth.values()), axis=0)
    pairs: list[tuple[float, Estimate]] = []
    for assessment in assess(found, frame):
        for k, result in enumerate(assessment.results):
            if isinstance(result.outcome, Estimate):
                pairs.append((truth[assessment.student_id][k] - centre[k], result.outcome))
    true = np.array([t for t, _ in pairs])
    means = np.array([e.mean for _, e in pairs])
    inside = [e.interval_90[0] <= t <= e.interval_90[1] for t, e in pairs]
    return (
        len(pairs) / (len(truth) * len(SKILLS)),
        float(np.sqrt(np.mean((means - true) ** 2))),
        float(np.corrcoef(means, true)[0, 1]),
        float(np.mean(inside)),
    )


def main(seeds: Sequence[int]) -> None:
    print("| seed | scored | RMSE | r | 90 % interval holds |\n|---|---|---|---|---|")
    rows = []
    for seed in seeds:
        rows.append(figures(seed))
        print(f"| {seed} | " + " | ".join(f"{value:.3f}" for value in rows[-1]) + " |")
    print("| mean | " + " | ".join(f"{value:.3f}" for value in np.mean(rows, axis=0)) + " |")


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    main(range(FIRST_SEED, FIRST_SEED + count))
