"""The only place that knows the order: read, compute, write.

- `receiving`  records in: events, transcripts, ratings
- `scoring`    records to observables, observables to assessments
- `reading`    results out, each look written down
- `jobs`       what the worker does, and how it is asked to
- `cards`      the parameter cards that the program ships
"""
