"""The recipe of a talk-act card: the same conversations give the same bytes, and bad ones are refused by name."""

from datetime import date
from pathlib import Path

import pytest

from sightline.errors import BadInput
from sightline.talkacts.acts import Act, Turn, act_probabilities, read_card
from sightline.talkacts.corpus import Conversation, read_delidata
from sightline.talkacts.train import main, train

HEADER = "group_id\tmessage_type\torigin\toriginal_text\tannotation_type\tannotation_target\n"
DAY = date(2026, 1, 2)
LINES = (
    ("hello there", frozenset[Act]()),
    ("because it is even", frozenset({Act.REASONING})),
    ("we should flip 4", frozenset({Act.SOLUTION})),
    ("i agree", frozenset({Act.AGREEING})),
    ("no it is not", frozenset({Act.DISAGREEING})),
    ("what does everyone think ?", frozenset({Act.MODERATING, Act.PROBING})),
    ("why is it even ?", frozenset({Act.REASONING, Act.PROBING})),
    ("never coded", None),
)


def conversation(number: int) -> Conversation:
    return Conversation(
        group=f"g{number}",
        turns=tuple(Turn("AB"[at % 2], text) for at, (text, _) in enumerate(LINES)),
        labels=tuple(label for _, label in LINES),
        name=f"g{number}",
        sha256=f"{number:064x}",
    )


TWELVE = [conversation(number) for number in range(12)]


def written(folder: Path, *rows: str, name: str = "one") -> Path:
    (folder / name).write_text(HEADER + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return folder


def test_the_same_conversations_give_the_same_bytes() -> None:
    assert train(TWELVE, seed=1, trained_at=DAY) == train(TWELVE, seed=1, trained_at=DAY)


def test_a_trained_card_reads_back_and_finds_what_it_was_shown() -> None:
    card = read_card(train(TWELVE, seed=1, trained_at=DAY))
    assert card.date == DAY
    assert card.trained_on.turns == 12 * 7  # what nobody coded is context, not evidence
    turns = TWELVE[0].turns
    for found, label in zip(act_probabilities(card, turns), TWELVE[0].labels, strict=True):
        if label is not None:
            assert {act for act in Act if found[act] > 0.5} == label


def test_too_few_groups_are_refused() -> None:
    with pytest.raises(BadInput, match="at least 10 groups"):
        train(TWELVE[:9], seed=1, trained_at=DAY)


def test_an_act_that_never_occurs_is_named() -> None:
    plain = [Conversation(one.group, one.turns[:2], one.labels[:2], one.name, one.sha256) for one in TWELVE]
    with pytest.raises(BadInput, match="agreeing, disagreeing"):
        train(plain, seed=1, trained_at=DAY)


def test_only_messages_are_talk_and_apostrophes_are_unwrapped(tmp_path: Path) -> None:
    folder = written(
        tmp_path,
        "g\tINITIAL\tSYSTEM\tCat&&2\t\t",
        "g\tMESSAGE\tCat\t'I don''t \"agree\"'\tNon-probing-deliberation\tDisagree",
        "g\tSUBMIT\tCat\t2\t\t",
        "g\tMESSAGE\tBee\thi\t0\t0",
        "g\tMESSAGE\tBee\thi\tNone\t0",
    )
    (one,) = read_delidata(folder)
    assert one.turns == (Turn("Cat", 'I don\'t "agree"'), Turn("Bee", "hi"), Turn("Bee", "hi"))
    assert one.labels == (frozenset({Act.DISAGREEING}), None, frozenset())


def test_a_label_that_the_recipe_does_not_know_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="'Shouting'"):
        read_delidata(written(tmp_path, "g\tMESSAGE\tCat\thi\tShouting\tReasoning"))


def test_a_file_that_is_not_delidata_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("a\tb\n1\t2\n", encoding="utf-8")
    with pytest.raises(BadInput, match="notes is no DeliData file"):
        read_delidata(tmp_path)


def test_the_command_answers_a_wrong_folder_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "card.json"
    assert main([str(tmp_path / "nowhere"), str(out), "--seed", "1"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "no DeliData files" in error
    assert not out.exists()
