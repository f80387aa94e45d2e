"""Change over a window, and the only words that may be said about it.

- `changes`      what is tested: the changes of all students of one school and window, with their errors
- `class_level`  a class's own mean level, let free, so that a high class is not taken for a changed one
- `discovery`    Benjamini-Hochberg at each level, and what is selected for the next
- `testing`      class x skill, then student overall, then student x skill inside selected students
- `power`        what a class or a student of given evidence could show, before any data
- `findings`     from numbers to a verdict
- `words`        what a teacher reads of each finding
- `change`       one skill of one student, alone: never announced as growth
"""
