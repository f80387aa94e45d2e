"""Evidence rules: records of one sitting to observables, or the reason why there is none.

- `catalog`           every indicator once, with its rule; its version names its content
- `timeline`          what an event means: attempts, failures, successes, help, pauses
- `play`, `talk`, `rubric`  the rules
- `extraction`        all rules over one sitting
- `session_features`  telemetry's eight session features by their known names
"""
