"""Verification on request: started, followed, read.

A verification reads everything and may take minutes, so it runs as a task of its own; its account
is kept in the meta database and outlives the answer. One runs at a time.
"""

from __future__ import annotations

import asyncio

import msgspec
from starlette.responses import Response

from indelible.access import Permission
from indelible.base.clock import monotonic, rfc3339
from indelible.base.errors import BadRequest, Busy, IndelibleError, NotFound
from indelible.base.limits import PROGRESS_SECONDS, VERIFICATION_RUNS_SHOWN, VERIFICATIONS_AT_ONCE
from indelible.base.recorder import Fact, Touched
from indelible.server.call import Call, json_answer
from indelible.server.errors import error_body, unexpected
from indelible.server.rooms import VerifyRequest
from indelible.server.route import Parameter, Route
from indelible.store.meta import VerificationRow


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One verification: `state` is running, finished or cut off; `report` the ledger's account."""

    id: str
    state: str
    cause: str
    started: str
    finished: str
    done: int
    total: int
    verdict: str
    ok: bool | None
    report: msgspec.Raw


class Runs(msgspec.Struct, frozen=True, kw_only=True):
    """The newest verifications first."""

    runs: list[Run]


def _check(asked: VerifyRequest) -> None:
    start, end = asked.from_index, asked.to_index
    if (start is not None and start < 0) or (end is not None and end < (start or 0)):
        raise BadRequest("a range runs from a lower index to a higher one", field="from")


async def start(call: Call) -> Response:
    """Start a verification and answer its id; the account is read with GET."""
    asked = await call.body(VerifyRequest)
    _check(asked)
    context = call.context
    if len(context.verifying) >= VERIFICATIONS_AT_ONCE:
        raise Busy(f"the verification {next(iter(context.verifying))} is still running")
    run = call.rooms.meta.start_verification("request")
    data: dict[str, Fact] = {
        "from": asked.from_index,
        "to": asked.to_index,
        "quick": asked.quick,
        "against": bool(asked.against),
    }
    task = asyncio.get_running_loop().create_task(_run(call, run, asked, data))
    context.verifying[run] = task
    task.add_done_callback(lambda _: context.verifying.pop(run, None))
    return json_answer(_view(call, call.rooms.meta.verification(run)), 202)


async def _run(call: Call, run: str, asked: VerifyRequest, data: dict[str, Fact]) -> None:
    """The task: verify, keep the account, record the end. Nothing is thrown away."""
    meta = call.rooms.meta
    shown = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal shown
        now = monotonic()
        if now - shown >= PROGRESS_SECONDS:
            shown = now
            meta.progress_verification(run, done, total)

    try:
        outcome = await call.rooms.verify(asked, progress)
        ok, verdict, report = outcome.ok, outcome.verdict, bytes(outcome.report)
    except IndelibleError as error:
        ok, verdict, report = False, error.code, error_body(error)
    except asyncio.CancelledError:
        meta.finish_verification(run, ok=False, verdict="cut off", report=b"{}")
        raise
    except Exception as error:  # noqa: BLE001 - kept as the account of the run, logged by id
        ok, verdict, report = False, "internal_error", error_body(unexpected(error))
    meta.finish_verification(run, ok=ok, verdict=verdict, report=report)
    try:
        await call.record(
            "indelible.ledger.verify",
            "execute",
            targets=(Touched(type="verification", id=run),),
            outcome="success" if ok else "failure",
            data={**data, "verdict": verdict},
        )
    except IndelibleError as error:
        unexpected(error)


async def read(call: Call) -> Response:
    """One run: the one that is named, or the newest."""
    await call.record("indelible.verification.read", "read", counted=True)
    meta = call.rooms.meta
    run = call.text("run")
    if run:
        return json_answer(_view(call, meta.verification(run)))
    newest = meta.verifications(1)
    if not newest:
        raise NotFound("nothing has been verified yet")
    return json_answer(_view(call, newest[0]))


async def listing(call: Call) -> Response:
    """The newest runs, those of the server's own beat too."""
    await call.record("indelible.verification.read", "read", counted=True)
    rows = call.rooms.meta.verifications(VERIFICATION_RUNS_SHOWN)
    return json_answer(Runs(runs=[_view(call, row) for row in rows]))


def _view(call: Call, row: VerificationRow) -> Run:
    if row.finished_us is not None:
        state = "finished"
    elif row.id in call.context.verifying or row.cause != "request":
        state = "running"
    else:
        state = "cut off"
    return Run(
        id=row.id,
        state=state,
        cause=row.cause,
        started=rfc3339(row.started_us),
        finished="" if row.finished_us is None else rfc3339(row.finished_us),
        done=row.done,
        total=row.total,
        verdict=row.verdict,
        ok=row.ok,
        report=row.report,
    )


ROUTES = (
    Route(
        method="POST",
        path="/v1/verify",
        permission=Permission.VERIFY,
        name="startVerification",
        summary="Start a verification of everything or of a range",
        handler=start,
        asks=VerifyRequest,
        answer=Run,
        status=202,
    ),
    Route(
        method="GET",
        path="/v1/verify",
        permission=Permission.VERIFY,
        name="readVerification",
        summary="The account of one verification, the newest unless one is named",
        handler=read,
        answer=Run,
        parameters=(Parameter("run", "id of a run"),),
    ),
    Route(
        method="GET",
        path="/v1/verifications",
        permission=Permission.VERIFY,
        name="listVerifications",
        summary="The newest verifications, those of the server's own beat too",
        handler=listing,
        answer=Runs,
    ),
)
