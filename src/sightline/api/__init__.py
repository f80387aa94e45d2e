"""HTTP in and out: no arithmetic, no decisions about access.

- `front`      everything that listens at one address, and what is counted of it
- `entrance`   the edge around it, the busiest addresses, pages of other sites
- `app`        the application under /api/v1, and its health routes
- `edge`       what every request passes: ids, headers, sizes, compression
- `problems`   errors as RFC 9457 problems
- `callers`    who asks
- `telemetry`, `event_types`, `launches`, `logger`, `talk_and_ratings`, `results`, `growth`  the routes
- `wire`       what results look like outside
"""
