"""Signed webhooks: what is genuine, what is forged, what is late; signatures made here anew."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
from typing import Any

import pytest

from indelible.base import limits
from indelible.base.errors import BadRequest
from indelible.ingest.parsers.contract import Given
from indelible.ingest.protocols import webhook
from indelible.ingest.protocols.webhook_vendors import VENDORS, Delivery, Forged, Signed

NOW = 1_780_000_000
GIVEN = Given(now_us=NOW * 1_000_000)
BODY = b'{"action": "created",  "sender": {"login": "ann"}}'
SECRET = b"It's a Secret to Everybody"
KEY = base64.b64encode(bytes(range(24)))


def mac(key: bytes, text: bytes, algorithm: str = "sha256") -> bytes:
    return hmac.new(key, text, getattr(hashlib, algorithm)).digest()


def sign(vendor: str, body: bytes = BODY, secret: bytes = SECRET, now: int = NOW) -> dict[str, str]:
    """The headers with which a vendor sends a body, as its documentation has it."""
    stamp = str(now)
    if vendor == "github":
        return {"x-hub-signature-256": "sha256=" + mac(secret, body).hex(),
                "x-github-delivery": "d-1", "x-github-event": "member"}
    if vendor == "okta":
        return {"authorization": secret.decode()}
    if vendor == "slack":
        signed = b"v0:" + stamp.encode() + b":" + body
        return {"x-slack-request-timestamp": stamp,
                "x-slack-signature": "v0=" + mac(secret, signed).hex()}
    if vendor == "stripe":
        signed = stamp.encode() + b"." + body
        return {"stripe-signature": f"t={stamp},v0={'0' * 64},v1={mac(secret, signed).hex()}"}
    if vendor == "standard":
        key = base64.b64decode(secret.removeprefix(b"whsec_"))
        signed = b"msg_1." + stamp.encode() + b"." + body
        return {"webhook-id": "msg_1", "webhook-timestamp": stamp,
                "webhook-signature": "v1," + base64.b64encode(mac(key, signed)).decode()}
    signed = mac(secret, body, "sha512")
    return {"x-signature": "sig=" + base64.b64encode(signed).decode(), "x-id": "i-1",
            "x-event": "e"}


HMAC = {"verify": "hmac", "header": "X-Signature", "prefix": "sig=", "algorithm": "sha512",
        "encoding": "base64", "id_header": "X-Id", "event_header": "X-Event"}
ALL = ["github", "okta", "slack", "stripe", "standard", "hmac"]
TIMED = ["slack", "stripe", "standard"]


def options(vendor: str) -> dict[str, str]:
    return HMAC if vendor == "hmac" else {"verify": vendor}


def secret_of(vendor: str) -> bytes:
    return b"whsec_" + KEY if vendor == "standard" else SECRET


def verified(
    vendor: str, headers: dict[str, str], body: bytes = BODY, secret: bytes | None = None,
    now: int = NOW,
) -> Signed:
    secret = secret_of(vendor) if secret is None else secret
    return webhook.verified(Delivery(headers, body, now), secret, options(vendor))


# --- signatures


def test_every_vendor_is_tried() -> None:
    assert set(ALL) == set(VENDORS)


@pytest.mark.parametrize("vendor", ALL)
def test_a_genuine_delivery_is_taken(vendor: str) -> None:
    verified(vendor, sign(vendor, secret=secret_of(vendor)))


@pytest.mark.parametrize("vendor", [one for one in ALL if one != "okta"])
def test_a_body_changed_by_one_byte_is_forged(vendor: str) -> None:
    headers = sign(vendor, secret=secret_of(vendor))
    for body in (BODY + b" ", BODY[:-1], BODY.replace(b"ann", b"bob"), BODY.replace(b"  ", b" ")):
        with pytest.raises(Forged):
            verified(vendor, headers, body)


@pytest.mark.parametrize("vendor", ALL)
def test_another_secret_or_none_is_forged(vendor: str) -> None:
    other = b"whsec_" + base64.b64encode(b"x" * 24) if vendor == "standard" else b"other"
    for secret in (other, b"", b"\n \n"):
        with pytest.raises(Forged):
            verified(vendor, sign(vendor, secret=secret_of(vendor)), secret=secret)


@pytest.mark.parametrize("vendor", ALL)
def test_a_missing_or_broken_signature_is_forged(vendor: str) -> None:
    whole = sign(vendor, secret=secret_of(vendor))
    for name, value in whole.items():
        if name in ("x-github-delivery", "x-github-event", "x-id", "x-event"):
            continue
        for broken in ("", value[:-1], value + "0", value[1:], "\u00ff" * 9, "v1,", "=", "sha256="):
            with pytest.raises(Forged):
                verified(vendor, {**whole, name: broken})
    with pytest.raises(Forged):
        verified(vendor, {})


@pytest.mark.parametrize("vendor", ALL)
def test_while_a_secret_is_changed_the_old_and_the_new_one_count(vendor: str) -> None:
    old, new = secret_of(vendor), b"new"
    if vendor == "standard":
        new = b"whsec_" + base64.b64encode(b"n" * 24)
    for secret in (old, new):
        verified(vendor, sign(vendor, secret=secret), secret=new + b"\n" + old + b"\n")
    with pytest.raises(Forged):
        verified(vendor, sign(vendor, secret=old), secret=new)


@pytest.mark.parametrize("vendor", TIMED)
def test_a_delivery_is_taken_around_its_time_only(vendor: str) -> None:
    headers = sign(vendor, secret=secret_of(vendor))
    for off in (-limits.WEBHOOK_SECONDS, 0, limits.WEBHOOK_SECONDS):
        verified(vendor, headers, now=NOW + off)
    for off in (-limits.WEBHOOK_SECONDS - 1, limits.WEBHOOK_SECONDS + 1, 10**9):
        with pytest.raises(Forged):
            verified(vendor, headers, now=NOW + off)


@pytest.mark.parametrize("vendor", TIMED)
def test_the_time_is_signed(vendor: str) -> None:
    headers = {
        name: value.replace(str(NOW), str(NOW + 1))
        for name, value in sign(vendor, secret=secret_of(vendor)).items()
    }
    with pytest.raises(Forged):
        verified(vendor, headers)


def test_the_id_of_standard_webhooks_is_signed() -> None:
    headers = {**sign("standard", secret=secret_of("standard")), "webhook-id": "msg_2"}
    with pytest.raises(Forged):
        verified("standard", headers)


@pytest.mark.parametrize("secret", [b"whsec_", b"====", b"whsec_\nwhsec_" + KEY])
def test_a_secret_of_nothing_signs_nothing(secret: bytes) -> None:
    headers = sign("standard", secret=b"whsec_")
    with pytest.raises(Forged):
        verified("standard", headers, secret=secret)


def test_one_good_signature_among_several_is_enough() -> None:
    good = sign("standard", secret=secret_of("standard"))
    wrong = "v1," + base64.b64encode(bytes(32)).decode()
    several = f"{wrong} v1a,x {good['webhook-signature']}"
    verified("standard", {**good, "webhook-signature": several})
    stripe = sign("stripe")["stripe-signature"]
    stamp, _, rest = stripe.partition(",")
    verified("stripe", {"stripe-signature": f"{stamp},v1={'0' * 64},{rest}"})


def test_no_more_signatures_are_compared_than_vendors_send() -> None:
    good = sign("standard", secret=secret_of("standard"))
    wrong = "v1," + base64.b64encode(bytes(32)).decode()
    many = " ".join([wrong] * limits.WEBHOOK_SIGNATURES + [good["webhook-signature"]])
    with pytest.raises(Forged):
        verified("standard", {**good, "webhook-signature": many})


def test_svix_names_its_headers_otherwise() -> None:
    headers = sign("standard", secret=secret_of("standard"))
    verified("standard", {n.replace("webhook-", "svix-"): v for n, v in headers.items()})


def test_okta_may_use_a_header_of_its_own() -> None:
    asked = {"verify": "okta", "header": "X-Hook"}
    webhook.verified(Delivery({"x-hook": "s3cret"}, BODY, NOW), b"s3cret", asked)
    with pytest.raises(Forged):
        webhook.verified(Delivery({"authorization": "s3cret"}, BODY, NOW), b"s3cret", asked)


def test_slacks_own_example_is_genuine() -> None:
    """Slack, "Verifying requests from Slack": the secret, the request and its signature."""
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
        b"&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
        b"&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands"
        b"%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id="
        b"398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    headers = {
        "x-slack-request-timestamp": "1531420618", "x-slack-signature":
        "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    }
    secret = b"8f742231b10e8888abcd99yyyzzz85a5"
    verified("slack", headers, body, secret, now=1531420618)


def test_githubs_own_example_is_genuine() -> None:
    """GitHub, "Validating webhook deliveries": `Hello, World!` under the secret of this file."""
    found = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    verified("github", {"x-hub-signature-256": found}, b"Hello, World!")


def test_the_reference_library_of_standard_webhooks_agrees() -> None:
    library = pytest.importorskip("standardwebhooks", reason="standardwebhooks")
    from datetime import UTC, datetime

    signer = library.Webhook("whsec_" + KEY.decode())
    when = datetime.fromtimestamp(NOW, UTC)
    signature = signer.sign("msg_1", when, BODY.decode())
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(NOW), "webhook-signature": signature}
    assert verified("standard", headers).id == "msg_1"


def test_who_may_change_an_id_is_said() -> None:
    found = {vendor: verified(vendor, sign(vendor, secret=secret_of(vendor))) for vendor in ALL}
    assert found["github"] == Signed("d-1", "member", True)
    assert found["standard"] == Signed("msg_1")
    assert found["hmac"] == Signed("i-1", "e", True)
    assert found["slack"] == found["stripe"] == found["okta"] == Signed()


@pytest.mark.parametrize("vendor", ALL)
def test_hostile_headers_are_forged_and_nothing_else(vendor: str) -> None:
    rng = random.Random(vendor)
    good = sign(vendor, secret=secret_of(vendor))
    for _ in range(800):
        headers = dict(good)
        name = rng.choice(list(headers))
        value = list(headers[name])
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(value) + 1)
            other = rng.choice(["", ",", "=", " ", "\u00ff", "v1,", "0"])
            value[at : at + rng.randrange(3)] = other
        headers[name] = "".join(value)
        try:
            found = verified(vendor, headers)
        except Forged:
            continue
        assert headers == good or found.unsigned_id or headers[name] != good[name]


# --- options


@pytest.mark.parametrize("asked", [options(vendor) for vendor in ALL], ids=ALL)
def test_options_that_work_are_taken(asked: dict[str, str]) -> None:
    webhook.check_options(asked)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({}, "verify"), ({"verify": "nobody"}, "verify"), ({"verify": "hmac"}, "header"),
        ({"verify": "github", "header": "x"}, "header"),
        ({**HMAC, "algorithm": "md5"}, "algorithm"), ({**HMAC, "encoding": "utf-8"}, "encoding"),
        ({**HMAC, "header": "a b"}, "header"), ({**HMAC, "id_header": "a:b"}, "id_header"),
    ],
)
def test_options_that_cannot_work_are_told_by_name(asked: dict[str, str], field: str) -> None:
    with pytest.raises(BadRequest) as found:
        webhook.check_options(asked)
    assert found.value.field == field


# --- messages


def taken(vendor: str, body: Any, signed: Signed | None = None) -> webhook.Taken:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return webhook.take(Delivery({}, raw, NOW), signed or Signed(), options(vendor), GIVEN)


def test_a_delivery_is_one_message_under_its_id_and_its_event_is_the_program() -> None:
    (one,) = taken("github", BODY, Signed("d-1", "member", True)).messages
    assert (one.raw, one.id, one.given.program) == (BODY, "d-1", "member")
    assert one.given.data == {
        "webhook": {"verified": "github", "delivery": "d-1", "event": "member"}}


@pytest.mark.parametrize(
    ("vendor", "body"), [("slack", {"event_id": "Ev1", "id": "no"}), ("stripe", {"id": "Ev1"})]
)
def test_where_the_id_stands_in_the_body_it_is_taken_from_there(vendor: str, body: Any) -> None:
    assert taken(vendor, body).messages[0].id == "Ev1"
    assert taken(vendor, b"no json").messages[0].id == ""


def test_oktas_events_are_messages_of_their_own_kept_byte_by_byte() -> None:
    events = ['{"uuid":"u-1",  "eventType":"user.session.start"}', '{"uuid":"u-2"}', '{"x":1}']
    body = '{"eventId":"h-1","eventTime":"2026-05-01T10:00:00Z",' \
        '"source":"https://x.okta.com/hook",' f'"data":{{"events":[{",".join(events)}]}}}}'
    found = taken("okta", body.encode()).messages
    assert [one.raw.decode() for one in found] == events
    assert [one.id for one in found] == ["u-1", "u-2", ""]
    assert found[0].given.data["webhook"] == {
        "verified": "okta", "hook": "h-1", "hook_source": "https://x.okta.com/hook"}
    assert str(found[0].given.observed) == "2026-05-01 10:00:00+00:00"


@pytest.mark.parametrize("body", [b"no json", b"{}", b'{"data":{"events":[]}}', b'{"data":7}'])
def test_what_is_no_request_of_an_event_hook_is_one_message(body: bytes) -> None:
    assert [one.raw for one in taken("okta", body).messages] == [body]


def test_a_delivery_without_a_body_is_refused() -> None:
    assert [one.code for one in taken("github", b" ").refused] == ["empty"]


def test_slacks_challenge_is_answered_and_nobody_elses() -> None:
    body = json.dumps({"type": "url_verification", "challenge": "abc"}).encode()
    assert webhook.challenge_of(Delivery({}, body, NOW), {"verify": "slack"}) == "abc"
    assert webhook.challenge_of(Delivery({}, body, NOW), {"verify": "github"}) == ""
    event = json.dumps({"type": "event_callback", "challenge": "abc"}).encode()
    assert webhook.challenge_of(Delivery({}, event, NOW), {"verify": "slack"}) == ""
