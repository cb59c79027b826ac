"""The register of sources: who may send what, in which way, and how it is read.

`SourceSettings` is what an administrator says of a source; the ledger numbers sources by itself
(`store.meta`). A protocol's listener asks the register which source a sender is: by the name in
its client certificate, or by its address; over HTTP by its token. `checked` holds settings to the
rules of their protocol, so that a mistake is told when it is made and not when an event is lost.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from types import MappingProxyType
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from indelible.base.errors import BadRequest
from indelible.base.limits import NAME_CHARS, PATH_CHARS, PEERS, SILENCE_MOST_SECONDS
from indelible.ingest.parsers.contract import Network
from indelible.ingest.parsers.table import AUTO, parser_named
from indelible.ingest.protocols import (
    files,
    kafka_settings,
    nats_settings,
    postgres_capture_settings,
    pull_description,
    s3_options,
    webhook,
)

CRITICALITIES: Final = ("low", "medium", "high", "critical")
LOOPBACK: Final = ("127.0.0.0/8", "::1/128")


class Protocol(NamedTuple):
    """A way in: how its senders are known, and which settings it takes."""

    about: str
    by: str  # token | peer | secret | none: how a sender proves which source it is
    takes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


PROTOCOLS: Final = MappingProxyType(
    {
        "native": Protocol("POST /v1/events and /v1/import", "token"),
        "syslog": Protocol(
            "syslog over UDP, TCP and TLS (RFC 5424, RFC 3164)", "peer", ("peers", "certificates")
        ),
        "relp": Protocol("RELP, answered per message", "peer", ("peers", "certificates")),
        "otlp": Protocol("OpenTelemetry logs over HTTP, POST /v1/logs", "token"),
        "elasticsearch": Protocol("Elasticsearch's bulk API, POST /_bulk", "token"),
        "hec": Protocol("Splunk's HTTP Event Collector, /services/collector", "token"),
        "loki": Protocol("Loki's push API in JSON, POST /loki/api/v1/push", "token"),
        "webhook": Protocol(
            "signed webhooks, POST /v1/webhooks/NAME", "secret", webhook.OPTIONS, ("verify",)
        ),
        "kubernetes": Protocol(
            "the audit webhook of kube-apiserver, POST /v1/kubernetes/audit", "token"
        ),
        "journald": Protocol(
            "systemd-journal-upload, POST /upload", "token", ("certificates",)
        ),
        "file": Protocol(
            "files that are followed, also through rotation", "none", files.OPTIONS, ("path",)
        ),
        "pull": Protocol(
            "an HTTP API that is asked for events", "secret", pull_description.OPTIONS, ("vendor",)
        ),
        "postgres": Protocol(
            "changes of a PostgreSQL database, row by row, from a logical replication slot", "none",
            postgres_capture_settings.OPTIONS, postgres_capture_settings.NEEDS,
        ),
        "s3": Protocol(
            "objects in an S3 bucket, found by listing or told by an SQS queue", "none",
            s3_options.OPTIONS, s3_options.NEEDS,
        ),
        "kafka": Protocol(
            "records of Kafka's topics, from the last durable one on", "none",
            kafka_settings.OPTIONS, kafka_settings.NEEDS,
        ),
        "nats": Protocol(
            "messages of a stream of NATS JetStream, from the last durable one on", "none",
            nats_settings.OPTIONS, nats_settings.NEEDS,
        ),
    }
)
"""Every protocol a source can have."""


class SourceSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known and configured of one source.

    `silence` is how many seconds without an event are remarkable, 0 where that is learned.
    `peers` are the networks, `certificates` the names in client certificates from which its events
    may come. `options` are those of its protocol.
    """

    id: str
    tenant: str = ""
    protocol: str = "native"
    parser: str = AUTO.name
    zone: str = "UTC"
    peers: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    options: dict[str, str] = {}
    owner: str = ""
    criticality: str = ""
    about: str = ""
    silence: int = 0
    disabled: bool = False

    @property
    def networks(self) -> tuple[Network, ...]:
        """`peers` as networks; the loopback where a protocol that needs them names none."""
        named = self.peers or (() if self.certificates else LOOPBACK)
        return tuple(ipaddress.ip_network(one, strict=False) for one in named)


def checked(asked: SourceSettings) -> SourceSettings:
    """`asked` when it can work; raises `BadRequest` that names the member and the remedy."""
    _names(asked)
    protocol = PROTOCOLS.get(asked.protocol)
    if protocol is None:
        raise BadRequest(
            f"there is no protocol {asked.protocol!r}; there are {', '.join(PROTOCOLS)}",
            field="protocol",
        )
    if asked.parser != "native":
        parser_named(asked.parser)
    elif asked.protocol != "native":
        raise BadRequest("native events come over the protocol native only", field="parser")
    zone_of(asked.zone)
    if asked.criticality and asked.criticality not in CRITICALITIES:
        raise BadRequest(f"criticality is {', '.join(CRITICALITIES)}", field="criticality")
    if not 0 <= asked.silence <= SILENCE_MOST_SECONDS:
        raise BadRequest(f"silence is at most {SILENCE_MOST_SECONDS} seconds", field="silence")
    _senders(asked, protocol)
    given = {name for name, value in asked.options.items() if value}
    for name in sorted(given - set(protocol.takes)):
        takes = f"it takes {', '.join(protocol.takes)}" if protocol.takes else "nor any other"
        raise BadRequest(f"{asked.protocol} takes no option {name!r}; {takes}", field=name)
    for name in protocol.needs:
        if name not in given:
            raise BadRequest(f"{asked.protocol} needs the option {name!r}", field=name)
    if asked.protocol == "journald" and asked.parser not in ("auto", "journald"):
        raise BadRequest(
            "entries of the journal are read by the parser journald, and what is in them by the "
            "one that recognises it", field="parser", remedy="Leave --parser out.",
        )
    if asked.protocol == "webhook":
        webhook.check_options(asked.options)
    if asked.protocol == "file":
        files.check_options(asked.options)
    if asked.protocol == "pull":
        pull_description.resolved(asked.options)
    if asked.protocol == "postgres":
        postgres_capture_settings.check_options(asked.options)
    if asked.protocol == "s3":
        s3_options.check_options(asked.options)
    if asked.protocol == "kafka":
        kafka_settings.check_options(asked.options)
    if asked.protocol == "nats":
        nats_settings.check_options(asked.options)
    return asked


def zone_of(name: str) -> ZoneInfo:
    """A time zone of the IANA database; raises `BadRequest` when there is none of that name."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise BadRequest(
            f"{name!r} is not a time zone", field="zone",
            remedy="Give a name of the IANA database, such as Europe/Berlin.",
        ) from error


def _names(asked: SourceSettings) -> None:
    texts = {
        "id": asked.id, "tenant": asked.tenant, "owner": asked.owner, "about": asked.about,
        **{f"certificates[{n}]": one for n, one in enumerate(asked.certificates)},
    }
    for field, text in texts.items():
        if len(text) > NAME_CHARS or (text and not text.isprintable()) or text != text.strip():
            raise BadRequest(f"{field} has at most {NAME_CHARS} printable characters", field=field)
    if not asked.id:
        raise BadRequest("a source needs a name", field="id")
    for name, value in asked.options.items():
        if len(value) > PATH_CHARS or not value.isprintable():
            raise BadRequest(f"{name} has at most {PATH_CHARS} printable characters", field=name)


def _senders(asked: SourceSettings, protocol: Protocol) -> None:
    """Whether the senders are named in the way the protocol knows."""
    for name in ("peers", "certificates"):
        if getattr(asked, name) and name not in protocol.takes:
            raise BadRequest(
                f"senders over {asked.protocol} are not known by {name}", field=name,
                remedy="They are known by their token." if protocol.by == "token" else None,
            )
    if len(asked.peers) + len(asked.certificates) > PEERS:
        raise BadRequest(f"more than {PEERS} peers and certificates", field="peers")
    for one in asked.peers:
        try:
            ipaddress.ip_network(one, strict=False)
        except ValueError as error:
            raise BadRequest(f"{one!r} is not an address or a block", field="peers") from error


class Rival(NamedTuple):
    """Another source that has senders already: which of them, and the member that names them."""

    source: SourceSettings
    senders: tuple[str, ...]
    field: str


def rival(asked: SourceSettings, sources: Iterable[SourceSettings]) -> Rival | None:
    """An enabled source of the protocol, of any tenant, with a network or certificate of `asked`.

    Which source such a sender is would depend on the order of their names. A network within another
    one is none: there the narrower one counts.
    """
    if asked.disabled:
        return None
    takes = PROTOCOLS[asked.protocol].takes
    for one in sources:
        if one.disabled or one.protocol != asked.protocol or (
            (one.id, one.tenant) == (asked.id, asked.tenant)
        ):
            continue
        names = set(one.certificates)
        if both := tuple(name for name in asked.certificates if name in names):
            return Rival(one, both, "certificates")
        networks = set(one.networks) if "peers" in takes else set()
        if shared := tuple(str(net) for net in asked.networks if net in networks):
            return Rival(one, shared, "peers")
    return None


class Senders:
    """Which source a sender of one protocol is."""

    def __init__(self, protocol: str, sources: Iterable[SourceSettings]) -> None:
        mine = [one for one in sources if one.protocol == protocol and not one.disabled]
        self._certificates = {name: one for one in mine for name in one.certificates}
        self._networks = sorted(
            ((network, one) for one in mine for network in one.networks),
            key=lambda pair: -pair[0].prefixlen,
        )

    def of(self, peer: str, certificate: str = "") -> SourceSettings | None:
        """The source of a certificate's name, else of the narrowest network around `peer`."""
        named = self._certificates.get(certificate) if certificate else None
        if named is not None or not peer:
            return named
        address = ipaddress.ip_address(peer)
        for network, source in self._networks:
            if address.version == network.version and address in network:
                return source
        return None
