"""Sightline: every estimate is a sum of named contributions, each ending at a moment a person can look at.

The map, in the order in which the data goes:

- `domain`       the words of the field as frozen types
- `ingest`       what comes over the wire, into typed records or rejects that say why
- `store`        PostgreSQL: tables, migrations, the embedded server, append-only records
- `features`     the indicator catalog and its rules: records to observables
- `talkacts`     trained utterance classifiers, with their parameter cards and training recipe
- `measurement`  observables to one posterior per student, contributions, levels, sufficiency
- `growth`       change, and whether it is more than noise
- `reasoning`    contributions to claims that cite their evidence
- `quality`      is the measurement any good
- `security`     who is asking, and what they may see
- `params`       parameter cards: fitted or assumed numbers, each with its origin
- `pipeline`     the only place that knows the order: read, compute, write
- `api`          HTTP in and out
- `web`          the pages people use
- `demo`         a sandbox on this machine: simulated students, and real corpora sent through the front door
- `client`       what games send with: a queue on disk, nothing else of Sightline; also a distribution of its own
- `cli`          the command line, and the composition root

Single files: `settings` (the only reader of the environment), `errors` (the one error tree).
"""

__version__ = "0.1.0"
