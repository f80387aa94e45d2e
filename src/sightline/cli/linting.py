"""`lint-events`: checks a file of events as the server would, before it is sent. It needs no server and no key.

What passes here passes there, but for one thing: only the server knows which students a school has.
"""

from __future__ import annotations

import gzip
import sys
import zlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from io import BufferedReader
from pathlib import Path
from typing import Annotated, BinaryIO, cast

import typer

from sightline.api.edge import MAX_INFLATED_BYTES
from sightline.errors import BadInput
from sightline.ingest.event_types import CATALOG, KNOWN_TYPES, fields_of
from sightline.ingest.events import Reject, WireEvent, judge_one
from sightline.ingest.times import clock_of
from sightline.store.event_rows import content_hash, content_of, owner_of

GZIP_BEGINS = b"\x1f\x8b"
MAX_UNKNOWN_TYPES = 1_000
"""So many types that are not known are told one by one; a file that makes up more fills no memory."""

OTHERS = "(more unknown types)"
WORDS = {row.name: told for row in CATALOG.values() if (told := [one for one in fields_of(row) if one.words])}
"""Fields of which rules read certain words only, by event type."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong in one line; a warning is what the server would take all the same."""

    line: int
    pointer: str
    code: str
    detail: str
    warning: bool = False


@dataclass(slots=True)
class _Sequences:
    """The numbers seen in a session as unbroken runs: `first[i]` to `last[i]`, begun in the file at `line[i]`."""

    first: list[int] = field(default_factory=list)
    last: list[int] = field(default_factory=list)
    line: list[int] = field(default_factory=list)

    def add(self, number: int, line: int) -> bool:
        """False when the number was there already."""
        at = bisect_right(self.first, number)
        if at and number <= self.last[at - 1]:
            return False
        after = at > 0 and self.last[at - 1] == number - 1
        before = at < len(self.first) and self.first[at] == number + 1
        if after and before:
            self.last[at - 1] = self.last[at]
            del self.first[at], self.last[at], self.line[at]
        elif after:
            self.last[at - 1] = number
        elif before:
            self.first[at], self.line[at] = number, line
        else:
            self.first.insert(at, number)
            self.last.insert(at, number)
            self.line.insert(at, line)
        return True


@dataclass(slots=True)
class _Sitting:
    """What is known of a session so far."""

    student: bytes
    sequences: _Sequences = field(default_factory=_Sequences)
    before: tuple[int | None, datetime] | None = None


@dataclass(slots=True)
class Linter:
    """Judges events line by line; holds an id and a hash for each event, and a few numbers for each session."""

    events: int = 0
    sent_again: int = 0
    types: Counter[str] = field(default_factory=Counter)
    _said: dict[bytes, bytes] = field(default_factory=dict)
    _sittings: dict[bytes, _Sitting] = field(default_factory=dict)
    _unknown: set[str] = field(default_factory=set)

    def judge(self, raw: bytes, line: int, now: datetime) -> Iterator[Finding]:
        """What is wrong with one event, in the order in which the server looks."""
        self.events += 1
        taken = judge_one(raw, clock_of(now, None))
        if isinstance(taken, Reject):
            yield Finding(line, taken.pointer, taken.code, taken.detail)
            return
        event = taken.wire
        sitting = self._sittings.setdefault(event.session_id.bytes, _Sitting(event.student_id.bytes))
        if sitting.student != event.student_id.bytes:
            yield Finding(
                line,
                "/session_id",
                "session_of_another_student",
                "an earlier line has this session for another student (use a new session id for each student)",
            )
            return
        said = content_hash(content_of(taken, owner_of(event)))[:8]
        before = self._said.get(event.event_id.bytes)
        if before == said:
            self.sent_again += 1
            return
        if before is not None:
            yield Finding(
                line,
                "/event_id",
                "same_id_other_content",
                "an earlier line has this id with other content (give a new event a new id)",
            )
            return
        self._said[event.event_id.bytes] = said
        yield from self._type(event, line)
        yield from self._order(event, sitting, line)

    def gaps(self) -> Iterator[Finding]:
        """Numbers that no line of a session had, once all lines are read; one warning a session."""
        for sitting in self._sittings.values():
            runs = sitting.sequences
            if len(runs.first) > 1:
                missing = f"{runs.last[0] + 1} to {runs.first[1] - 1}"
                more = f", and {len(runs.first) - 2} more gaps" if len(runs.first) > 2 else ""  # noqa: PLR2004
                yield Finding(
                    runs.line[1],
                    "/sequence",
                    "sequence_gap",
                    f"this session has no event numbered {missing}{more} (send what is missing, now or later)",
                    warning=True,
                )

    def _type(self, event: WireEvent, line: int) -> Iterator[Finding]:
        name = event.event_type
        if name in KNOWN_TYPES:
            self.types[name] += 1
            for one in WORDS.get(name, ()):
                if event.data.get(one.name) not in one.words:
                    yield Finding(
                        line,
                        f"/data/{one.name}",
                        "unread_word",
                        f"no rule reads this word (send {one.kind})",
                        warning=True,
                    )
            return
        if name not in self._unknown and len(self._unknown) == MAX_UNKNOWN_TYPES:
            self.types[OTHERS] += 1
            return
        self.types[name] += 1
        if name not in self._unknown:
            self._unknown.add(name)
            nearest = get_close_matches(name, sorted(KNOWN_TYPES), n=1)
            mend = f" (did you mean {nearest[0]}?)" if nearest else ""
            told = f"{name} is stored and counted, but no rule reads it{mend}; said once"
            yield Finding(line, "/event_type", "unknown_type", told, warning=True)

    @staticmethod
    def _order(event: WireEvent, sitting: _Sitting, line: int) -> Iterator[Finding]:
        number, at = event.sequence, event.timestamp
        if number is not None and not sitting.sequences.add(number, line):
            told = f"this session has another event numbered {number} (count up by one for each event)"
            yield Finding(line, "/sequence", "duplicate_sequence", told, warning=True)
        if sitting.before is not None:
            number_before, at_before = sitting.before
            if number is not None and number_before is not None:
                back = (number > number_before and at < at_before) or (number < number_before and at > at_before)
                trusted = "the sequence is trusted; look at the clock"
            else:
                back = at < at_before
                trusted = "send a sequence with every event, or the clock decides the order"
            if back:
                told = f"the time goes backwards within the session ({trusted})"
                yield Finding(line, "/timestamp", "time_goes_backwards", told, warning=True)
        sitting.before = (number, at)


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    """The file, or standard input for `-`, unpacked when it is gzip. Raises BadInput when it cannot be opened."""
    with ExitStack() as closing:
        try:
            plain = sys.stdin.buffer if str(file) == "-" else closing.enter_context(file.open("rb"))
            packed = cast("BufferedReader", plain).peek(2).startswith(GZIP_BEGINS)
        except OSError as problem:
            raise BadInput(f"{file} cannot be read: {problem}") from problem
        yield cast("BinaryIO", closing.enter_context(gzip.open(plain))) if packed else plain


def _piece(stream: BinaryIO, size: int) -> bytes:
    """The rest of a line, `size` bytes of it at most; empty at the end. Raises BadInput for broken gzip."""
    try:
        return stream.readline(size)
    except (OSError, EOFError, zlib.error) as problem:
        raise BadInput(f"the file cannot be read to its end: {problem}") from problem


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Each line with its number from 1; None for one that is longer than any body that the server takes."""
    number = 0
    while line := _piece(stream, MAX_INFLATED_BYTES + 1):
        number += 1
        if len(line) <= MAX_INFLATED_BYTES:
            if line.strip():
                yield number, line
            continue
        while line and not line.endswith(b"\n"):
            line = _piece(stream, MAX_INFLATED_BYTES)
        yield number, None


def _shown(text: str) -> str:
    """Text that a terminal can show: a key in an event may hold anything."""
    plain = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
    encoding = sys.stdout.encoding or "ascii"
    return plain.encode(encoding, "backslashreplace").decode(encoding)


def _tell(file: Path, one: Finding) -> None:
    kind = "warning " if one.warning else ""
    typer.echo(_shown(f"{file}:{one.line} {one.pointer or '-'} {kind}{one.code}: {one.detail}"))


def _found(linter: Linter, stream: BinaryIO) -> Iterator[Finding]:
    for number, line in _lines(stream):
        if line is None:
            linter.events += 1
            yield Finding(number, "", "body_too_large", "the line is over 10 MiB (send less in one event)")
        else:
            yield from linter.judge(line, number, datetime.now(UTC))
    yield from linter.gaps()


def lint_events(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="JSON lines, one event a line, plain or gzip; - reads standard input"),
    ],
) -> None:
    """Check events as the server would; exit status 1 when it would refuse any."""
    linter = Linter()
    told: Counter[bool] = Counter()
    with _opened(file) as stream:
        for one in _found(linter, stream):
            told[one.warning] += 1
            _tell(file, one)
    parts = [_counted(linter.events, "event"), _counted(told[False], "problem"), _counted(told[True], "warning")]
    if linter.sent_again:
        parts.append(f"{linter.sent_again} sent again")
    types = ", ".join(f"{name} {n}" for name, n in linter.types.most_common())
    typer.echo(_shown(f"{file}: {', '.join(parts)}" + (f"; {types}" if types else "")))
    if told[False]:
        raise typer.Exit(1)


def _counted(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def add_to(app: typer.Typer) -> None:
    app.command("lint-events")(lint_events)
