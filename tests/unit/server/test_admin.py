"""Tokens, administration, verification, the log's face, health and metrics."""

from __future__ import annotations

import asyncio
import re

import pytest
from tests.unit.server.fake_rooms import CHECKPOINT, House

from indelible.base.errors import Damaged, LedgerStopped
from indelible.server.metrics import METRICS
from indelible.server.rooms import Readiness

EVENT = b'{"action":"user.login","actor":{"type":"user","id":"ann"}}'


def test_a_tokens_secret_is_shown_once(house):
    asked = {"name": "ci", "role": "writer", "source": "ci", "tenant": "acme"}
    made = house.ask("POST", "/v1/tokens", "admin", asked)
    assert made.status == 201
    secret = made.json["token"]
    listed = house.ask("GET", "/v1/tokens", "admin")
    assert secret not in listed.body.decode()
    row = next(token for token in listed.json["tokens"] if token["id"] == made.json["id"])
    assert (row["name"], row["role"], row["source"], row["tenant"]) == (
        "ci", "writer", "ci", "acme"
    )
    event = house.rooms.own[0]
    assert event["action"] == "indelible.token.create"
    assert event["targets"] == [{"type": "token", "id": made.json["id"]}]
    assert secret not in str(house.rooms.own)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"name": "", "role": "reader"}, "name"),
        ({"name": "a\nb", "role": "reader"}, "name"),
        ({"name": " a", "role": "reader"}, "name"),
        ({"name": "n" * 2000, "role": "reader"}, "name"),
        ({"name": "n", "role": "owner"}, "role"),
        ({"name": "n", "role": "root"}, "role"),
        ({"name": "n", "role": "writer"}, "source"),
        ({"name": "n", "role": "reader", "source": "s"}, "source"),
        ({"name": "n", "role": "admin", "tenant": "t"}, "tenant"),
        ({"name": "analyst", "role": "reader"}, "name"),
    ],
)
def test_a_token_that_makes_no_sense_is_refused(house, asked, field):
    answer = house.ask("POST", "/v1/tokens", "admin", asked)
    assert (answer.status, answer.json["error"]["field"]) == (400, field)
    assert len(house.meta.tokens()) == 4


def test_nobody_gets_a_token_to_write_as_the_ledger(house):
    for asked in ({"source": "indelible"}, {"source": "s", "tenant": "indelible"}):
        answer = house.ask("POST", "/v1/tokens", "admin", {"name": "n", "role": "writer", **asked})
        assert answer.status == 403


def test_a_token_whose_creation_cannot_be_recorded_does_not_live(house):
    house.rooms.fail_record = LedgerStopped("full")
    answer = house.ask("POST", "/v1/tokens", "admin", {"name": "n", "role": "reader"})
    assert answer.status == 503
    assert "n" not in [row.name for row in house.meta.tokens(live_only=True)]


def test_revoking_holds_even_when_it_cannot_be_recorded(house):
    token_id = next(row.id for row in house.meta.tokens() if row.role == "reader")
    house.rooms.fail_record = LedgerStopped("full")
    assert house.ask("DELETE", f"/v1/tokens/{token_id}", "admin").status == 503
    assert house.ask("GET", "/v1/search", "reader").status == 401


@pytest.mark.parametrize(
    ("method", "path", "body", "action"),
    [
        ("POST", "/v1/seal", b"", "indelible.ledger.seal"),
        ("POST", "/v1/clock/accept", b"", "indelible.clock.accept"),
        ("POST", "/v1/keys/rotate", b'{"what":"signing"}', "indelible.key.rotate"),
        ("POST", "/v1/backup", b'{"to":"/b","keys_to":"/k"}', "indelible.ledger.backup"),
        ("POST", "/v1/witnesses", b'{"name":"w","url":"http://w","vkey":"v"}',
         "indelible.witness.add"),
    ],
)
def test_administration_is_recorded_with_its_outcome(house, method, path, body, action):
    done = house.ask(method, path, "admin", body)
    assert done.status in (200, 201)
    house.rooms.fail = Damaged("segment 3 differs")
    failed = house.ask(method, path, "admin", body)
    assert failed.status == 500
    assert [(e["action"], e["outcome"]) for e in house.rooms.own] == [
        (action, "success"), (action, "failure")
    ]
    assert house.rooms.own[1]["reason"] == {"text": "segment 3 differs"}


@pytest.mark.parametrize(
    "asked",
    [{"to": "relative"}, {"to": "/a/../b"}, {"to": ""}, {"to": "/a", "keys_to": "/a"},
     {"to": "/a", "keys_to": "/a/keys"}, {}],
)
def test_a_backup_to_a_doubtful_place_is_refused(house, asked):
    assert house.ask("POST", "/v1/backup", "admin", asked).status == 400
    assert house.rooms.own == []


def test_witnesses_are_added_listed_and_removed(house):
    asked = {"name": "w.example/1", "url": "https://w.example", "vkey": "w+1+BA"}
    added = house.ask("POST", "/v1/witnesses", "admin", asked)
    assert added.status == 201
    (witness,) = house.ask("GET", "/v1/witnesses", "admin").json["witnesses"]
    assert (witness["name"], witness["size"]) == ("w.example/1", 1)
    gone = house.ask("DELETE", "/v1/witnesses/w.example%2F1", "admin")
    assert gone.json == {"witnesses": []}
    assert house.ask("DELETE", "/v1/witnesses/w.example%2F1", "admin").status == 404
    bad = house.ask("POST", "/v1/witnesses", "admin", {**asked, "url": "ftp://x"})
    assert bad.json["error"]["field"] == "url"


def _finished(house, run):
    async def wait():
        while house.app.context.verifying:
            await asyncio.wait(list(house.app.context.verifying.values()))
            await asyncio.sleep(0)

    house.run(wait())
    return house.ask("GET", f"/v1/verify?run={run}", "auditor").json


def test_a_verification_runs_beside_the_answer_and_its_account_stays(house):
    begun = house.ask("POST", "/v1/verify", "auditor", {"from": 0, "to": 1, "quick": True})
    assert begun.status == 202
    assert begun.json["state"] == "running"
    run = _finished(house, begun.json["id"])
    assert (run["state"], run["ok"], run["verdict"]) == ("finished", True, "proven")
    assert run["report"] == {"checked": 2}
    assert house.ask("GET", "/v1/verify", "auditor").json["id"] == run["id"]
    runs = house.ask("GET", "/v1/verifications", "auditor").json["runs"]
    assert [one["id"] for one in runs] == [run["id"]]
    event = next(e for e in house.rooms.own if e["action"] == "indelible.ledger.verify")
    assert event["data"]["verdict"] == "proven"


def test_one_verification_runs_at_a_time_and_ends_with_the_server(house):
    house.rooms.verify_gate = asyncio.Event()
    first = house.ask("POST", "/v1/verify", "auditor", {})
    assert house.ask("POST", "/v1/verify", "auditor", {}).code == "busy"

    async def close():
        tasks = list(house.app.context.verifying.values())
        await asyncio.sleep(0)
        await house.app.close()
        await asyncio.wait(tasks)

    house.run(close())
    run = house.ask("GET", f"/v1/verify?run={first.json['id']}", "auditor").json
    assert (run["state"], run["verdict"], run["ok"]) == ("finished", "cut off", False)


def test_a_run_that_a_crash_cut_off_says_so(house):
    run = house.meta.start_verification("request")
    assert house.ask("GET", f"/v1/verify?run={run}", "auditor").json["state"] == "cut off"


@pytest.mark.parametrize("error", [Damaged("index 7 differs"), ValueError("surprise")])
def test_a_verification_that_fails_keeps_why(house, error):
    house.rooms.fail = error
    begun = house.ask("POST", "/v1/verify", "auditor", {})
    house.rooms.fail = None
    run = _finished(house, begun.json["id"])
    assert run["ok"] is False
    assert run["report"]["error"]["code"] in ("damaged", "internal_error")
    assert "surprise" not in str(run)


@pytest.mark.parametrize("asked", [{"from": -1}, {"from": 5, "to": 4}, {"to": -1}, {"all": True}])
def test_a_verification_that_is_not_understood_is_refused(house, asked):
    assert house.ask("POST", "/v1/verify", "auditor", asked).status == 400
    assert house.meta.verifications() == []


def test_nothing_verified_yet_is_said(house):
    assert house.ask("GET", "/v1/verify", "auditor").status == 404


# --- the log's own face


def test_the_log_is_closed_until_it_is_published(tmp_path, house):
    for path in ("/checkpoint", "/tile/0/000.p/1"):
        assert house.ask("GET", path).status == 401
        assert house.ask("GET", path, "writer").status == 200
    (tmp_path / "open").mkdir()
    published = House(tmp_path / "open", publish=True)
    assert published.ask("GET", "/checkpoint").body == CHECKPOINT
    assert published.ask("GET", "/tile/0/000.p/1").body == b"\xab" * 32
    assert published.ask("GET", "/v1/checkpoint").status == 401
    assert published.ask("GET", "/v1/keys").status == 401
    published.close()


def test_tiles_are_cached_for_ever_and_the_checkpoint_is_not(house):
    tile = house.ask("GET", "/tile/entries/000.p/1", "reader")
    assert "immutable" in tile.headers["cache-control"]
    point = house.ask("GET", "/checkpoint", "reader")
    assert point.headers["cache-control"] == "no-cache"
    again = house.ask(
        "GET", "/checkpoint", "reader", headers={"if-none-match": point.headers["etag"]}
    )
    assert (again.status, again.body) == (304, b"")
    other = house.ask("GET", "/checkpoint", "reader", headers={"if-none-match": '"other"'})
    assert other.status == 200


@pytest.mark.parametrize(
    "path",
    ["/tile/0/001", "/tile/0/../../etc/passwd", "/tile/0/%2e%2e/x", "/tile/a/000", "/tile/",
     "/tile/0/0", "/tile/entries/x001", "/tile/data/000"],
)
def test_a_tile_that_is_none_is_404(house, path):
    assert house.ask("GET", path, "reader").status == 404


def test_published_reads_are_rate_limited_and_tokens_are_not(tmp_path):
    house = House(tmp_path, publish=True)
    house.app.context.published._left = 2.0
    house.app.context.published._per_second = 0.0
    assert house.ask("GET", "/checkpoint").status == 200
    assert house.ask("GET", "/checkpoint").status == 200
    limited = house.ask("GET", "/checkpoint")
    assert (limited.status, limited.code) == (429, "rate_limited")
    assert limited.headers["retry-after"] == "1"
    assert house.ask("GET", "/checkpoint", "reader").status == 200
    house.close()


def test_keys_are_the_two_lines(house):
    assert house.ask("GET", "/v1/keys", "writer").json == {
        "vkey": "log+1+AQ", "vkey.mldsa44": "log+2+Bg"
    }


# --- health


def test_readiness_follows_the_ledger_and_the_end(house):
    assert house.ask("GET", "/readyz").json["ready"] is True
    house.rooms.ready = Readiness(ready=False, reasons=("segment /secret/path is damaged",))
    damaged = house.ask("GET", "/readyz")
    assert (damaged.status, damaged.json["ready"]) == (503, False)
    assert b"secret" not in damaged.body
    house.rooms.ready = Readiness(ready=True)
    house.app.context.draining.set()
    assert house.ask("GET", "/readyz").status == 503
    assert house.ask("GET", "/healthz").status == 200


def test_metrics_count_what_happened(house):
    house.post(b"\n".join([EVENT, b"{}", EVENT]))
    house.ask("GET", "/v1/search", "reader")
    house.ask("GET", "/v1/search")
    house.ask("POST", "/v1/witnesses", "admin", {"name": 'w"x', "url": "http://w", "vkey": "v"})
    text = house.ask("GET", "/metrics", "auditor").body.decode()
    for line in (
        "indelible_events_accepted_total 2",
        "indelible_events_rejected_total 1",
        'indelible_requests_total{route="/v1/events",status="207"} 1',
        'indelible_requests_total{route="/v1/search",status="200"} 1',
        'indelible_requests_total{route="/v1/search",status="401"} 1',
        'indelible_witness_age_seconds{witness="w\\"x"} 2.5',
        'indelible_bytes{kind="evidence"} 10',
        "indelible_ready 1",
        "indelible_damaged 0",
    ):
        assert f"{line}\n" in text
    names = set(re.findall(r"^# TYPE (\S+)", text, re.M))
    assert names == set(METRICS)
    buckets = re.findall(r'_bucket\{route="/v1/search",le="([^"]+)"\} (\d+)', text)
    assert buckets[-1] == ("+Inf", "2")
    assert [int(n) for _, n in buckets] == sorted(int(n) for _, n in buckets)


def test_unknown_paths_share_one_metric(house):
    for number in range(5):
        house.ask("GET", f"/nowhere/{number}", "reader")
    text = house.ask("GET", "/metrics", "auditor").body.decode()
    assert 'indelible_requests_total{route="(unknown)",status="404"} 5' in text
    assert "nowhere" not in text


def test_status_is_the_ledgers_and_its_reading_is_counted(house):
    for _ in range(3):
        assert house.ask("GET", "/v1/status", "auditor").json["origin"] == "example.org/log"
    assert len(house.rooms.own) == 1


def test_a_stopped_ledger_still_says_why_in_its_status(house):
    house.rooms.fail_record = LedgerStopped("fdatasync failed")
    assert house.ask("GET", "/v1/status", "auditor").status == 200
    assert house.ask("GET", "/v1/search", "auditor").status == 503


def test_metrics_name_routes_by_their_template(house):
    house.post(EVENT)
    house.ask("GET", "/v1/targets/user/ann/history", "reader")
    text = house.ask("GET", "/metrics", "auditor").body.decode()
    route = "/v1/targets/{type}/{id}/history"
    assert f'indelible_requests_total{{route="{route}",status="200"}} 1' in text


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/backup", {"to": "/" + "a" * 1_000_000}, "to"),
        ("/v1/backup", {"to": "/a", "keys_to": "/" + "a" * 1_000_000}, "keys_to"),
        ("/v1/witnesses", {"name": "w", "url": "https://" + "a" * 1_000_000, "vkey": "v"}, "url"),
        ("/v1/witnesses", {"name": "w", "url": "https://a", "vkey": "v" * 1_000_000}, "vkey"),
    ],
)
def test_nothing_that_is_recorded_is_larger_than_an_event(house, path, body, field):
    answer = house.ask("POST", path, "admin", body)
    assert (answer.status, answer.json["error"]["field"]) == (400, field)
    assert house.rooms.own == []
