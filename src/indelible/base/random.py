"""The only source of randomness. Keys, salts and tokens come from the operating system."""

from __future__ import annotations

import os
import secrets


def random_bytes(count: int) -> bytes:
    """`count` bytes from the operating system's generator, fit for keys."""
    return os.urandom(count)


def random_id() -> str:
    """A fresh 64-bit identifier as 16 lower-case hexadecimal digits."""
    return os.urandom(8).hex()


def random_token() -> str:
    """256 bits of secret as URL-safe text (43 characters)."""
    return secrets.token_urlsafe(32)
