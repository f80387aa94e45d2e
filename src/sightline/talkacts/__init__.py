"""Trained classifiers of what a turn of talk does, with their parameter cards and their training recipe.

- `features`  one turn to tokens, n-grams and context, each a stable bucket; nothing fitted
- `acts`      a checked parameter card, and from it the probability of each act for each turn (numpy only)
- `corpus`    DeliData's files to labelled conversations
- `figures`   agreement, calibration and error rates of held-out probabilities
- `train`     the recipe and its command: labelled conversations to a card (needs the `train` extra)

A classifier here is an instrument with known error, never a score: a rate of acts that is built on it is to be
corrected with the card's sensitivity and false-positive rate, and shown with the card's domain warning.
"""
