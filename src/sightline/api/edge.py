"""What every request passes: ids for tracing, security headers, limits on bodies."""

from __future__ import annotations

import logging
import re
import secrets
import zlib
from time import perf_counter

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sightline.errors import BadInput, TooLarge
from sightline.security.page_policy import CLOSED, OWN_SCRIPT

logger = logging.getLogger("sightline.edge")

ID = re.compile(r"[0-9a-fA-F-]{32,}")
UNPRINTABLE = re.compile(r"[^\x21-\x7e]")
MAX_WIRE_BYTES = 1024 * 1024
MAX_INFLATED_BYTES = 10 * 1024 * 1024
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
GZIP = 16 + zlib.MAX_WBITS

SECURITY_HEADERS = {
    "Content-Security-Policy": CLOSED,
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(), camera=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
ALWAYS = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
WITH_OWN_SCRIPT = [
    (name, OWN_SCRIPT.encode() if name == b"content-security-policy" else value) for name, value in ALWAYS
]
OURS = frozenset(name for name, _ in ALWAYS) | {b"x-request-id", b"traceparent"}
FAILED = 400
"""Answers from here on are logged also where the others are only counted."""

PERSONAL = "private, no-store"
"""Everything but static files may show a person, so nothing else is kept by a cache."""


class Edge:
    """ASGI middleware: makes or takes over request and trace ids, echoes them, sets headers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        stated = headers.get("x-request-id", "")
        request_id = stated if REQUEST_ID.fullmatch(stated) else secrets.token_hex(16)
        parent = TRACEPARENT.fullmatch(headers.get("traceparent", ""))
        trace_id = parent[1] if parent else secrets.token_hex(16)
        scope["trace_id"] = trace_id

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                status.append(message["status"])
                answer = [pair for pair in message["headers"] if pair[0] not in OURS]
                # the one other policy there is; whatever else an answer states is replaced
                asks_for_script = (b"content-security-policy", OWN_SCRIPT.encode()) in message["headers"]
                answer += WITH_OWN_SCRIPT if asks_for_script else ALWAYS
                if all(name != b"cache-control" for name, _ in answer):
                    answer.append((b"cache-control", PERSONAL.encode()))
                answer.append((b"x-request-id", request_id.encode()))
                answer.append((b"traceparent", f"00-{trace_id}-{secrets.token_hex(8)}-01".encode()))
                message["headers"] = answer
            await send(message)

        began = perf_counter()
        status: list[int] = []
        try:
            await self.app(scope, receive, send_with_headers)
        finally:
            if not (scope.get("counted") and status and status[0] < FAILED):
                self._log(scope, status, perf_counter() - began, trace_id, request_id)

    @staticmethod
    def _log(scope: Scope, status: list[int], seconds: float, trace_id: str, request_id: str) -> None:
        """One line: ids are cut out and the query is left out, as a log must not say who looked at whom."""
        if logger.isEnabledFor(logging.INFO):
            logger.info(
                "%s %s %s %.0f ms trace=%s request=%s",
                scope["method"],
                UNPRINTABLE.sub("?", ID.sub("{id}", scope["path"]))[:200],
                status[0] if status else "none",
                seconds * 1000,
                trace_id,
                request_id,
            )


MAX_BEACON_BYTES = 128 * 1024
"""Of a body whose sender is known only when it is read; browsers allow a beacon 64 KiB."""


async def read_body(request: Request, *, most: int = MAX_INFLATED_BYTES) -> bytes:
    """The body, inflated when it is gzip, within the limits and `most` bytes on the wire.

    Raises TooLarge over either limit (reading stops there), BadInput for another encoding or broken gzip.
    """
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding not in {"identity", "gzip"}:
        raise BadInput(f"the encoding {encoding!r} is not taken; send gzip or plain", code="unsupported_encoding")
    received = bytearray()
    async for piece in request.stream():
        received += piece
        if len(received) > MAX_WIRE_BYTES and encoding == "gzip":
            raise TooLarge("the compressed body is over 1 MiB; send it in parts", code="body_too_large")
        if len(received) > most:
            raise TooLarge(f"the body is over {most // 1024} KiB; send it in parts", code="body_too_large")
    return _inflated(bytes(received)) if encoding == "gzip" else bytes(received)


def _inflated(body: bytes) -> bytes:
    unpacking = zlib.decompressobj(GZIP)
    try:
        inflated = unpacking.decompress(body, MAX_INFLATED_BYTES + 1)
    except zlib.error as problem:
        raise BadInput("the body is not valid gzip; compress it again", code="malformed_gzip") from problem
    if len(inflated) > MAX_INFLATED_BYTES:
        raise TooLarge("the inflated body is over 10 MiB; send it in parts", code="inflated_too_large")
    if not unpacking.eof or unpacking.unused_data:
        raise BadInput("the gzip body is cut off or has more behind it", code="malformed_gzip")
    return inflated
