"""PostgreSQL: the only place where rows live.

- `embedded`, `postmaster`, `postgres_account`  a real server from a wheel, under our own small supervisor
- `database`    the engine, one transaction as the unit of work, migrations
- `schema`      the tables; `migrations` how they came to be
- `telemetry`   events, sessions, batches, rejects
- `talks`       transcripts, utterances, speakers
- `evidence`    ratings, extractions, observables
- `assessments` assessments and norms
- `people`      schools, classes, students, staff
- `credentials` digests of tokens, and the disclosure log
- `jobs`        the queue
"""
