"""What the shipped talk-act card promises: whole, bounded, blind to who speaks, and right in plain cases."""

import os
from importlib import resources
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.errors import CardInvalid
from sightline.talkacts.acts import Act, Turn, act_probabilities, coverage, read_card
from sightline.talkacts.corpus import corpus_checksum, read_delidata
from sightline.talkacts.features import tokens

RAW = resources.files("sightline.params").joinpath("talkacts-delidata-1.json").read_bytes()
CARD = read_card(RAW)

# (act, a turn that does it, a turn that looks alike and does it less or not). All written before any was tried.
PAIRS = [
    (Act.AGREEING, "i agree", "i don't agree"),
    (Act.AGREEING, "i agree with you", "i do not agree with you"),
    (Act.AGREEING, "yes you are right", "no you are not right"),
    (Act.AGREEING, "that makes sense", "that doesn't make sense"),
    (Act.AGREEING, "sounds good", "sounds like a train"),
    (Act.AGREEING, "ok let's do that", "ok i am back"),
    (Act.AGREEING, "yeah exactly", "yeah ?"),
    (Act.AGREEING, "i agree", 'she said "i agree" and left'),
    (Act.AGREEING, "good idea", "i have no idea"),
    (Act.AGREEING, "i think you're right", "i think the right side is empty"),
    (Act.DISAGREEING, "i don't agree", "i agree"),
    (Act.DISAGREEING, "no it isn't", "yes it is"),
    (Act.DISAGREEING, "i don't think so", "i think so"),
    (Act.DISAGREEING, "that's wrong", "that's right"),
    (Act.DISAGREEING, "no", "no problem"),
    (Act.DISAGREEING, "no , we don't", "no worries"),
    (Act.DISAGREEING, "that is not correct", "that is correct"),
    (Act.DISAGREEING, "i disagree", 'what does "i disagree" mean ?'),
    (Act.REASONING, "because the cost is 4", "the cause is unclear"),
    (Act.REASONING, "cuz it would be cheaper", "the cause is unclear"),
    (Act.REASONING, "it has to be even because the rule says so", "it is even"),
    (Act.REASONING, "if we go there then it costs more", "we go there"),
    (Act.REASONING, "since it has no other connection", "i have been here since monday"),
    (Act.REASONING, "so that means we can't use it", "so"),
    (Act.REASONING, "we don't need it because it is already connected", "hello everyone"),
    (Act.SOLUTION, "i think we should take 3", "i think this is fun"),
    (Act.SOLUTION, "let's flip the 4", "let's wait for the others"),
    (Act.SOLUTION, "we should pick E and 7", "we should say hello"),
    (Act.SOLUTION, "i would choose the first one", "i would like some water"),
    (Act.SOLUTION, "we should take 4", "should we stop talking"),
    (Act.PROBING, "do you think this is good ?", "i think this is good"),
    (Act.PROBING, "why did you choose that ?", "that is why i chose it"),
    (Act.PROBING, "what do you think ?", "that is what i think"),
    (Act.PROBING, "should we take 4 ?", "we should take 4"),
    (Act.PROBING, "how come ?", "come here"),
    (Act.PROBING, "why ?", "that's why"),
    (Act.MODERATING, "what does everyone think ?", "everyone thinks"),
    (Act.MODERATING, "are we all ready to submit ?", "we are all here"),
    (Act.MODERATING, "any other ideas ?", "i had another idea"),
    (Act.MODERATING, "shall we submit ?", "i submitted"),
    (Act.MODERATING, "does everyone agree ?", "everyone agrees"),
    (Act.MODERATING, "does everyone agree ?", "why is it even ?"),
]
# The one that fails: nobody in the corpus wrote a bare "i disagree" often enough for the word to have a weight.
KNOWN_TO_FAIL = {(Act.DISAGREEING, "i disagree", 'what does "i disagree" mean ?')}
PAIRS_THAT_HELD = 41

TALK = [
    Turn("Ann", "what do you think ?"),
    Turn("Bob", "i think we should take 4 because it is cheaper"),
    Turn("Bob", "right ?"),
    Turn("Ann", "no , it isn't"),
    Turn("Cem", "ok i agree with Bob"),
]


def alone(text: str) -> dict[Act, float]:
    return dict(act_probabilities(CARD, [Turn("A", text)])[0])


def holds(pair: tuple[Act, str, str]) -> bool:
    act, doing, alike = pair
    return alone(doing)[act] > alone(alike)[act]


def test_no_turns_give_no_probabilities() -> None:
    assert act_probabilities(CARD, []) == ()


def test_the_card_says_where_it_comes_from_and_how_well_it_does() -> None:
    assert CARD.version == "talkacts-delidata-1"
    assert CARD.licence == "Apache-2.0"
    assert CARD.trained_on.files == CARD.trained_on.groups == 392
    assert set(CARD.acts) == set(Act)
    assert CARD.overall["type_kappa"] > 0.693  # the plain baseline on the same rows
    assert CARD.overall["target_kappa"] > 0.711
    for figures in CARD.acts.values():
        assert figures.sensitivity > figures.false_positive_rate


def test_a_card_is_small_enough_to_ship() -> None:
    assert len(RAW) < 1_000_000


@pytest.mark.parametrize(
    ("field", "value"),
    [("version", "talkacts-delidata-2"), ("temperature", 2.0), ("licence", "MIT"), ("vocabulary", [1])],
)
def test_a_card_changed_after_it_was_made_is_refused(field: str, value: object) -> None:
    body = {**msgspec.json.decode(RAW), field: value}
    with pytest.raises(CardInvalid, match="checksum does not match"):
        read_card(msgspec.json.encode(body))


def test_one_changed_weight_is_refused() -> None:
    body = msgspec.json.decode(RAW)
    body["weights"][0][0] += 1
    with pytest.raises(CardInvalid, match="checksum does not match"):
        read_card(msgspec.json.encode(body))


@pytest.mark.parametrize("raw", [b"", b"{}", b"[1]", b"\xff\xfe", RAW[:-200], b"[" * 100_000, b'{"version": NaN}'])
def test_what_is_no_card_is_refused_in_one_error(raw: bytes) -> None:
    with pytest.raises(CardInvalid):
        read_card(raw)


@given(st.lists(st.builds(Turn, st.sampled_from("AB"), st.text(max_size=80)), max_size=6))
def test_any_text_gets_one_bounded_probability_per_act_and_turn(turns: list[Turn]) -> None:
    found = act_probabilities(CARD, turns)
    assert len(found) == len(turns)
    for one in found:
        assert set(one) == set(Act)
        assert all(0.0 <= probability <= 1.0 for probability in one.values())
        assert one[Act.MODERATING] <= one[Act.PROBING] + 1e-12  # organising is a way of asking, in this coding
    assert 0.0 <= coverage(CARD, turns) <= 1.0


def test_who_speaks_under_which_label_does_not_matter() -> None:
    labels = {"Ann": "child 17", "Bob": "?", "Cem": "because"}
    renamed = [Turn(labels[turn.speaker], turn.text) for turn in TALK]
    assert act_probabilities(CARD, renamed) == act_probabilities(CARD, TALK)


def test_the_same_talk_gives_the_same_numbers() -> None:
    assert act_probabilities(read_card(RAW), TALK) == act_probabilities(CARD, TALK)


def test_what_is_said_later_does_not_change_what_a_turn_was() -> None:
    assert act_probabilities(CARD, TALK[:3]) == act_probabilities(CARD, TALK)[:3]


@pytest.mark.parametrize("text", ["", "   ", "...", "?", "?!", "\n\t"])
def test_a_turn_that_says_nothing_does_no_act(text: str) -> None:
    assert alone(text) == dict.fromkeys(Act, 0.0)


@pytest.mark.parametrize("text", ["n't", "N'T", "'", "@", "''", "a", "\u2019s", "\U0001f601"])
def test_scraps_of_words_are_read_without_failing(text: str) -> None:
    assert set(alone(text)) == set(Act)


@pytest.mark.parametrize("text", ["i'm sorry", "i'm sorry .", "sorry", "hello", "thank you", "lol", "bye"])
def test_courtesies_are_no_act(text: str) -> None:
    assert all(alone(text)[act] < CARD.acts[act].threshold for act in Act)


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair not in KNOWN_TO_FAIL])
def test_of_two_turns_that_look_alike_the_one_that_does_the_act_is_likelier(pair: tuple[Act, str, str]) -> None:
    assert holds(pair)


def test_the_share_of_written_pairs_that_hold_has_not_fallen(capsys: pytest.CaptureFixture[str]) -> None:
    held = sum(holds(pair) for pair in PAIRS)
    with capsys.disabled():
        print(f"\ntalk acts: {held} of {len(PAIRS)} written pairs hold")  # noqa: T201 - the number is the point
    assert held >= PAIRS_THAT_HELD


@pytest.mark.parametrize("negated", ["I don\u2019t agree", "i dont agree", "I do not agree"])
def test_a_negation_reads_the_same_however_it_is_written(negated: str) -> None:
    assert tokens(negated) == ["i", "do", "not", "agree"]


def test_numbers_and_letters_are_not_learned_by_heart() -> None:
    assert alone("flip 4 and K") == alone("flip 17 and E")


def test_coverage_falls_when_the_talk_leaves_the_domain() -> None:
    near = coverage(CARD, [Turn("A", "I think we should check the vowel and the odd number")])
    far = coverage(CARD, [Turn("A", "mitochondria synthesise adenosine triphosphate")])
    assert near == 1.0
    assert far < 0.5
    assert coverage(CARD, [Turn("A", "?!")]) == 0.0


def test_the_card_was_trained_on_the_corpus_that_lies_here() -> None:
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    folder = Path(os.environ.get("SIGHTLINE_DATA", beside)) / "delidata" / "groups"
    if not folder.is_dir():
        pytest.skip("DeliData is not here; set SIGHTLINE_DATA to the folder that holds delidata/groups")
    conversations = read_delidata(folder)
    assert len(conversations) == CARD.trained_on.files
    assert corpus_checksum(conversations) == CARD.trained_on.checksum
