"""The register at its door: no two enabled sources of a protocol begin with the same sender."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from indelible.app.sourcing import Sourcing
from indelible.base.errors import BadRequest
from indelible.ingest.sources import SourceSettings
from indelible.store.source_rows import SettingsRow
from support.policed import Life, Policed


def syslog(name: str, **more: Any) -> SourceSettings:
    return SourceSettings(id=name, protocol="syslog", **more)


def packed(settings: SourceSettings) -> SettingsRow:
    return SettingsRow(id=settings.id, tenant=settings.tenant,
                       settings=msgspec.json.encode(settings), secret=b"")


@pytest.mark.parametrize(("field", "senders"), [
    ("certificates", {"certificates": ("host1",)}), ("peers", {"peers": ("10.0.0.7/8",)}),
])
def test_a_sender_that_another_source_has_is_refused_without_its_name(
    tmp_path: Path, field: str, senders: dict[str, tuple[str, ...]]
) -> None:
    async def body(life: Life) -> None:
        register = life.core.sourcing
        first = syslog("payroll", tenant="a", certificates=("host1",), peers=("10.0.0.0/8",))
        register.put(first)
        with pytest.raises(BadRequest) as refused:
            register.put(syslog("other", tenant="b", **senders))
        assert refused.value.field == field
        assert "payroll" not in str(refused.value)
        assert register.configured("other", "b") is None
        assert Sourcing(life.core.meta).configured("other", "b") is None
        register.put(replace(first, owner="them"))
        register.put(replace(first, disabled=True))
        register.put(syslog("other", tenant="b", **senders))
        assert register.configured("other", "b") is not None
        with pytest.raises(BadRequest):
            register.put(first)

    Policed(tmp_path).live(body)


def test_settings_that_share_a_sender_since_before_are_read_and_can_be_parted(
    tmp_path: Path,
) -> None:
    both = [syslog(name, peers=("10.0.0.0/8",)) for name in ("one", "two")]

    async def body(life: Life) -> None:
        life.core.meta.of_sources.put_settings([packed(one) for one in both])
        register = Sourcing(life.core.meta)
        assert [one.settings for one in register.all()] == both
        assert register.senders("syslog").of("10.1.2.3") == both[0]
        with pytest.raises(BadRequest):
            register.put(replace(both[1], owner="me"))
        register.put(replace(both[1], disabled=True))
        register.put(replace(both[0], owner="me"))

    Policed(tmp_path).live(body)
