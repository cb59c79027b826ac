"""boto3, and one source's login through it: blocking, used in threads.

boto3 does all of it. It is needed for queues anyway, and it alone finds credentials in every way
that people have them (instance and container roles, web identity, profiles, assumed roles); one
library means one login and one place for endpoints and proxies. It comes with the extra `s3` and is
imported when a source is begun. It has no types of its own: what is used of it stands at the end of
this file, and answers are taken through structs.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol, TypeVar, cast

import msgspec

from indelible.base.clock import MICROS, monotonic, to_us, wall_us
from indelible.base.errors import Unreachable
from indelible.base.limits import (
    S3_AT_ONCE,
    S3_CONNECT_SECONDS,
    S3_KEY_PAGES,
    S3_READ_SECONDS,
    S3_ROLE_EARLY_SECONDS,
    S3_ROLE_SECONDS,
    S3_TRIES,
)
from indelible.ingest.extras import libraries
from indelible.ingest.protocols.s3_options import Login, Options
from indelible.ingest.protocols.s3_store import KeyRows, Readable

_Answer = TypeVar("_Answer")


class Account:
    """The clients of one source, with one login; made anew when an assumed role runs out."""

    def __init__(self, options: Options, login: Login | None) -> None:
        self._options, self._login = options, login
        self._boto, self._core, self._errors = _libraries()
        self._lock = threading.Lock()
        self._until = 0.0
        self._session: object = None
        self._clients: dict[tuple[str, str, str], object] = {}

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """What boto3 raises: its own errors, and those of what it is handed (an address)."""
        errors = self._errors
        return (errors.BotoCoreError, errors.ClientError, OSError, ValueError)

    def client(self, service: str, region: str = "", endpoint: str = "") -> object:
        """A client, the same one as long as its credentials are good."""
        key = (service, region, endpoint)
        with self._lock:  # making one is nothing that two threads may do at once
            if self._session is None or (self._options.role and monotonic() >= self._until):
                self._clients.clear()
                self._session = self._begun()
            if key not in self._clients:
                self._clients[key] = self._made(self._session, service, region, endpoint)
            return self._clients[key]

    def _made(self, session: object, service: str, region: str, endpoint: str) -> object:
        config = self._core.config.Config(
            connect_timeout=S3_CONNECT_SECONDS, read_timeout=S3_READ_SECONDS,
            max_pool_connections=2 * S3_AT_ONCE,
            retries={"mode": "standard", "total_max_attempts": S3_TRIES},
            s3={"addressing_style": "path"} if endpoint else None,
        )
        make = cast(_Session, session).client
        return make(service, region_name=region or None, endpoint_url=endpoint or None,
                    config=config)

    def _begun(self) -> object:
        login, region = self._login, self._options.region or None
        given = {} if login is None else {
            "aws_access_key_id": login.access_key_id,
            "aws_secret_access_key": login.secret_access_key,
            "aws_session_token": login.session_token or None,
        }
        session = self._boto.session.Session(region_name=region, **given)
        if not self._options.role:
            return session
        external = {"ExternalId": self._options.external_id} if self._options.external_id else {}
        answer = cast(Client, self._made(session, "sts", self._options.region, "")).assume_role(
            RoleArn=self._options.role, RoleSessionName="indelible",
            DurationSeconds=S3_ROLE_SECONDS, **external,
        )
        lent = taken(answer, _Lent).Credentials
        left = (to_us(lent.Expiration) - wall_us()) / MICROS
        self._until = monotonic() + left - S3_ROLE_EARLY_SECONDS
        return self._boto.session.Session(
            region_name=region, aws_access_key_id=lent.AccessKeyId,
            aws_secret_access_key=lent.SecretAccessKey, aws_session_token=lent.SessionToken,
        )

    def public_keys(self, region: str, begin_us: int, end_us: int) -> KeyRows:
        """The keys with which CloudTrail signed in `region` in that time.

        `cloudtrail:ListPublicKeys`; raises `Unreachable` when it is not answered.
        """
        try:
            client = cast(Client, self.client("cloudtrail", region))
            found: KeyRows = []
            token: dict[str, str] = {}
            for _ in range(S3_KEY_PAGES):
                answer = taken(
                    client.list_public_keys(
                        StartTime=_moment(begin_us), EndTime=_moment(end_us), **token
                    ),
                    _PublicKeys,
                )
                found += [(one.Fingerprint, one.Value) for one in answer.PublicKeyList]
                if not answer.NextToken or answer.NextToken == token.get("NextToken"):
                    return found
                token = {"NextToken": answer.NextToken}
            raise Unreachable(f"CloudTrail's public keys have more than {S3_KEY_PAGES} pages")
        except self.failures as error:
            raise Unreachable(f"CloudTrail's public keys cannot be asked for: {error}") from error


def code_of(error: Exception) -> str:
    """The store's own word for what is wrong, or '' where it was not even asked."""
    answer: object = getattr(error, "response", None)
    try:
        return msgspec.convert(answer, _Refusal).Error.Code
    except msgspec.ValidationError:
        return ""


def trouble(what: str, error: Exception) -> Unreachable:
    """What boto3 raised, as an error that says what to look at."""
    remedy = "Look at the bucket's or the queue's permissions, the region and the login." if (
        code_of(error)) else "Look at the network and at the login; it is tried again."
    return Unreachable(f"{what}: {error}", remedy=remedy)


def taken(answer: object, form: type[_Answer]) -> _Answer:
    """An answer as `form`; raises `Unreachable` when it is no such thing."""
    try:
        return msgspec.convert(answer, form)
    except msgspec.ValidationError as error:
        raise Unreachable(f"the store answers what its API does not say: {error}") from error


def _libraries() -> tuple[_Boto, _Core, _Errors]:
    boto, core, _, errors = libraries(
        "objects in a bucket are", "s3", "boto3", "boto3", "botocore", "botocore.config",
        "botocore.exceptions",
    )
    return cast(_Boto, boto), cast(_Core, core), cast(_Errors, errors)


def _moment(us: int) -> datetime:
    return datetime.fromtimestamp(us // MICROS, UTC)


# --- what is used of boto3


class Stream(Readable, Protocol):
    """The body of an answer."""

    def close(self) -> None: ...


class Client(Protocol):
    """The calls that are made."""

    def list_objects_v2(self, **asked: str) -> Mapping[str, object]: ...
    def get_object(self, **asked: str) -> Mapping[str, object]: ...
    def assume_role(self, **asked: str | int) -> Mapping[str, object]: ...
    def list_public_keys(self, **asked: datetime | str) -> Mapping[str, object]: ...


class _Session(Protocol):
    def client(
        self, service: str, *, region_name: str | None, endpoint_url: str | None, config: object
    ) -> object: ...


class _Sessions(Protocol):
    def Session(self, **said: str | None) -> _Session: ...  # boto3's name


class _Boto(Protocol):
    session: _Sessions


class _Configs(Protocol):
    def Config(self, **said: object) -> object: ...  # botocore's name


class _Core(Protocol):
    config: _Configs


class _Errors(Protocol):
    BotoCoreError: type[Exception]
    ClientError: type[Exception]


class _Credentials(msgspec.Struct):
    AccessKeyId: str
    SecretAccessKey: str
    SessionToken: str
    Expiration: datetime


class _Lent(msgspec.Struct):
    Credentials: _Credentials


class _PublicKey(msgspec.Struct):
    Value: bytes
    Fingerprint: str


class _PublicKeys(msgspec.Struct):
    PublicKeyList: list[_PublicKey] = []
    NextToken: str = ""


class _Fault(msgspec.Struct):
    Code: str = ""


class _Refusal(msgspec.Struct):
    Error: _Fault
