"""What is acted upon: ids and names of targets, the same for the same number for ever."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from indelible.base.random import Seeded, seeded
from indelible.simulate.acts import KINDS
from indelible.simulate.names import FAMILY, GIVEN
from indelible.simulate.profile import Profile

_EXPONENT: Final = 0.95
_STEP: Final = 2_654_435_761  # a prime, so that rank -> id is a permutation of any smaller range
_NAMES: Final = 2048  # a power of two: a target's name is drawn from so many


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split("|")]


_DRUGS = _words("Amoxicillin|Bisoprolol|Ceftriaxone|Digoxin|Enoxaparin|Furosemide|Gabapentin")
_TESTS = _words("Sodium|Potassium|Creatinine|Troponin|Haemoglobin|Platelets|CRP|Lactate|HbA1c")
_SCANS = _words("Chest X-ray|CT head|MRI knee|Ultrasound abdomen|CT angiogram|Mammogram")
_PAPERS = _words("Discharge letter|Referral|Consent form|Care plan|Rota|Minutes|Invoice|Protocol")
_SETTINGS = _words("session.timeout|mfa.required|backup.window|retention.days|smtp.relay")
_DEVICES = _words("Infusion pump|Cabinet|Ventilator|Label printer|Badge reader|Workstation")
_SETS = _words("admissions|billing-lines|lab-values|staffing|readmissions|theatre-times")
_TEAMS = _words("ward-clerk|charge-nurse|records-admin|payroll-editor|pharmacy-lead")
_MONTHS = _words("January|February|April|May|June|July|August|September|October|November")


def _person(rng: Seeded) -> str:
    return f"{rng.choice(GIVEN)} {rng.choice(FAMILY)}"


def _name(rng: Seeded, family: str) -> str:
    number = rng.randrange(400)
    match family:
        case "person":
            return _person(rng)
        case "encounter":
            return f"Visit {rng.choice(FAMILY)}, ward {number % 48}"
        case "lab":
            return f"{rng.choice(_TESTS)} {rng.choice(('serum', 'urine', 'plasma'))} {number}"
        case "drug":
            return f"{rng.choice(_DRUGS)} {rng.choice((5, 10, 20, 50, 100, 250))} mg"
        case "imaging":
            return f"{rng.choice(_SCANS)} {number}"
        case "claim":
            return f"Claim {rng.choice(FAMILY)} {number}"
        case "payslip":
            return f"{rng.choice(_MONTHS)} payslip {rng.choice(FAMILY)}"
        case "setting":
            return f"{rng.choice(_SETTINGS)}.{number % 60}"
        case "role":
            return f"{rng.choice(_TEAMS)}-{number % 40}"
        case "device":
            return f"{rng.choice(_DEVICES)} {number}"
        case "dataset":
            return f"{rng.choice(_SETS)}-{number}"
        case _:
            return f"{rng.choice(_PAPERS)} {rng.choice(FAMILY)} {number}"


class Things:
    """The targets of a profile, drawn by Zipf within their type."""

    def __init__(self, profile: Profile, seed: int) -> None:
        rng = seeded(f"things-{profile.name}-{seed}")
        self.counts: NDArray[np.int64] = np.array(
            [max(8, int(profile.targets * kind.share)) for kind in KINDS], dtype=np.int64
        )
        self._names = [[_name(rng, kind.names) for _ in range(_NAMES)] for kind in KINDS]
        self._heads = [f'{{"type":"{kind.type}","id":"{kind.prefix}' for kind in KINDS]

    def draw(self, kinds: NDArray[np.int64], chance: NDArray[np.float64]) -> NDArray[np.int64]:
        """A number of a thing of each of `kinds`: bounded Zipf by its continuous inverse."""
        counts = self.counts[kinds]
        power = 1 - _EXPONENT
        spread = (counts + 1.0) ** power - 1
        ranks = ((1 + chance * spread) ** (1 / power)).astype(np.int64) - 1
        return (np.minimum(ranks, counts - 1) * _STEP + 97) % counts

    def text(self, kind: int, number: int) -> str:
        """The target as JSON."""
        name = self._names[kind][(number * 40_503 >> 3) & (_NAMES - 1)]
        return f'{self._heads[kind]}{number}","name":"{name}"}}'
