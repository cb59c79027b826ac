"""What is configured of a source of objects: its options and its login, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from indelible.base.clock import MICROS, parse_duration, parse_rfc3339
from indelible.base.errors import BadRequest, IndelibleError
from indelible.base.limits import S3_DAYS, S3_DAYS_MOST, S3_SECONDS, S3_SECONDS_LEAST

OPTIONS: Final = (
    "bucket", "prefix", "region", "endpoint", "queue", "role", "external_id", "every", "since",
    "days", "keys", "digests",
)
NEEDS: Final = ("bucket",)

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_REGION = re.compile(r"[a-z0-9-]{2,64}")
_ADDRESS = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a source, read. Times are microseconds and seconds.

    `queue` empty: the bucket is listed `every` so many seconds. `since_us`: objects written before
    are left alone; None where nothing was said, 0 for all there are. `keys` is a file of public
    keys for digests, which are passed over where `digests` is False.
    """

    bucket: str
    prefix: str = ""
    region: str = ""
    endpoint: str = ""
    queue: str = ""
    role: str = ""
    external_id: str = ""
    every: float = S3_SECONDS
    since_us: int | None = None
    days: int = S3_DAYS
    keys: str = ""
    digests: bool = True


class Login(msgspec.Struct, frozen=True):
    """An access key; without one the SDK finds its own (instance role, environment, profile)."""

    access_key_id: str
    secret_access_key: str
    session_token: str = ""


_login = msgspec.json.Decoder(Login)


def options_of(given: Mapping[str, str]) -> Options:
    """The options as they were configured; raises `BadRequest` that names one and the remedy."""
    said = {name: value for name, value in given.items() if value}
    for name in NEEDS:
        if name not in said:
            raise BadRequest(f"s3 needs the option {name!r}", field=name)
    _matching(said, "bucket", _BUCKET, "the name of a bucket, not its address or ARN")
    _matching(said, "region", _REGION, "a region such as eu-central-1")
    _matching(said, "endpoint", _ADDRESS, "an address such as https://s3.example.org")
    _matching(said, "queue", _ADDRESS,
              "the URL of a queue, such as https://sqs.eu-central-1.amazonaws.com/111122223333/q")
    _matching(said, "role", _ROLE, "the ARN of a role, arn:aws:iam::111122223333:role/NAME")
    if said.get("prefix", "").startswith("/"):
        raise BadRequest("keys of objects do not begin with /", field="prefix")
    if "keys" in said and not said["keys"].startswith("/"):
        raise BadRequest("keys is the absolute path of a file", field="keys")
    if "external_id" in said and "role" not in said:
        raise BadRequest("external_id goes with role", field="external_id")
    if said.get("digests", "verify") not in ("verify", "ignore"):
        raise BadRequest("digests is verify or ignore", field="digests")
    plain = ("bucket", "prefix", "region", "endpoint", "queue", "role", "external_id", "keys")
    return Options(
        **{name: said.get(name, "") for name in plain},
        every=_every(said.get("every", "")),
        since_us=_since(said.get("since", "")),
        days=_days(said.get("days", "")),
        digests=said.get("digests", "verify") == "verify",
    )


def check_options(given: Mapping[str, str]) -> None:
    """Raise `BadRequest` when these options cannot work."""
    options_of(given)


def login_of(secret: bytes) -> Login | None:
    """The access key in a source's secret: `ID:SECRET`, or JSON with the members of `Login`.

    Raises `BadRequest`, without anything of the secret, when it is neither.
    """
    text = secret.strip()
    if not text:
        return None
    try:
        if text.startswith(b"{"):
            return _login.decode(text)
        ident, colon, key = text.decode("ascii").partition(":")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        ident, colon, key = "", "", ""
    if not colon or not ident or not key or re.search(r"\s", ident + key):
        raise BadRequest(
            "the secret is not an access key", field="secret",
            remedy="Write ACCESS_KEY_ID:SECRET_ACCESS_KEY into the file, or JSON with"
            ' "access_key_id" and "secret_access_key".',
        )
    return Login(ident, key)


def _matching(said: Mapping[str, str], name: str, form: re.Pattern[str], what: str) -> None:
    if name in said and not form.fullmatch(said[name]):
        raise BadRequest(f"{name} is {what}, not {said[name]!r}", field=name)


def _every(text: str) -> float:
    if not text:
        return S3_SECONDS
    try:
        seconds = parse_duration(text) / MICROS
    except IndelibleError as error:
        raise BadRequest(error.message, field="every", remedy=error.remedy) from error
    if not S3_SECONDS_LEAST <= seconds <= 86_400:
        raise BadRequest(f"every is {S3_SECONDS_LEAST}s to 1d", field="every")
    return seconds


def _since(text: str) -> int | None:
    if not text:
        return None
    if text == "all":
        return 0
    try:
        return parse_rfc3339(f"{text}T00:00:00Z" if _DAY.fullmatch(text) else text)
    except (IndelibleError, ValueError) as error:
        raise BadRequest(
            f"since is a day such as 2026-01-31, a time, or all, not {text!r}", field="since"
        ) from error


def _days(text: str) -> int:
    if not text:
        return S3_DAYS
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= S3_DAYS_MOST:
        raise BadRequest(f"days is 1 to {S3_DAYS_MOST}", field="days")
    return int(text)
