"""HTTP: the submission and monitoring prefixes of C2SP tlog-witness, and a health check."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from indelible_witness.cosigner import WitnessError, load_cosigner
from indelible_witness.request import MAX_BODY_BYTES
from indelible_witness.state import State
from indelible_witness.witness import Answer, Witness

FOLDER_VARIABLE: Final = "INDELIBLE_WITNESS_DIR"
_HASH: Final = re.compile("[0-9a-f]{64}", re.ASCII)


def create_app(witness: Witness) -> Starlette:
    """The ASGI application of one witness."""

    async def add_checkpoint(request: Request) -> Response:
        try:
            body = await _bounded_body(request)
        except ClientDisconnect:
            return Response(status_code=400)
        if body is None:
            return PlainTextResponse("the request is too long\n", 413)
        answer = await run_in_threadpool(_answer, witness, body)
        # Set by hand: media_type would add a charset, and tlog-witness names the whole type.
        headers = {"content-type": answer.content_type}
        return Response(answer.body.encode("utf-8"), answer.status, headers)

    async def checkpoint(request: Request) -> Response:
        name = request.path_params["origin_hash"]
        head = None
        if _HASH.fullmatch(name):
            head = await run_in_threadpool(witness.state.head_by_hash, name)
        if head is None:
            return PlainTextResponse("no checkpoint of that log was cosigned\n", 404)
        return PlainTextResponse(head.note, headers={"cache-control": "no-cache"})

    async def healthz(request: Request) -> Response:
        try:
            origins = await run_in_threadpool(witness.state.origins)
        except WitnessError as error:
            return JSONResponse({"status": "failing", "reason": str(error)}, 503)
        return JSONResponse({"status": "ok", "name": witness.cosigner.name, "logs": len(origins)})

    return Starlette(
        routes=[
            Route("/add-checkpoint", add_checkpoint, methods=["POST"]),
            Route("/healthz", healthz, methods=["GET"]),
            Route("/{origin_hash}/checkpoint", checkpoint, methods=["GET"]),
        ]
    )


def _answer(witness: Witness, body: bytes) -> Answer:
    """Answer, or 503 when the state cannot be written: nothing was cosigned then."""
    try:
        return witness.add_checkpoint(body)
    except (sqlite3.Error, WitnessError) as error:
        return Answer(503, f"the witness cannot record anything now: {error}\n")


async def _bounded_body(request: Request) -> bytes | None:
    parts: list[bytes] = []
    length = 0
    async for part in request.stream():
        length += len(part)
        if length > MAX_BODY_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)


def open_witness(folder: Path) -> Witness:
    """Open an existing witness; raises WitnessError when keys and state do not fit together."""
    cosigner = load_cosigner(folder)
    state = State(folder)
    state.check(cosigner.keys[0])
    return Witness(cosigner, state, lambda: int(time.time()))


def from_environment() -> Starlette:
    """The application of the witness in the folder that INDELIBLE_WITNESS_DIR names."""
    return create_app(open_witness(Path(os.environ[FOLDER_VARIABLE])))
