"""One error shape for every answer that is not what was asked for.

`{"error": {"code", "message", "field"?, "position"?, "remedy", "doc"}}`. What nobody foresaw is
answered with an error id that also stands in the server's log, never with a traceback.
"""

from __future__ import annotations

import logging

import msgspec
from starlette.responses import Response

from indelible.base.errors import BadRequest, IndelibleError, TooLarge
from indelible.base.random import random_id

logger = logging.getLogger("indelible.server")

RETRY_AFTER = {429: "1", 503: "1", 507: "30"}
"""Seconds a sender should wait before it tries again, by status."""


class MethodNotAllowed(BadRequest):
    """The path exists, but not for this method."""

    code = "method_not_allowed"
    status = 405
    remedy = "Use one of the methods in the Allow header; docs/reference/api.md lists them."


class SlowSender(BadRequest):
    """The request did not arrive in time."""

    code = "request_timeout"
    status = 408
    remedy = "Send the whole request within 30 seconds; nothing of it was stored."


class UnsupportedEncoding(BadRequest):
    """The body is packed or typed in a way that is not understood."""

    code = "unsupported_encoding"
    status = 415
    remedy = "Send JSON or NDJSON, plain or with `Content-Encoding: gzip` or `zstd`."


class HeadTooLarge(TooLarge):
    """The head of a request has too many bytes or too many headers."""

    code = "head_too_large"
    status = 431
    remedy = "Send fewer or shorter headers; 100 of them and 65,536 bytes are taken."


class TooManyRequests(IndelibleError):
    """The published log is read faster than the server allows."""

    code = "rate_limited"
    status = 429
    remedy = "Wait as long as Retry-After says."


class Internal(IndelibleError):
    """A fault of the server; the id stands in its log beside the cause."""

    code = "internal_error"
    status = 500
    remedy = "Look for the error id in the server's log and report what stands there."


def error_body(error: IndelibleError) -> bytes:
    """The error as the bytes of an answer."""
    return msgspec.json.encode({"error": error.as_dict()})


def error_answer(error: IndelibleError) -> Response:
    """The error as an answer."""
    headers = {}
    if error.status in RETRY_AFTER:
        headers["Retry-After"] = RETRY_AFTER[error.status]
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="indelible"'
    return Response(
        error_body(error),
        status_code=error.status,
        media_type="application/json",
        headers=headers,
    )


def unexpected(error: BaseException) -> Internal:
    """Log what nobody foresaw under a fresh id and return the error that names the id."""
    error_id = random_id()
    logger.error("error %s", error_id, exc_info=error)
    return Internal(f"the server failed on this request (error id {error_id})")
