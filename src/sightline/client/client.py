"""What a game uses: a client with its queue file, and the sessions of students."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from sightline.client.clocks import Clocks
from sightline.client.queue_file import QueueFile, QueueUnusable, Rejected
from sightline.client.sending import Credential, Report, Sender, State
from sightline.client.wire import MOST_EVENTS

logger = logging.getLogger("sightline.client")

LINGER = 10.0
"""Seconds that the sender gathers events before a batch goes out: 6 batches a minute, and with a launch token the
server takes 10."""

LAST_EFFORT = 5.0
"""Seconds that `close` gives to what still waits; the rest stays on disk for next time."""

PARTING = 1.0
"""Seconds for the thread to end."""

QUEUE_TROUBLE = 30.0
"""Seconds until the sender looks at a queue file again that it could not use."""

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
LONGEST_VERSION = 100


class Session:
    """One student's sitting. A context manager closes it at the end."""

    def __init__(self, client: Client, session_id: UUID, student_id: UUID) -> None:
        self.session_id = session_id
        self.student_id = student_id
        self._client = client

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def event(
        self,
        event_type: str,
        data: Mapping[str, Any] | None = None,
        /,
        *,
        mission_id: str | None = None,
        game_version: str | None = None,
        **more: Any,
    ) -> UUID:
        """Record what the student did; it is on disk when this returns. The answer is the event's id.

        `more` is added to `data`: event("failure", task="bridge 3"). Raises ValueError or TypeError for data that
        JSON cannot hold, QueueUnusable when it could not be written.
        """
        event_id = uuid4()
        about = {
            "event_id": str(event_id),
            "student_id": str(self.student_id),
            "session_id": str(self.session_id),
            "event_type": event_type,
            "data": {**(data or {}), **more},
            "mission_id": mission_id,
            "game_version": game_version,
        }
        self._client.record({key: value for key, value in about.items() if value is not None})
        return event_id

    def close(self) -> None:
        """Say that the sitting is over; it is sent after the events. Later events are still taken."""
        self._client.end(self.session_id)


class Client:
    """Records events on disk and sends them when it can.

    url: the server's address; https, but on this machine http too. token: a server key or a launch token. queue:
    the queue file, made when it is not there, in a folder of the game's own. client_version: game and version,
    100 characters at most. student: the one whom a launch token is for, so that other students' events wait for
    theirs. background: send from a thread; without, call `send_once` or `flush`. batch_events: at most so many
    at once. Raises ValueError for what cannot work, QueueUnusable for a queue file that cannot be used.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        queue: str | Path,
        client_version: str,
        student: UUID | str | None = None,
        background: bool = True,
        batch_events: int = MOST_EVENTS,
        clocks: Clocks | None = None,
    ) -> None:
        credential = _credential(token, student)
        if not 1 <= batch_events <= MOST_EVENTS:
            raise ValueError(f"batch_events is from 1 to {MOST_EVENTS}")
        self._clocks = clocks or Clocks()
        checked_url, version = _checked_url(url), _checked_version(client_version)
        self._queue = QueueFile(Path(queue), self._clocks.now())
        self._sender = Sender(
            checked_url,
            credential,
            self._queue,
            client_version=version,
            clocks=self._clocks,
            most=batch_events,
        )
        self._changed = threading.Condition()
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        if background:
            self._thread = threading.Thread(target=self._run, name="sightline-client", daemon=True)
            self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def session(self, student_id: UUID | str, session_id: UUID | str | None = None) -> Session:
        """A new session of a student, or one to go on with. Raises ValueError for another student's session."""
        session = Session(self, _uuid(session_id) if session_id else uuid4(), _uuid(student_id))
        self._queue.open_session(session.session_id, session.student_id, self._clocks.now())
        return session

    def record(self, event: dict[str, Any]) -> None:
        """Record an event that has all but its time and number; `Session.event` makes them."""
        self._queue.add(event, self._clocks.now())
        self._wake.set()

    def end(self, session_id: UUID) -> None:
        """Queue the closing of a session."""
        self._queue.ask_closing(session_id)
        self._wake.set()

    @property
    def waiting(self) -> int:
        """Events and closings that the server has not answered for."""
        return self._queue.waiting()

    @property
    def state(self) -> Report:
        """What came of the newest attempt."""
        return self._sender.last

    @property
    def token(self) -> str:
        """Cannot be read back: it is set, and never shown."""
        raise AttributeError("the token can be set and not read")

    @token.setter
    def token(self, token: str) -> None:
        self.sign(token, self._sender.credential.student)

    def sign(self, token: str, student: UUID | str | None = None) -> None:
        """Go on with another token, for one student or for all; sending that had stopped begins again."""
        self._sender.use(_credential(token, student))
        self._wake.set()

    def send_once(self) -> Report:
        """Make one attempt when it is time for one. Call again at once after SENT, else as the report says."""
        report = self._sender.attempt()
        with self._changed:
            self._changed.notify_all()
        return report

    def flush(self, timeout: float) -> bool:
        """Wait until the server has answered for all that the token may send; whether it has.

        Gives up after `timeout` seconds, or at once when sending has stopped. Waits that the server asked for are
        not cut short.
        """
        deadline = self._clocks.timer() + timeout
        while self._queue.waiting(self._sender.credential.student):
            self._hurry.set()  # each time round: the thread may just be about to forget it
            self._wake.set()
            left = deadline - self._clocks.timer()
            if left <= 0 or self._sender.stopped:
                return False
            if self._thread is None:
                report = self.send_once()
                if report.state is State.LATER:
                    self._clocks.sleep(min(report.wait, left))
            else:
                with self._changed:
                    self._changed.wait(min(left, 0.1))
        return True

    def rejected(self) -> list[Rejected]:
        """What the server did not take, with its reasons, oldest first; kept until dealt with."""
        return self._queue.rejected()

    def send_again(self, *rejected: Rejected) -> None:
        """Queue these once more as they were, say after a student was added to the roster."""
        self._queue.send_again(r.number for r in rejected)
        self._wake.set()

    def forget(self, *rejected: Rejected) -> None:
        """Delete these from the device."""
        self._queue.forget(r.number for r in rejected)

    def close(self, timeout: float = LAST_EFFORT) -> None:
        """Send what can be sent in `timeout` seconds and let go of the file; the rest stays in it."""
        if self._ending.is_set():
            return
        try:
            self.flush(timeout)
        finally:
            self._ending.set()
            self._hurry.set()
            self._wake.set()
            if self._thread is not None:
                self._thread.join(max(timeout, PARTING))
            if self._thread is None or not self._thread.is_alive():
                self._let_go()  # else it lets go itself, after the request that is under way

    def _let_go(self) -> None:
        self._sender.close()
        self._queue.close()

    def _run(self) -> None:
        while not self._ending.is_set():
            self._wait_after(self._sent_in_background())
        self._let_go()

    def _sent_in_background(self) -> Report:
        try:
            return self.send_once()
        except QueueUnusable as problem:
            logger.warning("the queue file cannot be used now: %s", type(problem.__cause__).__name__)
            return Report(State.LATER, wait=QUEUE_TROUBLE)

    def _wait_after(self, report: Report) -> None:
        if report.state is State.SENT:
            return
        if report.state is State.LATER:
            self._wake.wait(report.wait)  # a new token cuts the wait short; a new event only looks at it again
            self._wake.clear()
            return
        self._hurry.clear()
        self._wake.wait()
        self._wake.clear()
        if not self._ending.is_set():
            self._hurry.wait(LINGER)


def _credential(token: str, student: UUID | str | None) -> Credential:
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError("the token is empty or has characters that no token has")
    return Credential(f"Bearer {token}", None if student is None else _uuid(student))


def _uuid(stated: UUID | str) -> UUID:
    return stated if isinstance(stated, UUID) else UUID(stated)


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"this is no http address: {url}")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise ValueError(
            "the address must begin with https:// outside this machine: pupils' records travel over it"
        )
    return url.rstrip("/").removesuffix("/api/v1")


def _checked_version(version: str) -> str:
    if not version or len(version) > LONGEST_VERSION or not version.isprintable():
        raise ValueError("client_version is game and version in 1 to 100 characters, such as 'my-game 1.4'")
    return version
