"""DeliData's files (Karadzhov, Stafford & Vlachos 2023, Apache-2.0) to labelled conversations.

One file is one group's chat: tab-separated, unquoted, UTF-8. Only rows of type MESSAGE are talk. The text is the
original one, without the corpus's masks, because talk at run time comes without them.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sightline.errors import BadInput
from sightline.talkacts.acts import Act
from sightline.talkacts.features import Turn

CORPUS: Final = "DeliData"
LICENCE: Final = "Apache-2.0"
COLUMNS: Final = frozenset(
    {"group_id", "message_type", "origin", "original_text", "annotation_type", "annotation_target"}
)

_MISSING: Final = frozenset({"", "0"})
_TYPES: Final[dict[str, frozenset[Act]]] = {
    "Probing": frozenset({Act.PROBING}),
    "Non-probing-deliberation": frozenset(),
}
_TARGETS: Final = {
    "Reasoning": Act.REASONING,
    "Solution": Act.SOLUTION,
    "Agree": Act.AGREEING,
    "Disagree": Act.DISAGREEING,
    "Moderation": Act.MODERATING,
}


@dataclass(frozen=True, slots=True)
class Conversation:
    """One group's talk. `labels` runs beside `turns`: the acts of each turn, or None where nobody coded it.

    `name` and `sha256` are those of the file it came from.
    """

    group: str
    turns: tuple[Turn, ...]
    labels: tuple[frozenset[Act] | None, ...]
    name: str
    sha256: str


def read_delidata(folder: Path) -> tuple[Conversation, ...]:
    """Every conversation in `folder`, by file name. Raises `BadInput` for no files, columns or labels unknown."""
    files = sorted(path for path in folder.glob("*") if path.is_file() and not path.name.startswith("."))
    if not files:
        raise BadInput(f"no DeliData files in {folder}: give the folder that holds one file per group")
    return tuple(_conversation(path) for path in files)


def corpus_checksum(conversations: Iterable[Conversation]) -> str:
    """SHA-256 over the sorted lines `<sha256 of a file>  <name>`, each ended by a newline."""
    lines = sorted(f"{conversation.sha256}  {conversation.name}\n" for conversation in conversations)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _conversation(path: Path) -> Conversation:
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path.name} is not UTF-8 text, so it is no DeliData file") from error
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)
    if missing := COLUMNS - set(reader.fieldnames or ()):
        raise BadInput(f"{path.name} is no DeliData file: it lacks the columns {', '.join(sorted(missing))}")
    rows = list(reader)
    talk = [row for row in rows if row["message_type"] == "MESSAGE"]
    groups = {row["group_id"] for row in rows}
    if len(groups) != 1:
        raise BadInput(f"{path.name} holds {len(groups)} groups; one file is one group")
    return Conversation(
        group=groups.pop(),
        turns=tuple(Turn(row["origin"], unwrapped(row["original_text"])) for row in talk),
        labels=tuple(_label(row, path.name) for row in talk),
        name=path.name,
        sha256=hashlib.sha256(raw).hexdigest(),
    )


def _label(row: dict[str, str], name: str) -> frozenset[Act] | None:
    kind, target = row["annotation_type"], row["annotation_target"]
    if kind in _MISSING:
        return None
    if kind == "None":
        return frozenset()
    if kind not in _TYPES or target not in _TARGETS:
        raise BadInput(f"{name} has the label {kind!r} with {target!r}, which this recipe does not know")
    return _TYPES[kind] | {_TARGETS[target]}


def unwrapped(text: str) -> str:
    """The text as typed: the corpus writes one that holds an apostrophe as `'don''t'`, which would tell on it."""
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    return text
