"""Is the measurement any good.

- `health`  what each indicator could observe in a school, and why it could not
"""
