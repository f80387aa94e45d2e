"""The one error tree. Catch only what you can answer; each edge turns it into its own form.

SightlineError
├── NotAllowed            the act is none of the role's; over HTTP 403, and 404 where a person is concerned
│   └── NotSignedIn       no valid credential came with the request
├── NotFound              not there, or not yours: the two look the same
├── Conflict              it contradicts what is already stored
├── BadInput              what came in cannot be used; says what to do
│   ├── TooLarge          over a limit that the message names
│   └── CardInvalid       a parameter card whose checksum or shape is wrong
├── TooMany               more requests than the limit of who asks; says when to try again
├── SettingsRefused       the settings are unsafe or incomplete; the program does not start
├── DatabaseUnavailable   PostgreSQL cannot be reached or started
└── Busy                  more is waiting than can be stored in time; over HTTP 503 with Retry-After

A reject of one event is no error: it is a value that goes back to its sender (`ingest`).
"""

from __future__ import annotations

from collections.abc import Mapping

NOTHING_HERE = "there is nothing here with this id"
"""The one sentence for what is not there and for what is not yours."""


class SightlineError(Exception):
    """Root of the tree; `detail` is one sentence for a person, `code` a stable word for a program."""

    code = "error"

    def __init__(self, detail: str, *, code: str | None = None, pointer: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.pointer = pointer
        if code is not None:
            self.code = code


class NotAllowed(SightlineError):
    """Who asks may not do this."""

    code = "not_allowed"


class NotSignedIn(NotAllowed):
    """No valid credential came with the request."""

    code = "not_signed_in"


class NotFound(SightlineError):
    """Not there, or not yours."""

    code = "not_found"


class Conflict(SightlineError):
    """It contradicts what is already stored."""

    code = "conflict"


class BadInput(SightlineError):
    """What came in cannot be used."""

    code = "bad_input"


class TooLarge(BadInput):
    """Over a limit that the message names."""

    code = "too_large"


class CardInvalid(BadInput):
    """A parameter card whose checksum or shape is wrong."""

    code = "card_invalid"


class TooMany(SightlineError):
    """More requests than the limit of who asks; `headers` say the limit and when to try again."""

    code = "too_many_requests"

    def __init__(self, detail: str, headers: Mapping[str, str]) -> None:
        super().__init__(detail)
        self.headers = headers


class SettingsRefused(SightlineError):
    """The settings are unsafe or incomplete."""

    code = "settings_refused"


class DatabaseUnavailable(SightlineError):
    """PostgreSQL cannot be reached or started."""

    code = "database_unavailable"


class Busy(SightlineError):
    """More is waiting than can be stored in time."""

    code = "busy"
