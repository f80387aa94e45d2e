"""The only place that knows the order: read, compute, write.

- `senders`, `launching`, `limiting`  who sends events, for whom, and how often
- `receiving`, `gathering`, `roll`, `counting`  what becomes of events, stored a group of requests at a time
- `closing`    the end of a session
- `watching`   what arrives, for whoever builds a game
- `talk_and_ratings`  transcripts and ratings in
- `scoring`    records to observables, observables to assessments
- `growing`    change of classes and students, tested whenever a school is scored
- `reading`, `reading_growth`  results out, each look written down
- `jobs`       what the worker does, and how it is asked to
- `signing_in` credentials made, looked up and ended
- `moments`    the records behind an estimate, as they are shown
- `cards`      the parameter cards that the program ships
"""
