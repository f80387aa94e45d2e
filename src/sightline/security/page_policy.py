"""What a browser may load for our answers (Content Security Policy, level 3): nothing that is not written here."""

from __future__ import annotations

CLOSED = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""Of every answer: no script at all, and nothing from elsewhere."""

OWN_SCRIPT = f"{CLOSED}; script-src 'self'; connect-src 'self'"
"""Of a page with a script file of ours that fetches from us; scripts inside a page stay refused."""
