"""The options of a source whose messages are read from NATS JetStream, and how one logs in."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from types import ModuleType
from typing import Final

import msgspec

from indelible.base.errors import BadRequest
from indelible.base.limits import NATS_SERVERS, NATS_SUBJECTS
from indelible.ingest.extras import libraries
from indelible.ingest.protocols.brokers import elsewhere, first_host

OPTIONS: Final = (
    "servers", "stream", "subjects", "start", "consumer", "domain", "inbox", "tls", "ca",
    "certificate", "key", "login", "user",
)
NEEDS: Final = ("servers", "stream")
LOGINS: Final = ("password", "token", "nkey", "credentials")

_SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}")
_NAME = re.compile(r"[^\s.*>/\\]{1,255}")
_TOKEN = re.compile(r"[^\s.*>]+")
_JWT = re.compile(r"-BEGIN NATS USER JWT-+\s+([A-Za-z0-9._=-]+)\s")
_SEED = re.compile(r"-BEGIN USER NKEY SEED-+\s+([A-Z2-7]+)\s")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a source, read.

    `subjects` empty: all of the stream. `start`: where a stream is begun that was never read,
    `earliest` or `latest`. `consumer` empty: one of our own making reads from the position that is
    kept here; else the durable one of that name. `tls` is `on`, `off` or `first` (before the server
    says anything). `ca`, `certificate` and `key` are paths of PEM files. `login` is how the secret
    is used, '' for none.
    """

    servers: tuple[str, ...]
    stream: str
    subjects: tuple[str, ...] = ()
    start: str = "earliest"
    consumer: str = ""
    domain: str = ""
    inbox: str = "_INBOX"
    tls: str = "off"
    ca: str = ""
    certificate: str = ""
    key: str = ""
    login: str = ""
    user: str = ""

    @property
    def host(self) -> str:
        """The first server's host."""
        return first_host(self.servers)

    @property
    def remote(self) -> bool:
        """Whether a server is on another machine."""
        return elsewhere(self.servers)

    @property
    def api(self) -> str:
        """What the subjects of JetStream's API begin with."""
        return f"$JS.{self.domain}.API" if self.domain else "$JS.API"


class Login(msgspec.Struct, frozen=True):
    """What a login needs; each part '' where it does not. Nothing of it is ever logged."""

    password: str = ""
    token: str = ""
    seed: str = ""
    public: str = ""
    jwt: str = ""


def check_options(given: Mapping[str, str]) -> None:
    """Raise `BadRequest` when these options cannot work."""
    options_of(given)


def options_of(given: Mapping[str, str]) -> Options:
    """The options as they were configured; raises `BadRequest` that names one and the remedy."""
    said = {name: value for name, value in given.items() if value}
    for name in NEEDS:
        if name not in said:
            raise BadRequest(f"nats needs the option {name!r}", field=name)
    servers = _listed(said["servers"])
    for one in servers:
        if not _SERVER.fullmatch(one):
            raise BadRequest(
                f"servers are HOST:PORT, with commas between them, not {one!r}", field="servers",
                remedy="A user or a token does not stand there: name the user, and give the secret"
                " in a file.",
            )
    if len(servers) > NATS_SERVERS:
        raise BadRequest(f"at most {NATS_SERVERS} servers for one source", field="servers")
    for name in ("stream", "consumer", "domain"):
        if name in said and not _NAME.fullmatch(said[name]):
            raise BadRequest(f"{said[name]!r} is not the name of a {name}", field=name)
    subjects = _listed(said["subjects"]) if "subjects" in said else ()
    for one in subjects:
        if not _is_subject(one):
            raise BadRequest(f"{one!r} is not a subject", field="subjects")
    if len(subjects) > NATS_SUBJECTS:
        raise BadRequest(f"at most {NATS_SUBJECTS} subjects for one source", field="subjects")
    if not all(_TOKEN.fullmatch(one) for one in said.get("inbox", "_INBOX").split(".")):
        raise BadRequest("inbox is a subject without wildcards", field="inbox")
    _one_of(said, "start", ("earliest", "latest"))
    _one_of(said, "tls", ("on", "off", "first"))
    if "user" in said:
        said.setdefault("login", "password")
    _one_of(said, "login", LOGINS)
    _secure(said)
    return Options(servers=servers, subjects=subjects, **{
        name: said[name] for name in said if name not in ("servers", "subjects")})


def _listed(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys([one.strip() for one in text.split(",")]))


def _one_of(said: Mapping[str, str], name: str, values: tuple[str, ...]) -> None:
    if name in said and said[name] not in values:
        raise BadRequest(f"{name} is {', '.join(values)}, not {said[name]!r}", field=name)


def _is_subject(text: str) -> bool:
    *before, last = text.split(".")
    return all(one == "*" or _TOKEN.fullmatch(one) for one in before) and (
        last in ("*", ">") or _TOKEN.fullmatch(last) is not None)


def _secure(said: Mapping[str, str]) -> None:
    """Whether what is said of TLS and of the login goes together."""
    for name in ("ca", "certificate", "key"):
        if name not in said:
            continue
        if said.get("tls", "off") == "off":
            raise BadRequest(f"{name} goes with tls=on", field=name)
        if not said[name].startswith("/"):
            raise BadRequest(f"{name} is the absolute path of a file", field=name)
    if ("certificate" in said) != ("key" in said):
        raise BadRequest("certificate and key go together", field="certificate")
    if (said.get("login") == "password") != ("user" in said):
        raise BadRequest("user goes with login=password, and only with that", field="user")


def driver() -> ModuleType:
    """nkeys; raises `BadRequest` with the remedy where it or nats-py is not installed."""
    _, nkeys = libraries("messages of NATS are", "nats", "nats-py[nkeys]", "nats", "nkeys")
    return nkeys


def login_of(options: Options, secret: bytes) -> Login:
    """The secret as what it is; raises `BadRequest` where it is not what `login` says."""
    try:
        text = secret.decode().strip()
    except UnicodeDecodeError as error:
        raise BadRequest("the secret is not text", field="secret") from error
    if not options.login:
        return Login()
    if not text:
        raise BadRequest(
            f"login={options.login} needs its secret", field="secret",
            remedy="Write it into a file, and name that with --secret-file.",
        )
    if options.login == "password":
        return Login(password=text)
    if options.login == "token":
        return Login(token=text)
    if options.login == "nkey":
        return Login(seed=text, public=_public(text))
    jwt, seed = _JWT.search(text + "\n"), _SEED.search(text + "\n")
    if jwt is None or seed is None:
        raise BadRequest(
            "the secret is no credentials file: it has no user JWT or no seed", field="secret",
            remedy="Give the whole file as `nsc generate creds` writes it.",
        )
    return Login(seed=seed[1], public=_public(seed[1]), jwt=jwt[1])


def _public(seed: str) -> str:
    """The public key of a seed; raises `BadRequest` where it is none."""
    nkeys = driver()
    try:
        pair = nkeys.from_seed(bytearray(seed.encode()))
        public: str = bytes(pair.public_key).decode()
        pair.wipe()
    except Exception as error:  # nkeys and what it is made of raise what they like
        raise BadRequest(
            "the seed in the secret is no nkey's", field="secret",
            remedy="It begins with SU and has 58 characters.",
        ) from error
    return public


def context_of(options: Options, secret: bytes) -> ssl.SSLContext | None:
    """TLS as configured, None for none; raises `BadRequest` for files that cannot be used.

    Where there is no login, the secret is the password of an encrypted key.
    """
    if options.tls == "off":
        return None
    try:
        made = ssl.create_default_context(cafile=options.ca or None)
        if options.certificate:
            password = "" if options.login else secret.decode().strip()
            made.load_cert_chain(options.certificate, options.key, password)
    except (OSError, ValueError) as error:  # ssl's own are OSErrors
        raise BadRequest(
            f"TLS cannot be had with these files: {error}", field="ca",
            remedy="Look at the files named by ca, certificate and key, and at the secret.",
        ) from error
    return made
