"""Sends a game's telemetry and neither loses nor doubles an event.

    event() ──> queue file ──> sender ──> server
                  ^              │
                  └── settled <──┘   an event leaves the queue only when the server has answered for it

`queue_file` keeps what is not answered yet, `wire` knows what goes over it, `clocks` what time it is (a device's
clock may be wrong, and may be set right in between), `sending` one attempt at a time, and `client` what a game
uses. Nothing else of Sightline is imported: this folder is a distribution of its own (clients/python), which
needs httpx and Python's sqlite3.
"""

from sightline.client.client import Client, Session
from sightline.client.clocks import Clocks, no_uptime
from sightline.client.queue_file import QueueUnusable, Rejected
from sightline.client.sending import Report, State

__all__ = ["Client", "Clocks", "QueueUnusable", "Rejected", "Report", "Session", "State", "no_uptime"]
