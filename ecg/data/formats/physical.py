"""A recording in physical units, as the readers of other formats return it."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ecg.data.lead_names import find_leads
from ecg.errors import RecordError

LONGEST = 48 * 3600.0  # seconds; a longer recording would fill the memory
PREFIXES = {"": 1e6, "m": 1e3, "milli": 1e3, "u": 1.0, "µ": 1.0, "μ": 1.0, "micro": 1.0, "n": 1e-3, "nano": 1e-3}
UNIT = re.compile(r"(milli|micro|nano|[muµμn]?)[ _-]?(v|volts?)(?:\s*(?:/|per)\s*(?:lsb|bit|count|adu|digit))?")


@dataclass(frozen=True)
class PhysicalRecording:
    """One recording in microvolts; ``age`` and ``sex`` are None if unknown.

    ``samples`` is the number of samples that the file claims: more than it has if it is cut short. None: no claim.
    ``channels`` are the names of all signals in the file, those that ``leads`` lacks too. None: there are no others.
    """

    leads: Sequence[str]
    rate: float  # Hz
    microvolts: np.ndarray  # (leads, samples), NaN for a missing sample
    age: float | None  # years
    sex: str | None  # "female" or "male"
    diagnoses: Sequence[str]  # SNOMED CT codes
    samples: int | None = None
    channels: Sequence[str] | None = None


@lru_cache(64)
def microvolts_per(unit: str) -> float:
    """How many microvolts one ``unit`` is, by whatever way people write it; NaN if it is no voltage.

    >>> [microvolts_per(unit) for unit in ("mV", "uV/LSB", "MICROVOLTS", "Volt", "mmHg")]
    [1000.0, 1.0, 1.0, 1000000.0, nan]
    """
    match = UNIT.fullmatch(unit.strip().lower())
    return PREFIXES[match.group(1)] if match else math.nan


def require_leads(names: Sequence[str], place: str) -> dict[str, int]:
    """``find_leads(names)``. Raises RecordError if none of the twelve leads is there."""
    rows = find_leads(names)
    if not rows:
        raise RecordError(f"{place}: has none of the twelve leads (it has {', '.join(names) or 'no signals'})")
    return rows


def require_voltages(place: str, units: Sequence[str]) -> None:
    """Raises RecordError if one of the ``units`` is not a voltage."""
    if unknown := [unit for unit in units if math.isnan(microvolts_per(unit))]:
        raise RecordError(f"{place}: a lead's unit {unknown[0]:.20} is not a voltage; correct the header")
