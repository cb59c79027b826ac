"""The brokers, asked through confluent-kafka (librdkafka): blocking calls, made in one thread.

librdkafka does the protocol, TLS, SASL and compression, finds leaders and follows them. Groups are
not used: which partitions are read, and from where, we say ourselves. What it fetches ahead is
bounded in bytes; when nobody takes records it fetches no more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import methodcaller
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from indelible.base.clock import monotonic
from indelible.base.errors import BadRequest, Unreachable
from indelible.base.limits import (
    KAFKA_ASK_SECONDS,
    KAFKA_PARTITIONS,
    KAFKA_TAKEN,
)
from indelible.ingest.protocols.kafka_positions import Ends, Place
from indelible.ingest.protocols.kafka_records import Record
from indelible.ingest.protocols.kafka_said import Said
from indelible.ingest.protocols.kafka_settings import Options, connection, consumption, driver

if TYPE_CHECKING:
    from concurrent.futures import Future

    from confluent_kafka import KafkaError, Message, TopicPartition
    from confluent_kafka.admin._metadata import ClusterMetadata
    from confluent_kafka.admin._topic import TopicDescription

    Answer = Future[TopicDescription]

_log = logging.getLogger(__name__)
_quiet = logging.getLogger(f"{__name__}.library")
_quiet.addHandler(logging.NullHandler())
_quiet.propagate = False
_said = Said()  # of all sources: one that begins anew has another `Log`
Headers: TypeAlias = Sequence[tuple[str, bytes | None]]
_headers_of: Callable[[Message], Headers | None] = methodcaller("headers")
"""Called so, its fault is noticed at once; the interpreter's short cuts tell it somewhere later."""
_AS_KAFKA: Final = str.maketrans("+/", "-_")
"""librdkafka writes ids of topics in plain base64, Kafka in that of file names."""
_NO_ID: Final = "A" * 22
"""The zero UUID as Kafka writes it: brokers that give topics no id."""


class Seen(msgspec.Struct, frozen=True):
    """What a look found: every partition that can be read, and what is wrong with the others.

    `parts` are topics of which some partitions cannot be read now: one that was never read is not
    begun with a part, for what appears later would be taken for new.
    """

    cluster: str
    topics: dict[str, str]  # name to id, '' where there is none
    ends: dict[Place, Ends]
    parts: frozenset[str]
    troubles: list[str]


class Keeps(msgspec.Struct, frozen=True):
    """What a topic says of cleaning up; `milliseconds` is negative where it is kept for ever."""

    policy: str
    milliseconds: int


class Taken(msgspec.Struct):
    """What came of one take. `ends`: partitions whose end was reached, with the offset to go on at;
    behind the last record that may be the place of a transaction's marker. `wrong`: partitions
    whose log does not go on, and why, in librdkafka's word (`TRUNCATED`) and the broker's."""

    records: list[Record] = []
    ends: dict[Place, int] = {}
    wrong: dict[Place, str] = {}


TRUNCATED: Final = "_LOG_TRUNCATION"
"""A new leader has not all that was read from the one before it."""


class Log:
    """The topics of one source. Its calls are made by one thread at a time; all may block."""

    def __init__(self, options: Options, secret: bytes, source: str) -> None:
        """Raises `BadRequest` when what is configured cannot work."""
        self._kafka = driver()
        self._options = options
        self._last = ""
        self._commit_trouble = ""
        self._lost_controller = False
        more = {"on_commit": self._committed} if options.group else {}
        self._base = {**connection(options, secret), "error_cb": self._heard, "logger": _quiet}
        self._consuming = {**self._base, **consumption(options, source), **more}
        try:
            self._consumer = self._kafka.Consumer(self._consuming)
            self._admin = self._kafka.admin.AdminClient(self._base)
        except (self._kafka.KafkaException, ValueError) as error:
            raise BadRequest(
                f"Kafka cannot be read with these options: {told(error)}",
                remedy="Look at the files named by ca, certificate and key, and at the secret.",
            ) from error

    def close(self) -> None:
        """Let go of the connections."""
        self._consumer.close()

    def renew(self) -> None:
        """Begin anew with nothing assigned.

        What librdkafka remembers of a topic can keep it from reading another one of its name.
        """
        self._consumer.close()
        self._consumer = self._kafka.Consumer(self._consuming)

    @property
    def trouble(self) -> str:
        """Why nothing is committed to the group, if that is so."""
        return self._commit_trouble

    def _heard(self, error: KafkaError) -> None:
        """What librdkafka says of its connections; the broker's own words before a mere loss."""
        if error.code() != self._kafka.KafkaError._ALL_BROKERS_DOWN or not self._last:
            self._last = error.str()
        _tell(error.name(), error.str())

    def _committed(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        wrong = error or next((one.error for one in partitions if one.error), None)
        self._commit_trouble = "" if wrong is None else (
            f"nothing is committed to the group {self._options.group}: {wrong.str()}")

    # --- looking

    def look(self) -> Seen:
        """Which partitions there are, and where they begin and end; raises `Unreachable`."""
        try:
            seen = self._look()
        except self._kafka.KafkaException as error:
            self._consumer.consume(0, 0)  # serves what it has to say
            self._admin.poll(0)
            known = f" ({self._last})" if self._last and self._last not in told(error) else ""
            raise Unreachable(
                f"Kafka: {told(error)}{known}",
                remedy="Look at brokers, tls, sasl and the password; it is tried again.",
            ) from error
        self._last = ""
        return seen

    def _look(self) -> Seen:
        places: list[Place] = []
        troubles: list[str] = []
        topics: dict[str, str] = {}
        cluster, controller = "", False
        for name in self._options.topics:
            found: ClusterMetadata = self._consumer.list_topics(name, timeout=KAFKA_ASK_SECONDS)
            cluster = found.cluster_id or cluster
            controller = found.controller_id in found.brokers
            topic = found.topics[name]
            if topic.error is not None:
                troubles.append(self._missing(name, topic.error))
                continue
            topics[name] = ""
            places += [Place(name, number) for number in sorted(topic.partitions)]
        if len(places) > KAFKA_PARTITIONS:
            raise BadRequest(
                f"the topics have {len(places):,} partitions, more than {KAFKA_PARTITIONS:,}",
                remedy="Divide them among several sources.",
            )
        if controller and topics:
            topics = self._known_ids(list(topics))
        self._lost_controller |= not controller
        ends = self._ends(cluster, topics, places, troubles)
        parts = frozenset([place.topic for place in places if place not in ends])
        return Seen(cluster, topics, ends, parts, troubles)

    def _missing(self, name: str, error: KafkaError) -> str:
        if error.code() == self._kafka.KafkaError.UNKNOWN_TOPIC_OR_PART:
            return f"there is no topic {name}"
        return f"topic {name}: {error.str()}"

    def ids(self, topics: Sequence[str]) -> dict[str, str]:
        """The brokers' own ids of topics that have one, as they are now; '' for one that is gone.

        Raises `Unreachable` when they are not told: what they are for must not be guessed.
        """
        found = {}
        for name, answer in self._asked_ids(topics):
            try:
                found[name] = _id(answer)
                if not found[name]:
                    raise Unreachable(
                        f"Kafka: the brokers tell no id of topic {name}, which had one",
                        remedy="It is tried again.",
                    )
            except (self._kafka.KafkaException, TimeoutError) as error:
                said = error.args[0] if error.args else None
                missing = self._kafka.KafkaError.UNKNOWN_TOPIC_OR_PART
                if not isinstance(said, self._kafka.KafkaError) or said.code() != missing:
                    raise Unreachable(
                        f"Kafka: the id of topic {name} is not told: {told(error)}",
                        remedy="It is tried again.",
                    ) from error
                found[name] = ""
        return found

    def _known_ids(self, topics: Sequence[str]) -> dict[str, str]:
        """The same when looking; older brokers, and some that only speak alike, have none.

        Whether a topic has an id matters when it is read for the first time, and to notice that it
        was made again, so one that could not be had now is asked for again. A client that knows no
        controller looks for one only after minutes, so another is made then.
        """
        found = dict.fromkeys(topics, "")
        if self._lost_controller:
            self._admin = self._kafka.admin.AdminClient(self._base)
            self._lost_controller = False
        for name, answer in self._asked_ids(topics):
            try:
                found[name] = _id(answer)
            except (self._kafka.KafkaException, TimeoutError) as error:
                _tell("no id", f"no id of topic {name}: {told(error)}")
                self._lost_controller = True
        return found

    def _asked_ids(self, topics: Sequence[str]) -> Iterable[tuple[str, Answer]]:
        if not topics:
            return ()
        names = self._kafka.TopicCollection(list(topics))
        asked: dict[str, Answer] = self._admin.describe_topics(
            names, request_timeout=KAFKA_ASK_SECONDS)
        return asked.items()

    def _ends(
        self, cluster: str, topics: Mapping[str, str], places: list[Place], troubles: list[str]
    ) -> dict[Place, Ends]:
        spec, isolation = self._kafka.admin.OffsetSpec, self._kafka.IsolationLevel
        found = [
            self._offsets(places, kind, level, troubles) for kind, level in (
                (spec.earliest(), isolation.READ_UNCOMMITTED),
                (spec.latest(), isolation.READ_COMMITTED),
                (spec.latest(), isolation.READ_UNCOMMITTED),
            )
        ]
        low, stable, high = found
        return {
            place: Ends(cluster, topics[place.topic], low[place], high[place], stable[place])
            for place in places if all(place in one for one in found)
        }

    def _offsets(
        self, places: list[Place], spec: object, isolation: object, troubles: list[str]
    ) -> dict[Place, int]:
        if not places:
            return {}
        asked = self._admin.list_offsets(
            {self._partition(one): spec for one in places},
            request_timeout=KAFKA_ASK_SECONDS, isolation_level=isolation,
        )
        found = {}
        for one, answer in asked.items():
            place = Place(one.topic, one.partition)
            try:
                found[place] = answer.result(2 * KAFKA_ASK_SECONDS).offset
            except (self._kafka.KafkaException, TimeoutError) as error:
                text = f"partition {place}: {told(error)}"
                if text not in troubles:
                    troubles.append(text)
        return found

    def kept_for(self, topics: Iterable[str]) -> dict[str, Keeps]:
        """How the brokers clean up these topics, as far as they tell us (it needs a right of its
        own: DESCRIBE_CONFIGS)."""
        made = self._kafka.admin.ConfigResource
        asked = self._admin.describe_configs(
            [made(made.Type.TOPIC, name) for name in topics], request_timeout=KAFKA_ASK_SECONDS)
        found = {}
        for one, answer in asked.items():
            try:
                said = {name: entry.value for name, entry in
                        answer.result(2 * KAFKA_ASK_SECONDS).items()}
                found[one.name] = Keeps(
                    said.get("cleanup.policy", ""), int(said.get("retention.ms", "-1")))
            except (self._kafka.KafkaException, TimeoutError, ValueError) as error:
                _log.info("Kafka: settings of topic %s are not told: %s", one.name, told(error))
        return found

    def _partition(self, place: Place, offset: int | None = None) -> TopicPartition:
        made: TopicPartition = (
            self._kafka.TopicPartition(place.topic, place.partition) if offset is None
            else self._kafka.TopicPartition(place.topic, place.partition, offset)
        )
        return made

    # --- reading

    def assign(self, places: Mapping[Place, int]) -> None:
        """Read these partitions from these offsets on, and no others."""
        self._consumer.assign([self._partition(one, at) for one, at in places.items()])

    def take(self, wait: float) -> Taken:
        """Some records in the order of their partitions; waits so long where there are none.

        Raises `Unreachable` for what is wrong with all of it.
        """
        taken = Taken()
        consumer = self._consumer
        for one in consumer.consume(KAFKA_TAKEN, 0) or consumer.consume(1, max(0.0, wait)):
            error = one.error()
            if error is None:
                taken.records.append(_record(one))
                continue
            topic, partition = one.topic(), one.partition()
            if topic is None or partition is None:
                raise Unreachable(f"Kafka: {error.str()}", remedy="It is tried again.")
            place = Place(topic, partition)
            if error.code() == self._kafka.KafkaError._PARTITION_EOF:
                taken.ends[place] = one.offset() or 0
            else:
                taken.wrong[place] = f"{error.name()}: {error.str()}"
        return taken

    def commit(self, places: Iterable[tuple[Place, int]]) -> None:
        """Tell the group how far was read, for those who watch it; without waiting for it."""
        said = [self._partition(place, at) for place, at in places]
        try:
            self._consumer.commit(offsets=said, asynchronous=True)
        except self._kafka.KafkaException as error:
            self._commit_trouble = (
                f"nothing is committed to the group {self._options.group}: {told(error)}")


def _tell(kind: str, words: str) -> None:
    """Log what librdkafka says, unless it said so just now."""
    if text := _said.told(kind, words, monotonic()):
        _log.info("Kafka: %s", text)


def _id(answer: Answer) -> str:
    ident = str(answer.result(2 * KAFKA_ASK_SECONDS).topic_id)
    return "" if ident == _NO_ID else ident.translate(_AS_KAFKA)


def _record(one: Message) -> Record:
    kind, time_ms = one.timestamp()
    headers: Headers = ()
    unread = False
    try:
        headers = _headers_of(one) or ()
    except (SystemError, UnicodeError):  # a name that is no UTF-8; a writer in C may send one
        unread = True
    return Record(
        topic=one.topic() or "", partition=one.partition() or 0, offset=one.offset() or 0,
        key=one.key(), value=one.value(), headers=headers, kind=kind,
        time_ms=max(0, time_ms) if kind else 0, unread=unread,
    )


def told(error: Exception) -> str:
    """What confluent-kafka raised, in librdkafka's words."""
    said = getattr(error.args[0] if error.args else None, "str", None)
    words = str(said()) if said is not None else str(error)
    return " ".join(words.split()) or type(error).__name__
