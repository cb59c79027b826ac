"""How large the simulated company is."""

from __future__ import annotations

from typing import Final

import msgspec


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of actors and targets; `days` is the span that `events` fills by default."""

    name: str
    people: int
    services: int
    api_keys: int
    agents: int
    targets: int
    days: int = 30

    @property
    def actors(self) -> int:
        """All that can act."""
        return self.people + self.services + self.api_keys + self.agents


BENCH: Final = Profile(
    name="bench", people=46_000, services=1_400, api_keys=2_500, agents=100, targets=2_000_000
)
DEMO: Final = Profile(name="demo", people=1_200, services=24, api_keys=30, agents=4, targets=60_000)
PROFILES: Final = {profile.name: profile for profile in (BENCH, DEMO)}
