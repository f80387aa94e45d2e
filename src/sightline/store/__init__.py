"""PostgreSQL: the only place where rows live.

- `embedded`, `postmaster`, `postgres_account`  a real server from a wheel, under our own small supervisor
- `database`    the engine, one transaction as the unit of work, migrations
- `schema`      the tables; `migrations` how they came to be
- `pulse`       whether the server answers, so that nobody waits for one that hangs
- `event_rows`, `arrivals`  events packed as rows, and what a group of requests writes
- `sender_view`, `arrival_counts`  what a sender may read of it
- `telemetry`   sessions and their events, batches
- `launches`    which student's game may send until when
- `talks`       transcripts, utterances, speakers
- `evidence`    ratings, extractions, observables
- `assessments` assessments and norms
- `growth`      what was found about change, class by class
- `people`      schools, classes, students, staff
- `credentials` digests of tokens, and the disclosure log
- `jobs`        the queue
"""
