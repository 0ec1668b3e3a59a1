"""What the readers of hospitals' formats share: refusals, ages, and limb leads that a format leaves to be computed."""

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import numpy as np

from ecg.data.comments import OLDEST
from ecg.data.header import SLOWEST
from ecg.data.lead_names import LEADS
from ecg.errors import EntryError, RecordError

BEAT = re.compile(  # one averaged beat, no rhythm; but not "72 beats/min"
    r"median|average|(?<![a-z])mean(?![a-z])|representative|template|beat(?!s|\s*(?:/|per))", re.IGNORECASE
)
FASTEST = 1e5  # Hz; a higher rate is a damaged number
YEARS = {"y": 1.0, "a": 1.0, "m": 1 / 12, "w": 7 / 365.25, "d": 1 / 365.25, "h": 1 / 8766}  # by the unit's first letter
DATE = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)")


@contextmanager
def refuse_damage(path: Path, format: str) -> Iterator[None]:
    """Turn any error into a RecordError. It names the error's type only: a message could quote a patient's name."""
    try:
        yield
    except (EntryError, ModuleNotFoundError):  # the second is no defect of the file: a package has to be installed
        raise
    except Exception as error:
        reason = f"is damaged, or not in the {format} format ({type(error).__name__}); export or copy it again"
        raise RecordError(f"{path}: {reason}") from error


def to_float(text: str | None, default: float = math.nan) -> float:
    """The number in ``text``, with a decimal point or comma; ``default`` for a missing or empty text."""
    return float(text.replace(",", ".")) if text and text.strip() else default


def require_timing(place: str, rate: float, samples: int) -> None:
    """Raises RecordError if the rate is impossible, or the recording is empty or longer than any that is read."""
    from ecg.data.record import LONGEST  # record.py imports the formats

    if not SLOWEST <= rate <= FASTEST:
        raise RecordError(f"{place}: has a sampling rate of {rate:g} Hz; export it again")
    if samples < 1:
        raise RecordError(f"{place}: has no samples")
    if samples > LONGEST * rate:
        raise RecordError(f"{place}: lasts {samples / rate / 3600:.0f} hours; cut it into pieces")


def to_years(value: float, unit: str) -> float | None:
    """An age in years; None if the unit is missing or unknown, or nobody is so old.

    >>> to_years(45, "Y"), to_years(6, "MONTHS"), to_years(45, "")
    (45.0, 0.5, None)
    """
    years = value * YEARS.get(unit.strip()[:1].lower(), np.nan)
    return years if 0 <= years <= OLDEST else None


def years_between(born: str, recorded: str) -> float | None:
    """Whole years between two dates that begin as 20010304 or 2001-03-04; None if they give no age.

    >>> years_between("19600305", "2001-03-04T10:15"), years_between("", "20010304")
    (40.0, None)
    """
    found = [DATE.match(text.strip()) for text in (born, recorded)]
    try:
        first, last = (date(*map(int, match.groups())) for match in found if match)
    except ValueError:  # one is missing, or is no date
        return None
    return to_years(last.year - first.year - ((last.month, last.day) < (first.month, first.day)), "y")


def with_limb_leads(rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """``rows`` by lead, with III, aVR, aVL and aVF computed from I and II where they are missing; in LEADS' order."""
    complete = dict(rows)
    if "I" in rows and "II" in rows:
        one, two = rows["I"], rows["II"]
        computed = {"III": two - one, "aVR": -(one + two) / 2, "aVL": one - two / 2, "aVF": two - one / 2}
        complete = computed | complete
    return {lead: complete[lead] for lead in LEADS if lead in complete}
