"""A Kafka cluster for tests: the mock broker that librdkafka has within it, driven through ctypes.

It speaks the real protocol on a port of the loopback, with topic ids; its topics can be made,
deleted and shortened, its broker stopped and started. It lives as long as its handle.
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib.util
import threading
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import cache, wraps
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

CONFLUENT = importlib.util.find_spec("confluent_kafka") is not None
needs_kafka = pytest.mark.skipif(not CONFLUENT, reason="confluent-kafka is not installed")


def story(tell: Callable[..., Coroutine[None, None, None]]) -> Callable[..., None]:
    """A test that is told in a loop of its own, with its fixtures."""

    @wraps(tell)
    def test(*given: Any, **named: Any) -> None:
        asyncio.run(tell(*given, **named))

    return test


@cache
def _library() -> Any:
    """The librdkafka that confluent-kafka brings; loaded once, its functions with their types."""
    import confluent_kafka

    folder = Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs"
    library = ctypes.CDLL(str(next(folder.glob("librdkafka*.so*"))))
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    for name, result, arguments in (
        ("conf_new", pointer, []),
        ("new", pointer, [number, pointer, text, ctypes.c_size_t]),
        ("conf_set", number, [pointer, text, text, text, ctypes.c_size_t]),
        ("destroy", None, [pointer]),
        ("flush", number, [pointer, number]),
        ("mock_cluster_new", pointer, [pointer, number]),
        ("mock_cluster_destroy", None, [pointer]),
        ("mock_cluster_bootstraps", text, [pointer]),
        ("mock_set_controller_id", number, [pointer, ctypes.c_int32]),
        ("mock_topic_create", number, [pointer, text, number, number]),
        ("mock_topic_delete", number, [pointer, text]),
        ("mock_partition_delete_records", number,
         [pointer, text, ctypes.c_int32, ctypes.c_int64]),
        ("mock_broker_set_down", number, [pointer, ctypes.c_int32]),
        ("mock_broker_set_up", number, [pointer, ctypes.c_int32]),
    ):
        function = getattr(library, f"rd_kafka_{name}")
        function.restype, function.argtypes = result, arguments
    return library


class Cluster:
    """One broker, as a context. `brokers` is where it listens."""

    def __init__(self, ids: bool = True) -> None:
        """Without `ids` its topics have none, as those of brokers before Kafka 2.8."""
        self._ids = ids
        self._lock = threading.Lock()

    def __enter__(self) -> Cluster:
        library, error = _library(), ctypes.create_string_buffer(512)
        conf = library.rd_kafka_conf_new()
        for name, value in ((b"bootstrap.servers", b"127.0.0.1:9"), (b"log_level", b"0")):
            assert library.rd_kafka_conf_set(conf, name, value, error, 512) == 0, error.value
        self._handle = library.rd_kafka_new(0, conf, error, 512)
        assert self._handle, error.value
        self._cluster = library.rd_kafka_mock_cluster_new(self._handle, 1)
        self.brokers = library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()
        if self._ids:  # only a controller is asked for them
            self._do("set_controller_id", 1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _library().rd_kafka_mock_cluster_destroy(self._cluster)
        _library().rd_kafka_destroy(self._handle)

    def _do(self, what: str, *given: object) -> None:
        with self._lock:
            code = getattr(_library(), f"rd_kafka_mock_{what}")(self._cluster, *given)
        assert code == 0, f"{what}: {code}"

    def make(self, topic: str, partitions: int = 1) -> None:
        self._do("topic_create", topic.encode(), partitions, 1)

    def delete(self, topic: str) -> None:
        self._do("topic_delete", topic.encode())

    def forget(self, topic: str, partition: int, before: int) -> None:
        """What retention does."""
        self._do("partition_delete_records", topic.encode(), partition, before)

    def controller(self, known: bool) -> None:
        """Whether the brokers name a controller that is there, which alone tells ids of topics."""
        self._do("set_controller_id", 1 if known else 77)

    def down(self) -> None:
        self._do("broker_set_down", 1)

    def up(self) -> None:
        self._do("broker_set_up", 1)

    def send(
        self, topic: str, values: Iterable[bytes | str | None], partition: int = 0,
        key: bytes | None = None, headers: Sequence[tuple[str, bytes | None]] = (),
        time_ms: int = 0,
    ) -> None:
        """Write records, and wait until all are there."""
        send(self.brokers, topic, values, partition, key, headers, time_ms)


def send_odd_header(brokers: str, topic: str, name: bytes, values: Sequence[bytes]) -> None:
    """Write records with a header whose name may be any bytes, as a writer in C can."""
    library, error = _library(), ctypes.create_string_buffer(512)
    conf = library.rd_kafka_conf_new()
    for key, said in ((b"bootstrap.servers", brokers.encode()), (b"log_level", b"0")):
        assert library.rd_kafka_conf_set(conf, key, said, error, 512) == 0, error.value
    handle = library.rd_kafka_new(0, conf, error, 512)
    number, size = ctypes.c_int, ctypes.c_size_t
    for value in values:
        code = library.rd_kafka_producev(  # topic, value, header, flags (copy), end
            ctypes.c_void_p(handle), number(1), topic.encode(), number(4), value, size(len(value)),
            number(9), name, b"1", ctypes.c_ssize_t(1), number(7), number(2), number(0),
        )
        assert code == 0, code
    assert library.rd_kafka_flush(handle, 10_000) == 0
    library.rd_kafka_destroy(handle)


FLUSHED = 250_000
"""`linger.ms` that only the flush behind the last record ends: one batch, however slow this is."""


def send(
    brokers: str, topic: str, values: Iterable[bytes | str | None], partition: int = 0,
    key: bytes | None = None, headers: Sequence[tuple[str, bytes | None]] = (), time_ms: int = 0,
    **more: Any,
) -> None:
    """Write records with a client of its own, and wait until all are there."""
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": brokers, "linger.ms": 5, "log_level": 0, **more})
    wrong: list[Any] = []
    for value in values:
        while True:
            try:
                producer.produce(
                    topic, value, key=key, partition=partition, headers=list(headers) or None,
                    timestamp=time_ms, on_delivery=lambda error, _: error and wrong.append(error),
                )
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(60) == 0
    assert not wrong, wrong[0]
