"""Whether PostgreSQL answers, asked all the time, so that nobody waits for a server that hangs.

A server that is gone refuses at once. One that hangs (frozen, its machine or disk stuck, the network cut) keeps
its sockets open, and who waits on one waits as long as it hangs: a limit on statements is kept by the server, and
a limit on waiting cannot tell a hanging server from a slow statement. So one connection of its own asks `select 1`
again and again. When no answer comes, every connection of this process is cut: hanging becomes gone, who waits
gets an OperationalError at once, and nobody else begins until the server answers again. Slow statements are not
touched.

The asking runs in a thread of its own, and in calls of libpq that wait without the interpreter's lock, so that a
busy application does not look like a hanging server.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import socket
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

import psycopg
from psycopg.pq import ConnStatus, PGconn, PollingStatus, abc

logger = logging.getLogger("sightline.pulse")

BEAT = 0.15
"""Seconds between an answer and the next question: about six small statements a second."""

TICK = 0.1
TICKS = 7
"""An answer may take TICK * TICKS seconds. Counted in ticks, so that a pause of this whole machine is one tick and
not a silence. With BEAT it bounds how long anybody waits: 0.85 s, under the second that is promised."""

CONNECT_SECONDS = 3
"""Seconds for a new connection, where the server neither answers nor refuses."""

Connection = psycopg.AsyncConnection[Any] | psycopg.Connection[Any]


class Pulse:
    """The watch over one database, and the connections that are cut when it hangs.

    `begin` and `connect` belong to the loop of the application; one pulse serves one loop.
    """

    def __init__(self, url: str) -> None:
        """`url` as libpq takes it. Nothing is connected to before `begin`."""
        self._url = url
        self._hangs = False
        self._ending = threading.Event()
        self._kept: WeakSet[Connection] = WeakSet()
        self._connecting: set[asyncio.Task[psycopg.AsyncConnection[Any]]] = set()
        self._told: list[Callable[[], None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def hangs(self) -> bool:
        """Whether the server has been silent for too long and has not answered since."""
        return self._hangs

    def begin(self) -> None:
        """Start asking; a second call does nothing."""
        if self._thread is None:
            self._loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._listen, name="database pulse", daemon=True)
            self._thread.start()

    async def connect(self, *arguments: Any, **named: Any) -> psycopg.AsyncConnection[Any]:
        """A psycopg connection that is cut when the server hangs, made with psycopg's own arguments.

        Raises psycopg.OperationalError when there is none to have, at once when the server is known to hang.
        """
        if self._hangs:
            raise psycopg.OperationalError("the server does not answer")
        making = asyncio.create_task(psycopg.AsyncConnection.connect(*arguments, **named))
        self._connecting.add(making)
        try:
            await asyncio.wait({making})
        finally:
            making.cancel()  # does nothing to one that is done
            self._connecting.discard(making)
        if making.cancelled():
            raise psycopg.OperationalError("the server stopped answering while it was connected to")
        made = making.result()
        self._kept.add(made)
        return made

    def connect_here(self, *arguments: Any, **named: Any) -> psycopg.Connection[Any]:
        """The same for a thread that waits itself. A server that hangs meanwhile holds it for CONNECT_SECONDS."""
        if self._hangs:
            raise psycopg.OperationalError("the server does not answer")
        made = psycopg.connect(*arguments, **named)
        self._kept.add(made)
        return made

    def tell(self, silent: Callable[[], None]) -> None:
        """Call this, in the application's loop, when the server has fallen silent."""
        self._told.append(silent)

    async def end(self) -> None:
        """Stop asking; returns when the thread is gone."""
        self._ending.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def _listen(self) -> None:
        kept: abc.PGconn | None = None
        while not self._ending.wait(BEAT):
            try:
                kept = _asked(kept or PGconn.connect_start(self._url.encode()))
            except (psycopg.Error, OSError):
                # refused is not hanging: who asks is refused as fast as we were
                kept, self._hangs = None, False
                continue
            if kept is None and not self._hangs:
                logger.warning("the database is silent; its connections are cut until it answers")
                self._cut_all()
            elif kept is not None and self._hangs:
                logger.warning("the database answers again")
                self._hangs = False
        if kept is not None:
            kept.finish()

    def _cut_all(self) -> None:
        """Let the application's loop, which owns its connections, cut them."""
        self._hangs = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the application's loop has ended
                self._loop.call_soon_threadsafe(self._cut_ours)

    def _cut_ours(self) -> None:
        for making in self._connecting:
            making.cancel()
        for kept in list(self._kept):
            _cut(kept)
        for silent in self._told:
            silent()


def _asked(server: abc.PGconn) -> abc.PGconn | None:
    """The connection after an answer to `select 1`, or None, and closed, when the server was silent for too long.

    One that is only begun is made first. Raises psycopg.OperationalError when it is refused or lost.
    """
    while server.status != ConnStatus.OK:
        wants = server.connect_poll()
        if wants == PollingStatus.FAILED:
            raise psycopg.OperationalError(server.get_error_message())
        if wants != PollingStatus.OK and not _moves(server, reading=wants == PollingStatus.READING):
            server.finish()
            return None
    server.send_query(b"select 1")
    server.flush()
    answered = False
    while not answered:
        if not _moves(server, reading=True):
            server.finish()
            return None
        server.consume_input()
        while not answered and not server.is_busy():
            answered = server.get_result() is None
    return server


def _moves(server: abc.PGconn, *, reading: bool) -> bool:
    """Whether the server sends something, or takes something, in time."""
    movement = select.poll()
    movement.register(server.socket, select.POLLIN if reading else select.POLLOUT)
    # the last look does not wait: it is for what came while this thread was not let run
    return any(movement.poll(wait) for wait in (*[TICK * 1000] * TICKS, 0))


def _cut(connection: Connection) -> None:
    """Shut its socket down under it: whoever waits on it learns that it is lost."""
    if connection.closed:
        return
    with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as twin:
        twin.shutdown(socket.SHUT_RDWR)  # of the socket itself; the descriptor stays libpq's to close
