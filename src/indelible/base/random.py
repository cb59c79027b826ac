"""The only source of randomness. Keys, salts and tokens come from the operating system.

`seeded` and `seeded_arrays` give the same again for the same seed: for simulations, never for
anything that must not be guessed.
"""

from __future__ import annotations

import os
import secrets
from random import Random as Seeded
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Seeded", "random_bytes", "random_id", "random_token", "seeded", "seeded_arrays"]


def random_bytes(count: int) -> bytes:
    """`count` bytes from the operating system's generator, fit for keys."""
    return os.urandom(count)


def random_id() -> str:
    """A fresh 64-bit identifier as 16 lower-case hexadecimal digits."""
    return os.urandom(8).hex()


def random_token() -> str:
    """256 bits of secret as URL-safe text (43 characters)."""
    return secrets.token_urlsafe(32)


def seeded(seed: str | int) -> Seeded:
    """A generator whose numbers follow from `seed` alone."""
    return Seeded(seed)


def seeded_arrays(*seed: int) -> np.random.Generator:
    """The same for whole arrays."""
    import numpy as np

    return np.random.default_rng(seed)
