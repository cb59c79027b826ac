"""`/v1/webhooks/{source}`: a signature is the credential, and nothing else tells sources apart."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest

from indelible.base import limits
from indelible.base.clock import wall_us
from indelible.base.errors import Busy
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.sources import SourceSettings
from indelible.server import webhooks

SECRET = b"shared"
BODY = b'{"action":"created"}'
HOOK = "/v1/webhooks/hook"


def register(house, verify="github", source="hook", tenant="", secret=SECRET, **more):
    settings = SourceSettings(
        id=source, tenant=tenant, protocol="webhook", options={"verify": verify}, **more
    )
    house.rooms.settings[(source, tenant)] = Configured(settings=settings, secret=secret)


@pytest.fixture
def hooked(house):
    register(house)
    return house


def github(body=BODY, ident="d-1", secret=SECRET, event="member"):
    mac = hmac.new(secret, body, hashlib.sha256).hexdigest()
    return {"x-hub-signature-256": f"sha256={mac}", "x-github-delivery": ident,
            "x-github-event": event}


def slack(body, off=0):
    stamp = str(wall_us() // 1_000_000 + off)
    signed = b"v0:" + stamp.encode() + b":" + body
    mac = hmac.new(SECRET, signed, hashlib.sha256).hexdigest()
    return {"x-slack-request-timestamp": stamp, "x-slack-signature": f"v0={mac}"}


def post(house, headers, body=BODY, path=HOOK):
    return house.ask("POST", path, None, body, headers)


def denials(house):
    house.run(house.app.audit.flush(everything=True))
    return [own for own in house.rooms.own if own["action"] == "indelible.access.deny"]


def test_a_signed_delivery_is_stored_under_its_id(hooked):
    answer = post(hooked, github())
    assert (answer.status, answer.json) == (200, {"accepted": 1, "duplicates": 0, "rejected": 0})
    (submission,) = hooked.rooms.submissions
    assert (submission.source, submission.protocol) == ("hook", "webhook")
    assert (submission.events[0].id, submission.events[0].idempotent) == ("d-1", BODY)


def test_a_delivery_sent_again_adds_nothing(hooked):
    post(hooked, github())
    assert post(hooked, github()).json == {"accepted": 1, "duplicates": 1, "rejected": 0}
    assert len(hooked.rooms.bodies) == 1


def test_a_body_sent_again_under_another_id_is_kept_and_says_so(hooked):
    post(hooked, github(ident="d-1"))
    post(hooked, github(ident="d-2"))
    stored = [json.loads(body)["data"]["webhook"] for body in hooked.rooms.bodies]
    assert [one.get("same_body_as") for one in stored] == [None, "d-1"]


def test_what_was_not_stored_is_not_remembered(hooked):
    hooked.rooms.fail = Busy("full")
    answer = post(hooked, github(ident="d-1"))
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    hooked.rooms.fail = None
    post(hooked, github(ident="d-2"))
    assert "same_body_as" not in json.loads(hooked.rooms.bodies[-1])["data"]["webhook"]


def test_remembered_bodies_are_bounded(monkeypatch):
    monkeypatch.setattr(webhooks, "WEBHOOK_BODIES", 2)
    bodies = webhooks.Bodies()
    for number in range(3):
        bodies.remember(bytes([number]), str(number))
    assert [bodies.first(bytes([number])) for number in range(3)] == ["", "1", "2"]


def test_forged_unknown_disabled_and_foreign_sources_are_answered_alike(hooked):
    register(hooked, source="off", disabled=True)
    hooked.rooms.settings[("app", "")] = Configured(
        settings=SourceSettings(id="app", protocol="hec"), secret=SECRET)
    asked = [
        (HOOK, github(secret=b"wrong")), (HOOK, {}), ("/v1/webhooks/nobody", github()),
        ("/v1/webhooks/nobody", {}), ("/v1/webhooks/off", github()), ("/v1/webhooks/app", github()),
        (f"{HOOK}?tenant=acme", github()), ("/v1/webhooks/a/b/c", github()),
    ]
    answers = [post(hooked, headers, path=path) for path, headers in asked]
    assert {(answer.status, answer.body) for answer in answers} == {(401, answers[0].body)}
    assert len({tuple(sorted(answer.headers.items())) for answer in answers}) == 1
    assert not hooked.rooms.submissions


def test_forged_deliveries_are_on_record_by_the_minute_with_the_reason(hooked):
    for _ in range(5):
        post(hooked, github(secret=b"wrong"))
        post(hooked, github(), path="/v1/webhooks/nobody")
    found = denials(hooked)
    assert {(one["data"]["what"], one["reason"]["text"]) for one in found} == {
        ("webhook hook", "the signature is of another body or another secret"),
        ("webhook", "there is no such source of webhooks"),
    }
    assert len(found) < 10


def test_the_body_is_verified_as_it_came(hooked):
    pretty = b'{\n  "action": "created"\n}'
    assert post(hooked, github(pretty), pretty).status == 200
    assert post(hooked, github(pretty), BODY).status == 401


def test_both_secrets_count_while_one_is_changed(hooked):
    register(hooked, secret=b"new\nshared\n")
    assert post(hooked, github(secret=b"new")).status == 200
    assert post(hooked, github(ident="d-2")).status == 200
    register(hooked, secret=b"new")
    assert post(hooked, github(ident="d-3")).status == 401


def test_a_tenants_source_is_named_with_its_tenant(hooked):
    register(hooked, source="hook", tenant="acme", secret=b"theirs")
    assert post(hooked, github(secret=b"theirs")).status == 401
    answer = post(hooked, github(secret=b"theirs"), path=f"{HOOK}?tenant=acme")
    assert answer.status == 200
    (submission,) = hooked.rooms.submissions
    assert submission.tenant == "acme"
    assert json.loads(submission.events[0].content)["tenant"] == "acme"


def test_a_packed_body_is_refused_for_every_source(hooked):
    for path in (HOOK, "/v1/webhooks/nobody"):
        answer = post(hooked, {**github(), "content-encoding": "gzip"}, path=path)
        assert answer.status == 415


def test_a_body_beyond_the_limit_is_refused_for_every_source(hooked):
    for path in (HOOK, "/v1/webhooks/nobody"):
        body = b"x" * (limits.WEBHOOK_BYTES + 1)
        assert post(hooked, github(body), body, path).status == 413


def test_of_a_delivery_too_large_for_an_event_the_beginning_is_kept(hooked):
    body = b'{"x":"' + b"x" * limits.BODY_BYTES + b'"}'
    answer = post(hooked, github(body), body)
    assert (answer.status, answer.json["rejected"]) == (200, 0)
    [submission] = hooked.rooms.submissions
    assert ["truncated" in one.flags for one in submission.events] == [True]


def test_slack_is_taken_in_its_time_and_its_challenge_answered_when_signed(house):
    register(house, "slack")
    challenge = b'{"type":"url_verification","challenge":"abc"}'
    answer = post(house, slack(challenge), challenge)
    assert (answer.status, answer.json) == (200, {"challenge": "abc"})
    assert post(house, {}, challenge).status == 401
    event = b'{"type":"event_callback","event_id":"Ev1"}'
    assert post(house, slack(event, -limits.WEBHOOK_SECONDS - 5), event).status == 401
    assert post(house, slack(event), event).status == 200
    assert house.rooms.submissions[0].events[0].id == "Ev1"


def test_oktas_verification_is_answered_alike_for_every_name(hooked):
    asked = {"x-okta-verification-challenge": 'c"h'}
    for path in (HOOK, "/v1/webhooks/nobody"):
        answer = hooked.ask("GET", path, None, b"", asked)
        assert (answer.status, answer.json) == (200, {"verification": 'c"h'})
        assert hooked.ask("GET", path).status == 401


def test_oktas_events_are_stored_each(house):
    register(house, "okta")
    body = b'{"eventId":"h","data":{"events":[{"uuid":"a"},{"uuid":"b"}]}}'
    answer = post(house, {"authorization": "shared"}, body)
    assert (answer.status, answer.json["accepted"]) == (200, 2)
    assert [event.id for event in house.rooms.submissions[0].events] == ["a", "b"]
    assert post(house, {"authorization": "wrong"}, body).status == 401


def test_a_token_is_no_signature(hooked):
    assert hooked.ask("POST", HOOK, "writer", BODY).status == 401
    assert hooked.ask("POST", HOOK, "admin", BODY).status == 401
