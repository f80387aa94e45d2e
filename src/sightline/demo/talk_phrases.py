"""The words of simulated group talk: tasks of grades 6 to 8, and what a turn does, as templates with slots.

Written for the demo by its makers; nothing here was said by a child. Some of `PROPOSE` and `COORDINATE` were
chosen because the talk-act classifier reads them as meant, so the demo is no test of that classifier.
Slots: {part} and {other} are things of the task, {flaw} what is wrong with them, {fix} something to do with them,
{trouble} what happens else, {goal} the group's aim, {n} a number. A {part} is a plural, so any of them fits.
Tests hold the phrases to this: a question has its question mark, and only `VIEW` asks for another's view.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GroupTask:
    """What a group works on: its opening by the teacher, and the words that fill the slots."""

    name: str
    opening: str
    parts: tuple[str, ...]
    flaws: tuple[str, ...]
    fixes: tuple[str, ...]
    troubles: tuple[str, ...]
    goals: tuple[str, ...]


GROUP_TASKS: tuple[GroupTask, ...] = (
    GroupTask(
        name="bridge building",
        opening="You have paper, straws and tape. Your bridge has to hold four books by the end of the lesson.",
        parts=(
            "beams",
            "straws",
            "towers",
            "cables",
            "joints",
            "triangles",
            "supports",
            "rolls",
            "edges",
            "strips",
        ),
        flaws=("too thin", "too short", "wobbly", "loose", "uneven", "far apart"),
        fixes=(
            "fold the {part} twice",
            "tape the {part} onto the {other}",
            "put the {part} closer together",
            "double the {part}",
            "test the {part} with a single book",
            "cross the {part} under the {other}",
        ),
        troubles=("it bends in the middle", "everything slides sideways", "the whole side drops", "it twists"),
        goals=("hold four books", "reach the far desk", "stand without tape"),
    ),
    GroupTask(
        name="water filter",
        opening="Here is muddy water. Build a filter from the box and show me the cleanest cup you can.",
        parts=(
            "stones",
            "filters",
            "bottles",
            "cotton balls",
            "layers",
            "shells",
            "cups",
            "holes",
            "grains",
            "lids",
        ),
        flaws=("too coarse", "clogged", "dirty", "too big", "mixed up", "soaked"),
        fixes=(
            "rinse the {part}",
            "put the {part} under the {other}",
            "sort the {part} by size",
            "pour slowly through the {part}",
            "swap the {part} with the {other}",
            "pack the {part} tighter",
        ),
        troubles=("the mud comes straight through", "it drips forever", "the water stays brown", "it overflows"),
        goals=("get clear water", "finish under five minutes", "fill half a cup"),
    ),
    GroupTask(
        name="map of a park",
        opening="Measure the park in your photos and draw it to scale, so that a visitor would find the pond.",
        parts=("paths", "benches", "trees", "ponds", "bridges", "swings", "symbols", "gates", "fences", "squares"),
        flaws=("too crowded", "crooked", "too small", "hidden", "in the wrong corner", "out of scale"),
        fixes=(
            "draw the {part} before the {other}",
            "measure the {part} with steps",
            "shrink the {part} by half",
            "colour the {part} green",
            "move the {part} beside the {other}",
            "number the {part} for the legend",
        ),
        troubles=("nobody finds the entrance", "the scale breaks", "it runs off the paper", "visitors get lost"),
        goals=("fit on a single sheet", "show the pond", "be readable for little kids"),
    ),
    GroupTask(
        name="class budget",
        opening="The class has three hundred for the trip and the party together. Make a plan that adds up.",
        parts=(
            "tickets",
            "snacks",
            "buses",
            "prizes",
            "drinks",
            "costs",
            "donations",
            "meals",
            "coins",
            "leftovers",
        ),
        flaws=(
            "too expensive",
            "missing from the list",
            "counted twice",
            "unfair",
            "hard to guess",
            "just for fun",
        ),
        fixes=(
            "halve the {part}",
            "pay the {part} before the {other}",
            "list the {part} by price",
            "ask parents about the {part}",
            "trade the {part} for cheaper {other}",
            "save the {part} until June",
        ),
        troubles=(
            "we end up in minus",
            "nothing is left for the party",
            "somebody pays double",
            "it never adds up",
        ),
        goals=("stay below three hundred", "keep it fair", "have a reserve"),
    ),
    GroupTask(
        name="school garden",
        opening="Plan the beds for spring: what grows where, who waters, and what we can harvest before summer.",
        parts=("beans", "tomatoes", "beds", "seeds", "carrots", "herbs", "sprouts", "rows", "worms", "buckets"),
        flaws=("too dry", "too close", "in the shade", "late", "eaten by snails", "too deep"),
        fixes=(
            "plant the {part} behind the {other}",
            "water the {part} on Mondays",
            "cover the {part} at night",
            "give the {part} the sunny corner",
            "start the {part} indoors",
            "label the {part} and the {other}",
        ),
        troubles=("nothing grows by May", "they steal the light", "the roots rot", "the soil dries out"),
        goals=("harvest before summer", "share the watering", "use every bed"),
    ),
    GroupTask(
        name="egg lander",
        opening="Your egg drops from the second floor on Friday. Today you design and test what carries it.",
        parts=(
            "parachutes",
            "strings",
            "cushions",
            "balloons",
            "corners",
            "sponges",
            "springs",
            "legs",
            "bags",
            "knots",
        ),
        flaws=("too heavy", "tangled", "stiff", "flat", "lopsided", "torn"),
        fixes=(
            "cut the {part} smaller",
            "tie the {part} to the {other}",
            "wrap the {part} around the egg",
            "drop the {part} without the egg",
            "stuff the {part} below the {other}",
            "spread the {part} evenly",
        ),
        troubles=("it tips over", "the shell cracks", "it falls like a rock", "it spins"),
        goals=("land softly", "weigh under a hundred grams", "survive three drops"),
    ),
)

REASON: tuple[str, ...] = (
    "Because the {part} are {flaw}, and then {trouble}.",
    "I think it's the {part}, because {trouble} every time.",
    "The {part} are {flaw}, so {trouble}.",
    "That won't work, since the {part} are {flaw}.",
    "If the {part} stay {flaw}, {trouble}, that's why I would change them.",
    "We tried it with {n} and {trouble}, so the {part} must be the cause.",
    "The reason is simple: {trouble} as soon as the {part} are {flaw}.",
    "It has to {goal}, so the {part} matter most.",
    "I would keep the {part}, because without them {trouble}.",
    "It says we have to {goal}, therefore the {part} can't be {flaw}.",
    "More {part} means less risk, because then the {other} share the work.",
    "You can tell from the {part}: they are {flaw}, so {trouble}.",
    "My thinking is that {trouble} because of the {part}, not the {other}.",
    "The {other} are fine, but the {part} are {flaw}, which explains why {trouble}.",
    "Since we need to {goal}, the {part} come before the {other}.",
    "Look, {trouble}, and that proves the {part} are {flaw}.",
)
PROPOSE: tuple[str, ...] = (
    "We could {fix}.",
    "Let's {fix} and see.",
    "I suggest that we {fix}.",
    "My idea: we {fix}.",
    "Let's try {n} {part} and the {other}.",
    "How about {n} {part}?",
    "What if we {fix}?",
    "I say {n} {part}.",
    "Let's go with the {part} and the {other}.",
    "Should we {fix}?",
    "I have a plan, we {fix} and leave the {other}.",
    "I'd go with the {part}.",
    "I would go for {n} {part}.",
    "Try this, {fix}.",
    "Let's use {n} {part}.",
    "The answer could be {n} {part} and nothing else.",
)
AGREE: tuple[str, ...] = (
    "Yes, the {part}, I agree.",
    "Right, the {part} are {flaw}.",
    "Good point about the {part}.",
    "Yeah, let's do that with the {part}.",
    "True, I saw it with the {part} too.",
    "Exactly, and the {part} need it most.",
    "Okay, I'm fine with the {part} like that.",
    "I like that, the {part} would {goal}.",
    "Same here, I wrote down the {part} as well.",
    "Yes, and we could use the {other} along with the {part}.",
    "That makes sense for the {part}.",
    "You convinced me about the {part}.",
)
DISAGREE: tuple[str, ...] = (
    "No, I don't think it's the {part}.",
    "I disagree, the {part} are not {flaw}.",
    "Hmm, the {part} won't be enough.",
    "But the {part} were okay last time.",
    "I'm not sure about the {part}, honestly.",
    "No wait, we can't use the {part} like that.",
    "Not the {part}, the {other}.",
    "I see it differently, the {part} can stay.",
    "That's too much work for a few {part}.",
)
ASK: tuple[str, ...] = (
    "How many {part} have we got?",
    "Where do the {part} go?",
    "Why are the {part} {flaw}?",
    "What happens if the {part} break?",
    "Is it the {part} or the {other}?",
    "How long are the {part} supposed to be?",
    "Which of the {part} come first?",
    "Do the {part} count as well?",
    "Does it have to {goal} with the {part}?",
    "Wait, what are the {part} for?",
    "Who has the {part}?",
    "Are the {part} {flaw} or is that just this side?",
    "Can the {part} be used more than once?",
    "Did anybody measure the {part}?",
    "Were there {n} {part} or more?",
)
VIEW: tuple[str, ...] = (
    "What do you think about the {part}?",
    "Do you agree with the {part} like this?",
    "Would you prefer the {part} or the {other}?",
    "What would you change about the {part}?",
    "Are you okay with the {part}?",
    "What would you do with the {part}?",
    "Do you see the {part} the same way?",
    "What about you, the {part} or the {other}?",
    "You looked unsure, do you want the {part} somewhere else?",
    "What's your idea for the {part}?",
    "Do you feel good about the {part} or not yet?",
    "Your turn, what is your view on the {part}?",
    "Can you see what I mean with the {part}, or is it unclear?",
)
COORDINATE: tuple[str, ...] = (
    "Let's decide about the {part}, then we build.",
    "Does everyone agree on the {part}?",
    "I'll write the {part} down, you check the {other}.",
    "We have {n} minutes left, so the {part} now.",
    "Let's start with the {part}, what do we all think?",
    "Who wants to start with the {part}?",
    "So what is our decision on the {part}?",
    "Any other ideas for the {part}?",
    "Let's vote on the {part}.",
    "Everyone happy with the {part}?",
    "To sum up, we keep the {part} and drop the {other}.",
    "Are we done with the {part}?",
    "Before we go on, is everybody done with the {part}?",
    "What does everyone think about the {part}?",
)
STATE: tuple[str, ...] = (
    "I have the {part} here.",
    "The {part} look {flaw} to me.",
    "There are {n} {part} on our table.",
    "I'm doing the {part} now.",
    "Now {trouble}.",
    "The {part} are next to the {other}.",
    "It says something about the {part} on the sheet.",
    "My {part} came out {flaw}.",
    "Their {part} look like ours.",
    "I found more {part} in the box.",
    "We wanted to {goal}.",
    "There are more {part} at their table.",
    "The {part} were {flaw} from the start.",
)
OFF_TOPIC: tuple[str, ...] = (
    "I'm so hungry already.",
    "My brother got a skateboard yesterday.",
    "It's raining again outside.",
    "Somebody took my pencil case.",
    "The game on Saturday got cancelled.",
    "I forgot my gym shoes at home.",
    "That song is stuck in my head.",
    "My cat slept on my homework.",
    "It smells like pizza in the hallway.",
    "We get new lockers after the holidays.",
    "I stayed awake way too long.",
    "The bus was super late today.",
    "Is it lunch soon?",
    "Did anybody watch the match?",
    "My chair keeps squeaking.",
    "There's a dog in the schoolyard.",
    "I lost a bet with my sister.",
    "This marker is empty, great.",
    "Ha, your drawing looks like a potato.",
    "My phone battery died this morning.",
)
NOD: tuple[str, ...] = (
    "Yeah.",
    "Okay.",
    "Hmm.",
    "Oh, right.",
    "Yes yes.",
    "Um, okay.",
    "No, no.",
    "Uh, maybe.",
    "Okay, wait.",
    "Oh wow.",
)
TEACHER: tuple[str, ...] = (
    "How is it going here? Tell me where you are.",
    "Remember that everyone should have had a say.",
    "Five more minutes, then we look at all the results.",
    "Can you show me what you changed and why?",
    "Nice, keep a note of what you tried.",
)

PHRASES: Mapping[str, tuple[str, ...]] = {
    "reason": REASON,
    "propose": PROPOSE,
    "agree": AGREE,
    "disagree": DISAGREE,
    "ask": ASK,
    "view": VIEW,
    "coordinate": COORDINATE,
    "state": STATE,
    "off_topic": OFF_TOPIC,
    "nod": NOD,
}
"""What a turn of a student may do, in the simulation's words."""

BARE: Mapping[str, tuple[str, ...]] = {
    "agree": (
        "Yes, I agree.",
        "Makes sense to me.",
        "True, very true.",
        "Exactly.",
        "Sounds fine.",
        "Yeah, let's do that.",
        "I'm in.",
        "Agreed, go ahead.",
    ),
    "disagree": (
        "No, I don't think so.",
        "I disagree.",
        "Hmm, I doubt it.",
        "Not convinced yet.",
        "That won't do.",
    ),
}
"""Agreeing and disagreeing without naming what with: for turns that take up nobody's words."""

ACTS: Mapping[str, frozenset[str]] = {
    "reason": frozenset({"reasoning"}),
    "propose": frozenset({"solution"}),
    "agree": frozenset({"agreeing"}),
    "disagree": frozenset({"disagreeing"}),
    "ask": frozenset({"probing"}),
    "view": frozenset({"probing"}),
    "coordinate": frozenset({"moderating", "probing"}),
    "state": frozenset(),
    "off_topic": frozenset(),
    "nod": frozenset({"agreeing"}),
}
"""The same in the words of the talk-act classifier (moderating is a kind of probing there)."""
