"""What a check of a foreign server says: how grave it is, what it is about, and what to do."""

from __future__ import annotations

from typing import Final

import msgspec

ERROR: Final = "error"
WARNING: Final = "warning"
FINE: Final = "fine"
LEVELS: Final = (ERROR, WARNING, FINE)
"""The gravest first."""


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One remark. `error`: nothing can be read; `warning`: something will be missing, or harm;
    `fine`: it is as it should be. `remedy` is what to paste where that is enough."""

    level: str
    about: str
    text: str
    remedy: str = ""
