"""`sightline import justhink DIR`: real children's play and talk through the front door, and what it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid5

from sightline.demo.connection import Connection, server_key, sign_in_link, wait_until_scored
from sightline.demo.sandbox import Progress
from sightline.demo.sending import Sending, Sent, Sitting
from sightline.domain.estimates import Unscored
from sightline.errors import BadInput
from sightline.ingest.justhink import (
    CHILDREN,
    EPOCH,
    NAMESPACE,
    Play,
    play_of,
    read_log,
    session_id,
    student_id,
    transcript_id,
)
from sightline.pipeline import reading
from sightline.pipeline.reading import Purpose, StudentView
from sightline.reasoning.claims import observed_words
from sightline.security.access import Role
from sightline.store import people
from sightline.store.database import Store
from sightline.store.people import School, Student

SCHOOL = uuid5(NAMESPACE, "school")
CLASS = uuid5(NAMESPACE, "class")
RESEARCHER = uuid5(NAMESPACE, "counsellor")


@dataclass(frozen=True, slots=True)
class Corpus:
    """The corpus as read: plays by pair, and the transcripts' text by pair."""

    plays: tuple[Play, ...]
    transcripts: Mapping[int, str]

    @property
    def left_out(self) -> Counter[str]:
        total: Counter[str] = Counter()
        for play in self.plays:
            total += play.left_out
        return total


@dataclass(frozen=True, slots=True)
class TableRow:
    """One student and skill of the printed table."""

    student: str
    skill: str
    result: str
    strongest: str


@dataclass(frozen=True, slots=True)
class Imported:
    """What the command prints."""

    corpus: Corpus
    sent: Sent
    rows: tuple[TableRow, ...]
    link: str


def read_corpus(folder: Path) -> Corpus:
    """Read all logs and transcripts of a corpus folder. Raises BadInput naming the file that cannot be read."""
    logs = sorted((folder / "logs").glob("justhink19_log_*.csv"))
    if not logs:
        raise BadInput(f"{folder} holds no logs/justhink19_log_*.csv; name the folder of the JUSThink corpus")
    plays: list[Play] = []
    transcripts: dict[int, str] = {}
    for log in logs:
        try:
            play = play_of(read_log(log.read_text(encoding="utf-8")))
        except (BadInput, UnicodeDecodeError) as problem:
            raise BadInput(f"{log}: {problem}") from problem
        plays.append(play)
        talk = folder / "transcripts" / log.name.replace("_log_", "_transcript_")
        if talk.exists():
            transcripts[play.team] = talk.read_text(encoding="utf-8")
    return Corpus(tuple(plays), transcripts)


def display_name(team: int, child: str) -> str:
    """The pseudonym that the corpus itself uses: the pair and the letter."""
    return f"Pair {team:02d} · {child}"


async def import_justhink(connection: Connection, folder: Path, progress: Progress) -> Imported:
    """Make the school unless it is there, send everything, wait for the estimates, and read them back."""
    corpus = read_corpus(folder)
    async with connection.store() as store:
        await _people(store, corpus)
        key = await server_key(store, connection, SCHOOL, "JUSThink import")
        sent = await _send(connection, corpus, key, progress)
        step = progress("estimates", 1)
        if not await wait_until_scored(store):
            raise BadInput("the worker does not finish; look at its log, then run the import again")
        step()
        rows = await _table(store, corpus)
        link = await sign_in_link(store, connection, SCHOOL, RESEARCHER)
    return Imported(corpus, sent, rows, link)


async def _send(connection: Connection, corpus: Corpus, key: str, progress: Progress) -> Sent:
    sittings = [
        Sitting(str(session_id(play.team, child)), play.events[child])
        for play in corpus.plays
        for child in CHILDREN
        if play.events[child]
    ]
    async with Sending(connection.url, key, progress("sessions", len(sittings))) as sending:
        await sending.sessions(sittings)
        sending.step = progress("transcripts", len(corpus.transcripts))
        await sending.transcripts(
            {
                "transcript_id": str(transcript_id(team)),
                "format": "csv",
                "content": content,
                "recorded_at": EPOCH.isoformat(),
                "speakers": _speakers(team, content),
            }
            for team, content in corpus.transcripts.items()
        )
        return sending.sent


def _speakers(team: int, content: str) -> dict[str, str | None]:
    """A and B are the children, R the robot and I an adult; only labels that occur are mapped."""
    labels = {line.split("\t")[4] for line in content.splitlines()[1:] if line}
    return {label: str(student_id(team, label)) if label in CHILDREN else None for label in sorted(labels)}


async def _people(store: Store, corpus: Corpus) -> None:
    async with store.work() as work:
        if await people.school_of(work, SCHOOL) is None:
            await people.add_school(
                work, School(SCHOOL, "JUSThink corpus, 2019", simulated=False, created_at=datetime.now(UTC))
            )
            await people.add_class(work, SCHOOL, CLASS, "JUSThink pairs")
            await people.add_staff(work, SCHOOL, RESEARCHER, "Reader of the corpus", Role.COUNSELLOR)
        roll = [
            Student(student_id(play.team, child), display_name(play.team, child))
            for play in corpus.plays
            for child in CHILDREN
        ]
        await people.add_students(work, SCHOOL, CLASS, roll)


async def _table(store: Store, corpus: Corpus) -> tuple[TableRow, ...]:
    async with store.work() as work:
        reader = await people.staff_caller(work, SCHOOL, RESEARCHER)
        if reader is None:
            raise BadInput("the school of the corpus has no reader; start the sandbox anew with --fresh")
        rows: list[TableRow] = []
        for play in corpus.plays:
            for child in CHILDREN:
                view = await reading.student_view(
                    work,
                    reader,
                    student_id(play.team, child),
                    Purpose("table of the JUSThink import", datetime.now(UTC)),
                )
                rows += table_rows(view)
    return tuple(rows)


def table_rows(view: StudentView) -> Sequence[TableRow]:
    """Seven rows of one student: level probabilities or what is missing, and the strongest evidence."""
    rows: list[TableRow] = []
    for skill in view.skills:
        outcome = skill.result.outcome
        if isinstance(outcome, Unscored):
            result = f"not enough evidence yet; would help: {outcome.would_help}"
        else:
            result = ", ".join(f"{level.value} {p:.0%}" for level, p in outcome.level_probabilities)
        own = [group for group in skill.groups if group.direct]
        strongest = observed_words(own[0].indicator, own[0].observables) if own else "nothing observed"
        rows.append(TableRow(view.student.display_name, skill.result.skill.value, result, strongest))
    return rows
