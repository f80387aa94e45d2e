"""What every request passes: ids for tracing, security headers, limits on bodies."""

from __future__ import annotations

import logging
import re
import secrets
import zlib
from time import perf_counter

from starlette.datastructures import Headers, MutableHeaders
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
                answer = MutableHeaders(scope=message)
                asks_for_script = answer.get("Content-Security-Policy") == OWN_SCRIPT
                for name, value in SECURITY_HEADERS.items():
                    answer[name] = value
                if asks_for_script:  # the one other policy there is; whatever else an answer states is replaced
                    answer["Content-Security-Policy"] = OWN_SCRIPT
                answer.setdefault("Cache-Control", PERSONAL)
                answer["X-Request-ID"] = request_id
                answer["traceparent"] = f"00-{trace_id}-{secrets.token_hex(8)}-01"
            await send(message)

        began = perf_counter()
        status: list[int] = []

        async def send_and_note(message: Message) -> None:
            if message["type"] == "http.response.start":
                status.append(message["status"])
            await send_with_headers(message)

        try:
            await self.app(scope, receive, send_and_note)
        finally:
            # ids are cut out and the query is left out: a log must not say who looked at whom
            logger.info(
                "%s %s %s %.0f ms trace=%s request=%s",
                scope["method"],
                UNPRINTABLE.sub("?", ID.sub("{id}", scope["path"]))[:200],
                status[0] if status else "none",
                (perf_counter() - began) * 1000,
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
