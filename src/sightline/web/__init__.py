"""The pages people use: server-rendered HTML that needs no script, with charts as SVG made from domain types.

- `app`           routes, who asks, the pages of errors
- `doors`         the session cookie, and how a form proves that it is our own
- `layout`        templates and static files into answers
- `class_page`    a class as rows and cells
- `student_page`  one student as seven rows with their reasons
- `charts`        estimates, contributions and counts to SVG; the only arithmetic, and only of positions
- `wording`       times, levels and intervals in words
"""
