"""The pages people use: server-rendered HTML that needs no script, with charts as SVG made from domain types.

One page looks again by itself where scripts run: the events arriving, for whoever builds a game.

- `app`           routes, who asks, the pages of errors
- `doors`         the session cookies, what a form said, and how it proves that it is our own
- `layout`        templates and static files into answers
- `class_page`    a class as rows and cells
- `student_page`  one student as seven rows with their reasons
- `arriving`      the page of a server key: signing in with it, and what arrives
- `arriving_page` arrivals as rows, with counts and reasons
- `charts`        estimates, contributions and counts to SVG; the only arithmetic, and only of positions
- `wording`       times, levels and intervals in words
"""
