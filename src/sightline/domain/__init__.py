"""The words of the field as frozen types. Standard library only; nothing here knows how it is stored or sent.

- `skills`       the seven skills, the three sources, the four levels
- `records`      what is received: events, sessions, conversations, ratings
- `indicators`   the definition of what can be observed
- `observables`  what a rule made of them: a value with its opportunities, or why there is none
- `estimates`    what is believed: estimates, unscored results, contributions, assessments
- `changes`      what was found about change over a window
- `claims`       sentences shown to people, each citing its evidence
"""
