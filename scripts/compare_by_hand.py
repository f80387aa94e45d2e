"""Compare what the rules count in the JUSThink corpus with what a careful reader counted by hand.

    python scripts/compare_by_hand.py DIR

DIR is the corpus folder. The hand counts lie in docs/walkthrough (one reader, one pass, who had not seen the
rules' results). Columns ending in 2 hold the reader's counts under the definitions as they are now, after the
reader's doubts were taken up; the others those under the first ones. Prints the tables of docs/walkthrough.md.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import msgspec

from sightline.domain.observables import Absence, Measured
from sightline.domain.records import Conversation, Event
from sightline.features import talk
from sightline.features.extraction import extract_session
from sightline.ingest.events import read_event
from sightline.ingest.justhink import EPOCH, play_of, read_log, session_id, student_id, transcript_id
from sightline.ingest.sessions import session_of
from sightline.ingest.transcripts import read_transcript, utterances_of

HAND = Path(__file__).parents[1] / "docs" / "walkthrough"
PLAY = {
    "retry": "retry_after_failure",
    "feedback": "feedback_use",
    "help": "help_then_act",
    "persev": "perseveration",
}
TALK = {"asks_info": talk.asking, "asks_view": talk.asking_anothers_view, "takes_up": talk.responsivity}


def counted_in_play(folder: Path, team: int, child: str) -> Mapping[str, str]:
    """k/n of each play indicator of one child, "0/0" without opportunity."""
    play = play_of(read_log((folder / "logs" / f"justhink19_log_{team:02d}.csv").read_text(encoding="utf-8")))
    now = datetime.now(UTC)
    events = [read_event(msgspec.json.encode(e), received_at=now, sent_at=None) for e in play.events[child]]
    kept = [e for e in events if isinstance(e, Event)]
    found = extract_session(session_of(session_id(team, child), student_id(team, child), kept))
    by_name = {o.indicator: f"{o.measured.counted}/{o.measured.opportunities}" for o in found.observables}
    return {short: by_name.get(name, "0/0") for short, name in PLAY.items()}


def conversation(folder: Path, team: int) -> Conversation:
    content = (folder / "transcripts" / f"justhink19_transcript_{team:02d}.csv").read_text(encoding="utf-8")
    speakers: dict[str, UUID | None] = {child: student_id(team, child) for child in "AB"}
    turns = utterances_of(
        read_transcript(content, "csv"),
        transcript_id=transcript_id(team),
        recorded_at=EPOCH,
        speakers=speakers,
    )
    return Conversation(transcript_id=transcript_id(team), utterances=turns)


def compare_play(folder: Path) -> None:
    print("play: rules / hand, k of n\n")
    print("| child | " + " | ".join(PLAY.values()) + " |\n|---|" + "---|" * len(PLAY))
    same = total = 0
    with (HAND / "play_by_hand.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            ours = counted_in_play(folder, int(row["team"]), row["child"])
            cells = []
            for short in PLAY:
                by_hand = f"{row[f'{short}2_k']}/{row[f'{short}2_n']}"
                same, total = same + (by_hand == ours[short]), total + 1
                cells.append(ours[short] if by_hand == ours[short] else f"**{ours[short]}** ({by_hand})")
            print(f"| {row['team']} {row['child']} | " + " | ".join(cells) + " |")
    print(f"\n{same} of {total} counts are the same\n")


def compare_talk(folder: Path) -> None:
    with (HAND / "talk_by_hand.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    talks = {team: conversation(folder, team) for team in sorted({int(row["team"]) for row in rows})}
    print(f"talk: {len(rows)} utterances of ten children, judged one by one\n")
    print("| act | hand | rule | both | precision | recall | kappa |\n|---|---|---|---|---|---|---|")
    for act, rule in TALK.items():
        decided: dict[UUID, bool] = {}
        for team, talked in talks.items():
            for child in "AB":
                found = rule(talked, student_id(team, child), 5, Absence.ACTS_OUT_OF_DOMAIN)
                if isinstance(found, Measured):
                    decided |= {m.record_id: m.counted for m in found.moments}
        pairs = []
        for row in rows:
            turn = talks[int(row["team"])].utterances[int(row["utterance_no"])]
            pairs.append((row[act] == "1", decided.get(turn.utterance_id, False)))
        print(f"| {act} | " + " | ".join(agreement(pairs)) + " |")


def agreement(pairs: list[tuple[bool, bool]]) -> list[str]:
    """Counts, precision, recall and Cohen's kappa of (hand, rule) decisions."""
    n = len(pairs)
    hand, rule = sum(h for h, _ in pairs), sum(r for _, r in pairs)
    both = sum(h and r for h, r in pairs)
    observed = sum(h == r for h, r in pairs) / n
    chance = (hand * rule + (n - hand) * (n - rule)) / n**2
    kappa = (observed - chance) / (1 - chance)
    return [
        str(hand),
        str(rule),
        str(both),
        f"{both / max(rule, 1):.2f}",
        f"{both / max(hand, 1):.2f}",
        f"{kappa:.2f}",
    ]


if __name__ == "__main__":
    if len(sys.argv) != len(["script", "DIR"]):
        sys.exit("usage: python scripts/compare_by_hand.py DIR (the folder of the JUSThink corpus)")
    corpus = Path(sys.argv[1])
    if not (corpus / "logs").is_dir():
        sys.exit(f"{corpus} holds no logs; name the folder of the JUSThink corpus")
    compare_play(corpus)
    compare_talk(corpus)
