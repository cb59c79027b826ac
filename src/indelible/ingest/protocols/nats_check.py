"""Whether a stream can be read without loss, and what to do where it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from indelible.base.errors import IndelibleError
from indelible.base.limits import NATS_RETENTION_DAYS, NATS_UNUSED_SECONDS
from indelible.base.random import random_id
from indelible.ingest.protocols.findings import ERROR, FINE, LEVELS, WARNING, Finding
from indelible.ingest.protocols.nats import misfit
from indelible.ingest.protocols.nats_positions import LIMITS, Config, Seen
from indelible.ingest.protocols.nats_server import NANOS, Consumer, Server
from indelible.ingest.protocols.nats_settings import Options

_DAY: Final = 86_400 * NANOS


async def check(options: Options, secret: bytes) -> list[Finding]:
    """Connect, ask and judge. What keeps us out is a finding, too."""
    try:
        server = Server(options, secret, "indelible check")
    except IndelibleError as error:
        return [_finding(ERROR, "options", error.message, error.remedy)]
    try:
        await server.open()
        seen = await server.look()
        named = seen is not None and options.consumer
        bound = await server.consumer(options.consumer) if named else None
        found = findings(seen, bound, options)
        if seen is not None and seen.config.retention == LIMITS and not options.consumer:
            found.append(await _tried(server, options))
        return sorted(found, key=lambda one: LEVELS.index(one.level))
    except IndelibleError as error:
        denied = "permissions violation" in error.message.lower()
        remedy = _rights(options) if denied else error.remedy
        return [_finding(ERROR, "permissions" if denied else "server", error.message, remedy)]
    finally:
        await server.close()


async def _tried(server: Server, options: Options) -> Finding:
    """Whether a consumer may be made, read with and removed; nothing is taken from the stream."""
    name = f"indelible-check-{random_id()}"
    made = await server.make(name, {
        "deliver_policy": "new", "ack_policy": "none", "mem_storage": True,
        "inactive_threshold": NATS_UNUSED_SECONDS * NANOS})
    if made is None:
        return _finding(ERROR, "stream", "the stream was deleted just now")
    await server.read_with(name, made.config)
    taken = await server.take(probe=True)
    while not (taken.nothing or taken.given or taken.lost or server.trouble):
        taken = await server.take()
    await server.drop(name)
    if server.trouble or taken.lost:
        return _finding(ERROR, "permissions", server.trouble or taken.lost, _rights(options))
    return _finding(FINE, "permissions", "a consumer may be made and read with")


def _rights(options: Options) -> str:
    """What the user must be allowed, to be pasted."""
    api, stream = options.api, options.stream
    paths = ("STREAM.INFO.{}", "CONSUMER.INFO.{}.>", "CONSUMER.CREATE.{}.>",
             "CONSUMER.DELETE.{}.>", "CONSUMER.MSG.NEXT.{}.>")
    publish = [f"{api}.{one.format(stream)}" for one in paths]
    publish += [f"$JS.ACK.{stream}.>", f"$JS.ACK.*.*.{stream}.>"]
    listed = ", ".join([f'"{one}"' for one in publish])
    return f'permissions: {{ publish: [{listed}], subscribe: ["{options.inbox}.>"] }}'


def findings(seen: Seen | None, bound: Consumer | None, options: Options) -> list[Finding]:
    """Every remark, the gravest first: pure."""
    found = list(_server(options))
    if seen is None:
        found.append(_finding(
            ERROR, "stream", f"there is no stream {options.stream}",
            "Make it, or name its domain; it is looked for all the time."))
    else:
        found += [*_stream(seen, options), *_limits(seen.config, options.stream),
                  *_consumer(seen, bound, options)]
    return sorted(found, key=lambda one: LEVELS.index(one.level))


def _finding(level: str, about: str, text: str, remedy: str = "") -> Finding:
    return Finding(level=level, about=about, text=text, remedy=remedy)


def _server(options: Options) -> Iterator[Finding]:
    yield _finding(FINE, "server", "the server answers, and lets us in")
    if options.remote and options.tls == "off":
        secret = options.login in ("password", "token")
        what = "the secret and the messages come" if secret else "messages come"
        yield _finding(
            WARNING, "tls", f"{what} in clear over the network, unless the server requires TLS",
            "Add --option tls=on (and ca=FILE).",
        )


def _stream(seen: Seen, options: Options) -> Iterator[Finding]:
    state = seen.state
    text = (f"stream {options.stream}, made at {seen.created}: {state.messages:,} messages there,"
            f" {seen.first:,} to {seen.last:,}")
    if options.start == "latest":
        text += ", of which none is read where it was never read before"
    yield _finding(FINE, "stream", text)
    if seen.deleted:
        yield _finding(
            FINE, "stream", f"{seen.deleted:,} messages among them are deleted already: no"
            " losses of this source")
    if options.subjects:
        yield _finding(
            WARNING, "subjects", "of some subjects only, what is deleted one by one before it was"
            " read goes unnoticed, and of what retention deleted nobody can say whose it was",
            "Leave subjects out, or give what is audited a stream of its own.",
        )
    if not seen.config.deny_delete or not seen.config.deny_purge:
        yield _finding(
            FINE, "deny_delete", "whoever may use the API may delete messages or purge the stream;"
            " what is deleted before it was read is a loss, on record")


def _limits(config: Config, stream: str) -> Iterator[Finding]:
    if config.max_age <= 0:
        yield _finding(FINE, "max_age", "the stream deletes nothing for its age")
    else:
        days = config.max_age / _DAY
        short = days < NATS_RETENTION_DAYS
        yield _finding(
            WARNING if short else FINE, "max_age",
            f"the stream deletes messages after {days:,.1f} days: Indelible must not be away for"
            " longer", f"nats stream edit {stream} --max-age=7d" if short else "",
        )
    for name, value in (("max_msgs", config.max_msgs), ("max_bytes", config.max_bytes)):
        if value <= 0:
            continue
        if config.discard == "new":
            yield _finding(
                FINE, name, f"a full stream ({name} {value:,}) refuses what is new: publishers"
                " are told, nothing unread is deleted")
        else:
            yield _finding(
                WARNING, name, f"a full stream ({name} {value:,}) deletes its oldest messages,"
                " read or not", f"nats stream edit {stream} --discard=new",
            )
    if config.max_msgs_per_subject > 0:
        yield _finding(
            WARNING, "max_msgs_per_subject", f"of each subject {config.max_msgs_per_subject:,} are"
            " kept: earlier ones are deleted by later ones, read or not, each of them a loss",
            f"nats stream edit {stream} --max-msgs-per-subject=-1",
        )
    if config.allow_msg_ttl:
        yield _finding(
            WARNING, "allow_msg_ttl", "publishers may have their messages deleted after a time of"
            " their own choice, read or not")


def _consumer(seen: Seen, bound: Consumer | None, options: Options) -> Iterator[Finding]:
    retention, name = seen.config.retention, options.consumer
    if retention != LIMITS and not name:
        yield _finding(
            ERROR, "retention", f"the stream removes what is acknowledged (its retention is"
            f" {retention}), so a durable consumer is needed that nobody else reads with",
            "Add --option consumer=NAME.",
        )
    if retention == "interest" and name and bound is None:
        yield _finding(
            WARNING, "consumer", f"there is no consumer {name} yet: until it is made, nothing is"
            " kept for it")
    if bound is None:
        return
    if wrong := misfit(bound, options.subjects):
        yield _finding(
            ERROR, "consumer", f"the consumer {name} {wrong}",
            "Name another one; a consumer that is not there is made as it should be.")
    if bound.config.max_deliver > 0:
        yield _finding(
            WARNING, "max_deliver", f"the consumer {name} gives a message"
            f" {bound.config.max_deliver:,} times and then no more: with the ledger out of reach"
            " for so long, messages are lost",
            f"nats consumer edit {options.stream} {name} --max-deliver=-1",
        )
    yield _finding(
        FINE, "consumer", f"the consumer {name}: {bound.num_pending:,} messages to come,"
        f" {bound.num_ack_pending:,} given and not acknowledged")
