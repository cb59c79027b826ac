"""Apache Kafka itself: one node of it, in KRaft mode, from the jars that Maven serves."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

from support.served import free_port

POM = Path(__file__).parents[1] / "clients" / "kafka" / "pom.xml"
JAVA = shutil.which("java") or ""
MAVEN = shutil.which("mvn") or ""


def jars() -> Path:
    """The folder of Kafka's jars: `KAFKA_JARS`, else fetched by Maven, once."""
    named = os.environ.get("KAFKA_JARS")
    found = Path(named) if named else Path(tempfile.gettempdir()) / "indelible-kafka-jars"
    if not any(found.glob("kafka_*.jar")):
        assert MAVEN, "neither KAFKA_JARS nor mvn is there"
        subprocess.run(
            [MAVEN, "-q", "-B", "-f", str(POM), "dependency:copy-dependencies",
             f"-DoutputDirectory={found}"],
            check=True, timeout=600,
        )
    return found


class Apache:
    """A broker in a process of its own, as a context; may be killed and started again."""

    def __init__(self, root: Path, **settings: str) -> None:
        root.mkdir(parents=True)
        self.root = root
        port, control = free_port(), free_port()
        self.brokers = f"127.0.0.1:{port}"
        protocol = settings.pop("protocol", "PLAINTEXT")
        self.inner = f"127.0.0.1:{free_port()}" if protocol != "PLAINTEXT" else self.brokers
        listeners = {"OUTER" if protocol != "PLAINTEXT" else "PLAINTEXT": self.brokers}
        listeners.setdefault("PLAINTEXT", self.inner)
        told = ",".join(f"{name}://{at}" for name, at in listeners.items())
        known = {
            "process.roles": "broker,controller", "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{control}",
            "listeners": f"{told},CONTROLLER://127.0.0.1:{control}", "advertised.listeners": told,
            "listener.security.protocol.map":
                f"CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,OUTER:{protocol}",
            "controller.listener.names": "CONTROLLER", "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": str(root / "data"), "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": "1", "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1", "transaction.state.log.num.partitions": "4",
            "log.retention.check.interval.ms": "500", "log.initial.task.delay.ms": "500",
            "log.cleaner.backoff.ms": "500", "file.delete.delay.ms": "100", **settings,
        }
        (root / "server.properties").write_text(
            "".join(f"{name}={value}\n" for name, value in known.items()))

    def _java(self, *words: str) -> list[str]:
        return [JAVA, "-Xmx512m", "-cp", f"{jars()}/*", *words]

    def format(self, *words: str) -> None:
        """Make its folder; `words` may name users of SCRAM."""
        ident = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
        subprocess.run(
            self._java("kafka.tools.StorageTool", "format", "-t", ident,
                       "-c", str(self.root / "server.properties"), *words),
            check=True, capture_output=True, timeout=120,
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self.root / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self._java("kafka.Kafka", str(self.root / "server.properties")),
                stdout=log, stderr=log,
            )
        until = time.monotonic() + 90
        while True:
            try:
                self.admin.list_topics(timeout=2)
                return
            except Exception:  # noqa: BLE001 - it is not there yet
                assert self.process.poll() is None, (self.root / "log").read_text()[-3000:]
                assert time.monotonic() < until, (self.root / "log").read_text()[-3000:]

    def end(self, how: int = signal.SIGKILL) -> None:
        self.process.send_signal(how)
        self.process.wait(60)

    def __enter__(self) -> Apache:
        if not (self.root / "data").exists():
            self.format()
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.end()

    # --- what administrators do

    @cached_property
    def admin(self) -> Any:
        """An administrator's client, kept: its answers end with it."""
        from confluent_kafka.admin import AdminClient

        return AdminClient({"bootstrap.servers": self.inner, "log_level": 0})

    def make(self, topic: str, partitions: int = 1, **config: str) -> None:
        from confluent_kafka.admin import NewTopic

        named = {name.replace("_", "."): value for name, value in config.items()}
        made = NewTopic(topic, partitions, 1, config=named)
        until = time.monotonic() + 20
        while True:  # a topic of the same name may still be on its way out
            try:
                self.admin.create_topics([made])[topic].result(30)
                return
            except Exception:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def delete(self, topic: str) -> None:
        self.admin.delete_topics([topic])[topic].result(30)

    def widen(self, topic: str, partitions: int) -> None:
        from confluent_kafka.admin import NewPartitions

        self.admin.create_partitions([NewPartitions(topic, partitions)])[topic].result(30)

    def low(self, topic: str, partition: int = 0) -> int:
        """The first offset that is left."""
        from confluent_kafka import TopicPartition
        from confluent_kafka.admin import OffsetSpec

        place = TopicPartition(topic, partition)
        found = self.admin.list_offsets({place: OffsetSpec.earliest()})
        return int(next(iter(found.values())).result(30).offset)

    def allow(self, user: str, words: str) -> None:
        """What a line of `kafka-acls.sh --add` in the documentation allows."""
        from confluent_kafka.admin import (
            AclBinding,
            AclOperation,
            AclPermissionType,
            ResourcePatternType,
            ResourceType,
        )

        [(kind, name)] = re.findall(r"--(topic|group) (\S+)", words)
        bindings = [
            AclBinding(
                ResourceType[kind.upper()], name, ResourcePatternType.LITERAL, f"User:{user}", "*",
                AclOperation[re.sub(r"(?<=.)([A-Z])", r"_\1", operation).upper()],
                AclPermissionType.ALLOW,
            )
            for operation in re.findall(r"--operation (\w+)", words)
        ]
        for answer in self.admin.create_acls(bindings).values():
            answer.result(30)
