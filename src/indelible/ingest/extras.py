"""Libraries of others that some sources need: an extra brings each, and nobody else loads them."""

from __future__ import annotations

import shlex
from importlib import import_module
from types import ModuleType

from indelible.base.errors import BadRequest


def libraries(
    what: str, extra: str, package: str, *modules: str, field: str = "protocol"
) -> list[ModuleType]:
    """Import `modules` of a package, in their order.

    Where one is missing it raises `BadRequest`, which says `what` cannot be read without the extra,
    as in "objects in a bucket are read by the extra `s3`", with the command of pip as the remedy.
    """
    try:
        return [import_module(name) for name in modules]
    except ImportError as error:
        raise BadRequest(
            f"{what} read by the extra `{extra}`", field=field,
            remedy=f"Install it beside the server: pip install {shlex.quote(package)}",
        ) from error
