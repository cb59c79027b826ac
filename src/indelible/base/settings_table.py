"""Every setting in one table: the fields of `Settings`, each with its help, unit and reason.

`docs/reference/settings.md` is checked against this table; `base.settings` says where values come
from.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple, NewType, get_args, get_origin, get_type_hints

import msgspec

LOG_LEVELS = ("debug", "info", "warning", "error")

Seconds = NewType("Seconds", int)
Address = NewType("Address", str)
"""`HOST:PORT`, or `[HOST]:PORT` for IPv6; port 0 takes any free one."""


class About(NamedTuple):
    """What a person should know of one setting."""

    help: str
    reason: str
    unit: str = ""
    low: int | None = None
    high: int | None = None
    one_of: tuple[str, ...] = ()


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one ledger, complete and checked. Durations are seconds."""

    origin: Annotated[
        str,
        About(
            "the log's name for ever: 1 to 255 bytes, no white space, no control character, no `+`",
            "it stands in every checkpoint and in the name of every key; `init` sets it",
        ),
    ]
    keys: Annotated[
        Path,
        About(
            "folder of the keyring; default `$XDG_DATA_HOME/indelible/keys/ORIGIN`",
            "outside the data folder, so that a copy of the data alone opens nothing",
        ),
    ]
    state: Annotated[
        Path,
        About(
            "folder of the register; default `$XDG_STATE_HOME/indelible/ORIGIN`",
            "outside the data folder, so that an older copy of the data is recognised",
        ),
    ]
    host: Annotated[
        str,
        About("address to listen on", "the loopback: reaching it from elsewhere is a decision"),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        About(
            "TCP port to listen on; 0 takes any free one",
            "one that nothing common listens on", low=0, high=65_535,
        ),
    ] = 8440
    publish: Annotated[
        bool,
        About(
            "serve `/checkpoint` and `/tile/...` to everybody, without a token",
            "the log holds no event, but it shows how busy the sources are",
        ),
    ] = False
    tls_cert: Annotated[
        Path | None,
        About("certificate chain, PEM", "with `tls_key` the server speaks TLS only"),
    ] = None
    tls_key: Annotated[
        Path | None, About("private key of the certificate, PEM", "belongs to `tls_cert`")
    ] = None
    tls_client_ca: Annotated[
        Path | None,
        About(
            "authorities whose client certificates are required, PEM",
            "off: a bearer token is enough",
        ),
    ] = None
    tls_client_optional: Annotated[
        bool,
        About(
            "let clients of `port` in without a certificate, too",
            "off: with `tls_client_ca` a connection without one is refused; a token is needed "
            "either way, unless a source names the certificate",
        ),
    ] = False
    insecure_plaintext: Annotated[
        bool,
        About(
            "allow listening beyond the loopback without TLS",
            "only behind a proxy that speaks TLS: tokens and events would cross the wire in clear",
        ),
    ] = False
    trusted_proxies: Annotated[
        tuple[str, ...],
        About(
            "addresses or blocks whose forwarded-for header counts",
            "anybody can write such a header; none is believed by default",
        ),
    ] = ()
    syslog_udp: Annotated[
        Address | None,
        About(
            "address to take syslog datagrams at, `HOST:PORT`; off without",
            "a datagram that is lost on the way is lost without a trace: TCP or RELP where you can",
        ),
    ] = None
    syslog_tcp: Annotated[
        Address | None,
        About("address to take syslog over TCP at; off without", "senders are known by address"),
    ] = None
    syslog_tls: Annotated[
        Address | None,
        About(
            "address to take syslog over TLS at; off without",
            "uses `tls_cert`; with `tls_client_ca` senders are known by certificate",
        ),
    ] = None
    relp: Annotated[
        Address | None,
        About("address to take RELP at; off without", "each message is answered when durable"),
    ] = None
    relp_tls: Annotated[
        Address | None,
        About("address to take RELP over TLS at; off without", "uses `tls_cert` as `syslog_tls`"),
    ] = None
    otlp_grpc: Annotated[
        Address | None,
        About(
            "address to take OpenTelemetry's logs over gRPC at; off without",
            "4317 by convention; speaks TLS when `tls_cert` is set, and beyond the loopback it has "
            "to, as `port`",
        ),
    ] = None
    follow_paths: Annotated[
        tuple[str, ...],
        About(
            "folders whose files a source may follow, absolute; none without",
            "an administrator of sources is not thereby a reader of every file of the machine",
        ),
    ] = ()
    query_workers: Annotated[
        int,
        About("processes that answer searches", "one search at a time leaves a core to ingest",
              "processes", 1, 64),
    ] = 1
    query_threads: Annotated[
        int,
        About("threads of one query process", "two keep the floors of docs/benchmarks.md",
              "threads", 1, 256),
    ] = 2
    query_memory_mb: Annotated[
        int,
        About(
            "memory of one query process's engine; a search that needs more is refused",
            "all processes together stay under 2 GB by default; nothing is spilled to disk",
            "MiB", 128, 1_048_576,
        ),
    ] = 512
    seal_age: Annotated[
        Seconds,
        About("age at which a journal is sealed even if it is not full",
              "a journal compresses nothing; a day bounds what waits", "duration", 60, 30 * 86400),
    ] = Seconds(24 * 3600)
    verify_every: Annotated[
        Seconds,
        About(
            "beat on which all evidence is verified without being asked",
            "damage is found while its backup still exists",
            "duration", 3600, 400 * 86400,
        ),
    ] = Seconds(7 * 86400)
    witness_every: Annotated[
        Seconds,
        About("beat on which each configured witness is asked to cosign",
              "what no witness has cosigned can be cut off unseen by a holder of the keys",
              "duration", 1, 86400),
    ] = Seconds(10)
    log_level: Annotated[
        str,
        About("how much the server says on stderr", "one line for each thing to know",
              one_of=LOG_LEVELS),
    ] = "info"


class Setting(NamedTuple):
    """One row of the table as documentation and `indelible serve --help` show it."""

    name: str
    type: str
    default: object
    about: About
    hint: object


_TYPE_NAMES: dict[object, str] = {
    str: "text", int: "integer", bool: "boolean", Path: "path", Path | None: "path",
    tuple[str, ...]: "list of texts", Seconds: "duration", Address | None: "address",
}


def _table() -> dict[str, Setting]:
    rows = {}
    hints = get_type_hints(Settings, include_extras=True)
    for field in msgspec.structs.fields(Settings):
        hint = hints[field.name]
        assert get_origin(hint) is Annotated
        kind, about = get_args(hint)
        default = None if field.default is msgspec.NODEFAULT else field.default
        rows[field.name] = Setting(field.name, _TYPE_NAMES[kind], default, about, kind)
    return rows


SETTINGS: dict[str, Setting] = _table()
