"""The guesses on records of 28 products that the guessing parser knows nothing of.

For each log type a row says at which paths the truth stands. The types in even places of the sorted
list served to tune the guesses (`TUNED`); those in odd places were looked at only afterwards
(`HELD_OUT`). The data lie outside the project (`../shared/data`); without them this is skipped.
"""

from __future__ import annotations

import gzip
import ipaddress
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from indelible.ingest.parsers.contract import NotUnderstood
from indelible.ingest.parsers.finish import understand
from indelible.ingest.parsers.guess_time import read_time
from indelible.ingest.parsers.mapping_draft import draft
from indelible.ingest.parsers.mapping_file import read_text
from support.labelled import ABSENT, at
from support.parsing import GIVEN, parse_one

DATA = Path(__file__).parents[4] / "shared" / "data" / "panther-tests" / "tests.ndjson.gz"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason=f"no recorded data in {DATA.parent}")


class Truth(NamedTuple):
    """Paths, separated by blanks, of which the first that is there holds the truth."""

    actor: str
    time: str = ""
    ip: str = ""


TUNED = {
    "Amazon.EKS.Audit": Truth(
        "user.username protoPayload.authenticationInfo.principalEmail"
        " protoPayload.authenticationInfo.authoritySelector",
        "requestReceivedTimestamp stageTimestamp",
        "sourceIPs.0 protoPayload.requestMetadata.callerIP"),
    "Auth0.Events": Truth(
        "data.details.request.auth.user.email data.user_name data.user_id", "data.date", "data.ip"),
    "CarbonBlack.Audit": Truth("loginName", "eventTime", "clientIp"),
    "Crowdstrike.EventStreams": Truth(
        "event.UserId event.UserName", "event.UTCTimestamp metadata.eventCreationTime",
        "event.UserIp"),
    "Duo.Administrator": Truth("username", "isotimestamp"),
    "GitHub.Audit": Truth("actor", "at_sign_timestamp @timestamp created_at", "actor_ip"),
    "Microsoft365.Audit.AzureActiveDirectory": Truth("UserId", "CreationTime", "ClientIP"),
    "Netskope.Audit": Truth("user", "timestamp"),
    "OnePassword.ItemUsage": Truth("user.email", "timestamp", "client.ip_address"),
    "Salesforce.RealtimeEvent": Truth("USERNAME USER_NAME", "TIMESTAMP", "SOURCE_IP"),
    "Slack.AuditLogs": Truth("actor.user.email", "date_create", "context.ip_address"),
    "Snowflake.QueryHistory": Truth("USER_NAME"),
    "Tailscale.Audit": Truth("event.actor.loginName", "time"),
    "Tines.Audit": Truth("user_email", "created_at", "request_ip"),
    "Zendesk.Audit": Truth("actor_name actor_id", "created_at", "ip_address"),
}
HELD_OUT = {
    "Atlassian.Audit": Truth(
        "attributes.actor.email actor.alternateId actor.displayName actor actor_name actor_id",
        "attributes.time published created_at", "client.ipAddress ip_address actor_ip"),
    "Axonius.Activity": Truth("event.user", "time", "event.params.ip"),
    "Databricks.Audit": Truth("userIdentity.email", "timestamp", "sourceIPAddress"),
    "Dropbox.TeamEvent": Truth(
        "actor.user.email actor.admin.email", "timestamp", "origin.geo_location.ip_address"),
    "GCP.AuditLog": Truth(
        "protoPayload.authenticationInfo.principalEmail", "timestamp",
        "protoPayload.requestMetadata.callerIP protoPayload.requestMetadata.callerIp"),
    "Microsoft365.Audit.Exchange": Truth("userid", "creationtime"),
    "MongoDB.OrganizationEvent": Truth(
        "username userId userid", "created", "remoteAddress remoteaddress"),
    "Okta.SystemLog": Truth(
        "actor.alternateId actor.displayName actor.id", "published", "client.ipAddress"),
    "OpenAI.Audit": Truth(
        "actor.session.user.email actor.api_key.user.email actor.session.user.id"
        " actor.api_key.id", "effective_at", "actor.session.ip_address"),
    "Salesforce.LoginAs": Truth(
        "DELEGATED_USER_NAME USER_NAME USER_ID", "TIMESTAMP", "CLIENT_IP"),
    "SentinelOne.Activity": Truth("userid", "createdat"),
    "Snowflake.LoginHistory": Truth("USER_NAME", "EVENT_TIMESTAMP", "CLIENT_IP"),
    "Tracebit.Alert": Truth(
        "principal.okta.alternate_id principal.id", "timestamp", "event.request.ip"),
}
FLOORS = {"actor": 0.97, "time": 0.97, "ip": 0.95}
"""Well above what is demanded (75 %, 95 %, 90 %): a change that costs anything is seen."""


@pytest.fixture(scope="module")
def records() -> dict[str, list[dict[str, Any]]]:
    """The records by log type, without what the collector added."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with gzip.open(DATA) as lines:
        for line in lines:
            read = json.loads(line)
            record = {name: value for name, value in read["event"].items()
                      if not name.startswith("p_")}
            found[read["log_type"]].append(record)
    return found


def first(record: dict[str, Any], paths: str) -> Any:
    """The value at the first path that has one."""
    for path in paths.split():
        value = at(record, path)
        if value is not ABSENT and value not in (None, ""):
            return value
    return None


def right(record: dict[str, Any], truth: Truth) -> dict[str, bool]:
    """For each member that the record tells: whether it was found."""
    parsed = parse_one("json", json.dumps(record).encode())
    event = json.loads(parsed.content)
    said: dict[str, bool] = {}
    actor, time, ip = (first(record, paths) for paths in truth)
    if actor is not None:
        who = event.get("actor", {})
        own = event.get("data", {}).get("actor_id", "")
        said["actor"] = str(actor) in (who.get("id"), who.get("name"), who.get("email"), own)
    if time is not None:
        moment = read_time(time, now_us=GIVEN.now_us)
        if moment is not None:  # not `redacted`
            seconds = -1 if parsed.time_us is None else parsed.time_us / 1e6
            said["time"] = abs(seconds - moment.time.timestamp()) < 1
    if ip is not None and _is_address(ip):
        said["ip"] = event.get("origin", {}).get("ip") == ip
    return said


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("table", [TUNED, HELD_OUT], ids=["tuned", "held out"])
def test_actor_time_and_address_are_found(
    records: dict[str, list[dict[str, Any]]], table: dict[str, Truth]
) -> None:
    good: Counter[str] = Counter()
    told: Counter[str] = Counter()
    for name, truth in table.items():
        for record in records[name]:
            for member, found in right(record, truth).items():
                told[member] += 1
                good[member] += found
    assert min(told.values()) > 250
    for member, floor in FLOORS.items():
        assert good[member] / told[member] >= floor, (member, good[member], told[member])


def test_no_record_of_any_product_makes_the_parser_fail(
    records: dict[str, list[dict[str, Any]]],
) -> None:
    for some in records.values():
        for record in some:
            parsed = parse_one("json", json.dumps(record).encode())
            assert b'"parser_failed"' not in parsed.content


def test_a_drafted_mapping_says_what_the_guesses_said(
    records: dict[str, list[dict[str, Any]]],
) -> None:
    """Who and from where, of every record of every product that is understood."""
    same = total = 0
    for some in records.values():
        drafted = draft(some, "drafted", GIVEN)
        assert drafted is not None
        mapping = read_text(drafted.text, "drafted.toml")
        for record in some:
            guessed = parse_one("json", json.dumps(record).encode())
            if guessed.kind == "unparsed":
                continue
            total += 1
            try:
                event = understand(mapping, record, GIVEN).event
            except NotUnderstood:
                continue
            wanted = json.loads(guessed.content)
            address = event.origin.ip if event.origin else None
            same += (event.actor.id, address or None) == (
                wanted["actor"]["id"], wanted.get("origin", {}).get("ip"))
    assert same / total > 0.98
