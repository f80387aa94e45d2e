"""Long proofs of the promises of reliability, each a command with negative controls; small versions run in the tests.

Every campaign is `python -m campaigns.NAME` (`make campaign-NAME`), starts what it needs on loopback, prints a table,
exits with status 1 when a promise is broken, and with `--write` keeps its table in docs/reliability.md.
"""
