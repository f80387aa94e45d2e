"""An estimate and its contributions to claims that cite their evidence.

- `claims`  templates: the sentence follows the sign, the unit and the counts of what it cites
- `words`   numbers into words: shares, seconds, shortfalls
"""
