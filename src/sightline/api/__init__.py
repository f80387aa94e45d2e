"""HTTP in and out: no arithmetic, no decisions about access.

- `app`        the application under /api/v1, and its health routes
- `edge`       what every request passes: ids, headers, sizes, compression
- `problems`   errors as RFC 9457 problems
- `callers`    who asks
- `telemetry`, `talk_and_ratings`, `results`  the routes
- `wire`       what results look like outside
"""
