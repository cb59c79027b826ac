"""The parsers of Google Cloud and Microsoft 365 on public labelled events of others.

The data lie outside the project (`../shared/data`); without them these tests are skipped. Some
events there are cut down to what a detection rule needs: those without a method are no messages.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from indelible.ingest.parsed import Parsed
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.finish import parse_message
from indelible.ingest.parsers.table import parser_named

DATA = Path(__file__).parents[4] / "shared" / "data" / "panther-tests" / "tests.ndjson.gz"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason=f"no recorded data at {DATA}")


def parsed(kind: str, parser: str) -> list[tuple[dict[str, Any], Parsed]]:
    found = []
    with gzip.open(DATA, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["log_type"].startswith(kind):
                raw = json.dumps(row["event"]).encode()
                found.append(
                    (row["event"], parse_message(parser_named(parser), raw, Given(now_us=0)))
                )
    return found


def payload(event: dict[str, Any]) -> dict[str, Any]:
    for name in ("protoPayload", "protopayload"):
        if isinstance(event.get(name), dict):
            found: dict[str, Any] = event[name]
            return found
    return {}


def member(part: dict[str, Any], name: str) -> dict[str, Any]:
    value = part.get(name)
    return value if isinstance(value, dict) else {}


def test_every_google_cloud_entry_with_a_method_is_understood() -> None:
    entries = parsed("GCP", "gcp_audit")
    kinds = Counter(one.kind for _, one in entries)
    assert kinds == {"event": 152, "unparsed": 16}
    for event, one in entries:
        assert (one.kind == "event") == bool(payload(event).get("methodName"))


def test_google_cloud_entries_say_who_where_and_how_it_ended() -> None:
    for event, one in parsed("GCP", "gcp_audit"):
        if one.kind != "event":
            continue
        said, found = payload(event), json.loads(one.content)
        email = member(said, "authenticationInfo").get("principalEmail")
        if email:
            assert found["actor"]["id"] == email
        asked = member(said, "requestMetadata")
        address = asked.get("callerIp", asked.get("callerIP", ""))
        if address.count(".") == 3 or ":" in address:
            assert found["origin"]["ip"] == address
        code = member(said, "status").get("code", 0)
        assert (found.get("outcome") in ("failure", "denied")) == bool(
            code or not _granted(said)
        )
        told = [event.get(name, "...") for name in ("timestamp", "receiveTimestamp")]
        assert ("time" in found) == any(one != "..." for one in told)
        assert found["action"].startswith("gcp.")


def _granted(said: dict[str, Any]) -> bool:
    told = [one.get("granted") for one in said.get("authorizationInfo") or []]
    return False not in told or True in told


def test_every_record_of_microsoft_365_is_understood() -> None:
    records = parsed("Microsoft365", "m365")
    assert len(records) == 14
    for event, one in records:
        assert one.kind == "event", one.content
        found = json.loads(one.content)
        said = {name.lower(): value for name, value in event.items()}
        assert found["actor"]["id"] in said["userid"]
        assert found["time"][:10] == said["creationtime"][:10]
        assert one.flags == ()
        if said.get("clientip"):
            assert found["origin"]["ip"] == said["clientip"].partition(":")[0]
        assert found["outcome"] == (
            "failure" if said["operation"] == "UserLoginFailed" else "success"
        )
