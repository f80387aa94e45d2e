"""A game on one device, as a process that may be killed: it records while offline, or it sends.

    echo '{"does": "record" | "close" | "send", ...}' | python offline_device.py

It says on standard output what it has done, one line each, after it is done. Times are true times in seconds since
1970; the device sees them through a clock that is wrong by `error` seconds.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from sightline.client import Client, Clocks, State

HASTE = 50.0
"""Waits of the sender are so many times shorter than in life."""

NOWHERE = "http://127.0.0.1:9"
"""Where nothing listens: what a device reaches that is offline."""

TRIES_EVERY = 40
"""Events between two attempts to send while offline."""


class Device:
    """The clocks of a device at true time `true`; it was started at `started`, and its start is called `boot`."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.true = 0.0
        self.told = told

    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.true or time.time(), UTC)

    def clocks(self) -> Clocks:
        return Clocks(
            wall=lambda: self.moment() + timedelta(seconds=self.told["error"]),
            uptime=lambda: (self.told["boot"], (self.true or time.time()) - self.told["started"]),
            timer=lambda: self.true or time.monotonic() * HASTE,
            sleep=lambda seconds: time.sleep(seconds / HASTE),
        )

    def client(self, url: str) -> Client:
        told = self.told
        return Client(
            url,
            told["key"],
            queue=told["queue"],
            client_version="campaign 1",
            background=False,
            batch_events=told["batch"],
            clocks=self.clocks(),
        )


def say(word: object) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def record(device: Device) -> None:
    """Record `count` events, `spacing` seconds apart, in turn in each session; each says its label and true time."""
    told = device.told
    device.true = told["begin"]
    client = device.client(NOWHERE)
    sessions = [client.session(s["student"], s["session"]) for s in told["sessions"]]
    say("ready")
    for n in range(told["count"]):
        device.true = told["begin"] + n * told["spacing"]
        label = f"{told['life']}.{n}"
        sessions[n % len(sessions)].event("choice_made", label=label, true=device.moment().isoformat())
        say(label)
        if n % TRIES_EVERY == TRIES_EVERY - 1:
            client.send_once()
    say("done")


def close(device: Device) -> None:
    """Queue the closing of all sessions."""
    device.true = device.told["begin"]
    client = device.client(NOWHERE)
    for one in device.told["sessions"]:
        client.session(one["student"], one["session"]).close()
    say("done")


def send(device: Device) -> None:
    """Send until nothing waits, then say what was not taken."""
    client = device.client(device.told["url"])
    while client.waiting:
        report = client.send_once()
        if report.state is State.LATER:
            time.sleep(report.wait / HASTE)
        elif report.state is not State.SENT:
            say(f"{report.state}: {report.reason}")
            return
    for one in client.rejected():
        say(f"not taken: {one.code}")
    say("done")


if __name__ == "__main__":
    orders = json.load(sys.stdin)
    {"record": record, "close": close, "send": send}[orders["does"]](Device(orders))
