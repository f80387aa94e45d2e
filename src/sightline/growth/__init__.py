"""Change over a window, and the only words that may be said about it.

- `change`  of one student and skill: never announced as growth, always with what could have been seen
"""
