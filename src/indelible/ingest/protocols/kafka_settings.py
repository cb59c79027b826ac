"""The options of a source whose records are read from Kafka, and how its brokers are reached."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import ModuleType
from typing import Final, NamedTuple

import msgspec

from indelible.base.errors import BadRequest
from indelible.base.limits import (
    KAFKA_ANSWER_BYTES,
    KAFKA_ASK_SECONDS,
    KAFKA_FETCH_BYTES,
    KAFKA_QUEUE_BYTES,
    KAFKA_QUEUED,
    KAFKA_TOPICS,
    NAME_CHARS,
)
from indelible.ingest.extras import libraries
from indelible.ingest.protocols.brokers import elsewhere, first_host

OPTIONS: Final = (
    "brokers", "topics", "start", "group", "tls", "ca", "certificate", "key", "sasl", "user",
    "skip", "skip_reason",
)
NEEDS: Final = ("brokers", "topics")
MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_BROKER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}")
_SKIP = re.compile(r"([A-Za-z0-9._-]{1,249})/([0-9]{1,9})/([0-9]{1,18})-([0-9]{1,18})")


class Skip(NamedTuple):
    """Offsets of a partition, both included, that may be stepped over where they cannot be read."""

    topic: str
    partition: int
    first: int
    last: int


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a source, read.

    `start`: where a topic is begun that was never read, `earliest` or `latest`. `group` empty:
    nothing is ever committed to the brokers. `ca`, `certificate` and `key` are paths of PEM files.
    `skip` is what an administrator gave up, and `skip_reason` why.
    """

    brokers: tuple[str, ...]
    topics: tuple[str, ...]
    start: str = "earliest"
    group: str = ""
    tls: bool = False
    ca: str = ""
    certificate: str = ""
    key: str = ""
    sasl: str = ""
    user: str = ""
    skip: tuple[Skip, ...] = ()
    skip_reason: str = ""

    @property
    def host(self) -> str:
        """The first broker's host."""
        return first_host(self.brokers)

    @property
    def remote(self) -> bool:
        """Whether a broker is on another machine."""
        return elsewhere(self.brokers)


def check_options(given: Mapping[str, str]) -> None:
    """Raise `BadRequest` when these options cannot work."""
    options_of(given)


def options_of(given: Mapping[str, str]) -> Options:
    """The options as they were configured; raises `BadRequest` that names one and the remedy."""
    said = {name: value for name, value in given.items() if value}
    for name in NEEDS:
        if name not in said:
            raise BadRequest(f"kafka needs the option {name!r}", field=name)
    brokers, topics = _listed(said["brokers"]), _listed(said["topics"])
    for one in brokers:
        if not _BROKER.fullmatch(one):
            raise BadRequest(
                f"brokers are HOST:PORT, with commas between them, not {one!r}", field="brokers"
            )
    for one in topics:
        if not _TOPIC.fullmatch(one) or one in (".", ".."):
            raise BadRequest(f"{one!r} is not the name of a topic", field="topics")
    if len(topics) > KAFKA_TOPICS:
        raise BadRequest(f"at most {KAFKA_TOPICS} topics for one source", field="topics")
    _one_of(said, "start", ("earliest", "latest"))
    _one_of(said, "tls", ("on", "off"))
    _one_of(said, "sasl", MECHANISMS)
    _secure(said)
    return Options(
        brokers=brokers, topics=topics, tls=said.get("tls") == "on",
        start=said.get("start", "earliest"), skip=_skip(said, topics),
        **{name: said.get(name, "") for name in
           ("group", "ca", "certificate", "key", "sasl", "user", "skip_reason")},
    )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys([one.strip() for one in text.split(",")]))


def _one_of(said: Mapping[str, str], name: str, values: tuple[str, ...]) -> None:
    if name in said and said[name] not in values:
        raise BadRequest(f"{name} is {', '.join(values)}, not {said[name]!r}", field=name)


def _skip(said: Mapping[str, str], topics: tuple[str, ...]) -> tuple[Skip, ...]:
    """What is given up, by the topics of the source and with a reason."""
    if ("skip" in said) != ("skip_reason" in said):
        raise BadRequest("skip and skip_reason go together", field="skip_reason")
    if len(said.get("skip_reason", "")) > NAME_CHARS:
        raise BadRequest(f"skip_reason has at most {NAME_CHARS:,} characters", field="skip_reason")
    made = []
    for one in _listed(said["skip"]) if "skip" in said else ():
        found = _SKIP.fullmatch(one)
        if found is None or int(found[3]) > int(found[4]):
            raise BadRequest(
                f"skip is TOPIC/PARTITION/FIRST-LAST, with commas between them, not {one!r}",
                field="skip",
            )
        if found[1] not in topics:
            raise BadRequest(f"{found[1]!r} is not among the topics", field="skip")
        made.append(Skip(found[1], int(found[2]), int(found[3]), int(found[4])))
    return tuple(made)


def _secure(said: Mapping[str, str]) -> None:
    """Whether what is said of TLS and of the login goes together."""
    for name in ("ca", "certificate", "key"):
        if name not in said:
            continue
        if said.get("tls") != "on":
            raise BadRequest(f"{name} goes with tls=on", field=name)
        if not said[name].startswith("/"):
            raise BadRequest(f"{name} is the absolute path of a file", field=name)
    if ("certificate" in said) != ("key" in said):
        raise BadRequest("certificate and key go together", field="certificate")
    if ("sasl" in said) != ("user" in said):
        raise BadRequest("sasl and user go together", field="sasl")


def driver() -> ModuleType:
    """confluent-kafka; raises `BadRequest` with the remedy where it is not installed."""
    kafka, _ = libraries(
        "records of Kafka are", "kafka", "confluent-kafka", "confluent_kafka",
        "confluent_kafka.admin",
    )
    return kafka


def connection(options: Options, secret: bytes) -> dict[str, str | int]:
    """What librdkafka needs to reach the brokers; raises `BadRequest` without its secret.

    The secret is the password of `user`, or, where there is no `sasl`, that of an encrypted `key`.
    It stands in nothing that is logged: librdkafka's `debug`, which prints what is configured, is
    never set.
    """
    try:
        password = secret.decode()
    except UnicodeDecodeError as error:
        raise BadRequest("the secret is not text", field="secret") from error
    if options.sasl and not password:
        raise BadRequest(
            f"{options.sasl} needs the password of {options.user!r}", field="secret",
            remedy="Write it into a file, and name that with --secret-file.",
        )
    made: dict[str, str | int] = {
        "bootstrap.servers": ",".join(options.brokers),
        "client.id": "indelible",
        "security.protocol": ("SASL_" if options.sasl else "") + (
            "SSL" if options.tls else "PLAINTEXT"),
        "socket.timeout.ms": round(KAFKA_ASK_SECONDS * 1000),
        "receive.message.max.bytes": KAFKA_ANSWER_BYTES,
    }
    files = {
        "ssl.ca.location": options.ca, "ssl.certificate.location": options.certificate,
        "ssl.key.location": options.key,
    }
    made |= {name: value for name, value in files.items() if value}
    if options.sasl:
        made |= {"sasl.mechanism": options.sasl, "sasl.username": options.user,
                 "sasl.password": password}
    elif options.key and password:
        made["ssl.key.password"] = password
    return made


def consumption(options: Options, source: str) -> dict[str, str | int | bool]:
    """How records are read: only what was committed, from where we say, bounded in memory."""
    return {
        "group.id": options.group or f"indelible-{source}",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
        "allow.auto.create.topics": False,
        "check.crcs": True,
        "fetch.max.bytes": KAFKA_FETCH_BYTES,
        "queued.max.messages.kbytes": KAFKA_QUEUE_BYTES >> 10,
        "queued.min.messages": KAFKA_QUEUED,
    }
