"""Transcripts into turns: WebVTT with voice tags or "Name: text", and CSV with a header line. Text only."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid5

import webvtt
from webvtt.errors import MalformedCaptionError, MalformedFileError

from sightline.domain.records import Utterance
from sightline.errors import BadInput

MAX_TURNS = 20_000
"""About twice a day of talk of a whole class."""

UNKNOWN = ""
"""The label of a turn whose transcript names no speaker; it is never resolved to anybody by itself."""

VOICE = re.compile(r"<v(?:\.[^\s<>]*)?\s+([^\s<>][^<>]*)>")
TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
NAMED = re.compile(r"^([^\s:][^:]{0,39}):\s+(\S.*)$", re.DOTALL)

COLUMNS = {
    "start": ("start", "start_time", "starts_at", "begin", "from"),
    "end": ("end", "end_time", "ends_at", "to"),
    "speaker": ("speaker", "name", "interlocutor", "participant"),
    "text": ("text", "utterance", "transcript", "content"),
}
"""Accepted names of the columns of a CSV transcript, lower case."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One speaker's turn; times in seconds from the start of the recording."""

    speaker: str
    starts: float
    ends: float
    text: str


def read_transcript(content: str, form: str) -> list[Turn]:
    """Turns in order of their start. Raises BadInput with the line for what cannot be read."""
    reader = READERS.get(form)
    if reader is None:
        raise BadInput(
            f"the format {form!r} is not read; send one of: {', '.join(READERS)} (audio is never taken: "
            "transcribe it first)",
            code="unknown_format",
            pointer="/format",
        )
    if "\x00" in content:
        raise BadInput("the transcript holds a NUL character; remove it", code="nul_character", pointer="/content")
    turns = reader(content.removeprefix("\ufeff"))
    if not turns:
        raise BadInput("the transcript has no turns", code="empty_transcript", pointer="/content")
    if len(turns) > MAX_TURNS:
        raise BadInput(
            f"the transcript has {len(turns)} turns and {MAX_TURNS} is the most; send it in parts",
            code="too_many_turns",
            pointer="/content",
        )
    return sorted(turns, key=lambda turn: turn.starts)


def utterances_of(
    turns: list[Turn], *, transcript_id: UUID, recorded_at: datetime, speakers: Mapping[str, UUID | None]
) -> tuple[Utterance, ...]:
    """Typed utterances with ids that are the same for the same transcript and position."""
    return tuple(
        Utterance(
            utterance_id=uuid5(transcript_id, str(position)),
            position=position,
            speaker=turn.speaker,
            student_id=speakers.get(turn.speaker),
            starts_at=recorded_at + timedelta(seconds=turn.starts),
            ends_at=recorded_at + timedelta(seconds=turn.ends),
            text=turn.text,
        )
        for position, turn in enumerate(turns)
    )


def _read_webvtt(content: str) -> list[Turn]:
    try:
        captions = list(webvtt.from_string(content).captions)
    except (MalformedFileError, MalformedCaptionError) as problem:
        raise BadInput(f"this is not WebVTT: {problem}", code="malformed_webvtt", pointer="/content") from problem
    timed = sum("-->" in line for line in content.splitlines())
    if timed != len(captions):
        raise BadInput(
            f"{timed - len(captions)} of {timed} cues cannot be read; check their times and that each has text",
            code="malformed_webvtt",
            pointer="/content",
        )
    turns: list[Turn] = []
    for caption in captions:
        starts, ends = _seconds(caption.start), _seconds(caption.end)
        raw = caption.raw_text
        pieces = VOICE.split(raw)
        if len(pieces) == 1:
            turns += _turn(*_by_colon(TAG.sub("", raw)), starts, ends)
            continue
        turns += _turn(UNKNOWN, TAG.sub("", pieces[0]), starts, ends)
        for speaker, said in zip(pieces[1::2], pieces[2::2], strict=True):
            turns += _turn(speaker.strip(), TAG.sub("", said), starts, ends)
    return turns


def _by_colon(text: str) -> tuple[str, str]:
    named = NAMED.match(text.strip())
    return (named[1], named[2]) if named else (UNKNOWN, text)


def _turn(speaker: str, text: str, starts: float, ends: float) -> list[Turn]:
    said = " ".join(text.split())
    return [Turn(speaker, starts, max(ends, starts), said)] if said else []


def _read_csv(content: str) -> list[Turn]:
    first = content.partition("\n")[0]
    delimiter = max(("\t", ";", ","), key=first.count)
    source = io.StringIO(content, newline="")
    if delimiter == "\t":
        rows = csv.reader(source, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    else:
        rows = csv.reader(source, delimiter=delimiter)
    turns: list[Turn] = []
    try:
        header = [name.strip().lower() for name in next(rows, [])]
        places = {column: _place(header, column) for column in COLUMNS}
        for row in rows:
            if not any(row):
                continue
            try:
                starts, ends = _seconds(row[places["start"]]), _seconds(row[places["end"]])
                speaker, text = row[places["speaker"]].strip(), row[places["text"]]
            except (IndexError, ValueError) as problem:
                raise BadInput(
                    f"line {rows.line_num}: a start, an end, a speaker and a text are needed; times in seconds or "
                    "hh:mm:ss.mmm",
                    code="malformed_csv",
                    pointer="/content",
                ) from problem
            turns += _turn(speaker, text, starts, ends)
    except csv.Error as problem:
        raise BadInput(f"line {rows.line_num}: {problem}", code="malformed_csv", pointer="/content") from problem
    return turns


def _place(header: list[str], column: str) -> int:
    for name in COLUMNS[column]:
        if name in header:
            return header.index(name)
    raise BadInput(
        f"the CSV has no column for {column!r}; call it one of: {', '.join(COLUMNS[column])}",
        code="missing_column",
        pointer="/content",
    )


def _seconds(stated: str) -> float:
    """Seconds from "12.5", "01:02.5" or "01:02:03,5". Raises ValueError for anything else."""
    seconds = 0.0
    for part in stated.strip().replace(",", ".").split(":"):
        seconds = seconds * 60 + float(part)
    if not 0 <= seconds < timedelta(days=7).total_seconds():
        raise ValueError(f"not a time within a recording: {stated}")
    return seconds


READERS: Mapping[str, Callable[[str], list[Turn]]] = {"webvtt": _read_webvtt, "csv": _read_csv}
