"""What an SQL text does, as a mapping asks it: the class of its weightiest statement. Pure."""

from __future__ import annotations

from typing import Any, Final

from indelible.base.limits import TARGETS
from indelible.event.model import Operation
from indelible.ingest.parsers.postgresql_sql import statements
from indelible.ingest.parsers.postgresql_verbs import class_of

_O = Operation
_WEIGHT: Final = {operation: place for place, operation in enumerate((
    _O.GRANT, _O.REVOKE, _O.CONFIGURE, _O.DELETE, _O.EXPORT, _O.IMPORT, _O.CREATE, _O.UPDATE,
    _O.LOGIN, _O.EXECUTE, _O.OTHER, _O.READ,
))}
"""Operations from the weightiest on: what hides among reads is told, and what was not read at all
comes before what was."""


def sql_class(value: Any) -> str:
    """The operation class of an SQL text (`grant`, `read`), '' where there is no text.

    Of several statements the weightiest decides. A text that is no SQL, or of which only a part was
    read, is at least an `execute`: it is never a read, because nobody knows what it did.
    """
    if not isinstance(value, str) or not value:
        return ""
    found = [class_of(one) or _O.EXECUTE for one in statements(value)]
    if not found or len(found) >= TARGETS:
        found.append(_O.EXECUTE)
    return min(found, key=lambda one: _WEIGHT.get(one, 0)).value
