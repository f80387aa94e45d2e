"""Wire payload to typed record, or a reject that says why. Pure: the time of receipt is an argument.

- `events`      native telemetry events and batches; `times` and `personal` are two of their checks
- `event_types` what each type of event may carry: schemas (`_schemas`) and what they are for (`_rows`)
- `splitting`, `unreadable`  a batch whose JSON is broken in one event, taken apart so that the others survive
- `opengamedata` logs of published games, with `_clock` for their times and `_mapping` for a table per game
- `sessions`    the order of a session's events
- `transcripts` WebVTT and CSV into turns
- `ratings`     a grid of ratings
- `justhink`    the log and transcripts of the JUSThink corpus, by one mapping table
"""
