"""Wire payload to typed record, or a reject that says why. Pure: the time of receipt is an argument.

- `events`      native telemetry events and batches
- `splitting`   a batch whose JSON is broken in one event, taken apart so that the others survive
- `sessions`    the order of a session's events
- `transcripts` WebVTT and CSV into turns
- `ratings`     a grid of ratings
- `justhink`    the log and transcripts of the JUSThink corpus, by one mapping table
"""
