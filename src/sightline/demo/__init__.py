"""A sandbox on this machine: simulated students, and real corpora, sent through the front door.

- `stack`       embedded database, server and worker as one
- `connection`  which system the commands work on; people and credentials there
- `sending`     the sender over the real HTTP API
- `generator`, `school`, `simulated_play`, `simulated_talk`, `talk_phrases`  the simulated school
- `sandbox`     `sightline demo`
- `justhink_import`  `sightline import justhink`; `justhink_reading` the same corpus without a server
"""
