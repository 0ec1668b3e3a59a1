"""The names that recorders, EDF, DICOM and PhysioNet's databases give to the twelve leads."""

import re
from collections.abc import Iterable

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
COMMENT = re.compile(r"\s*[#(\[{].*")  # "V1 # noisy", "V1 (filtered)"
PREFIX = re.compile(
    r"^(mdc[ _])?(ecg[ _])?(lead|ecg|ekg)[ _:-]*|^mdc[ _](ecg[ _])?", re.IGNORECASE
)  # "MDC_ECG_LEAD_V1"
REFERENCE = re.compile(r"[ _-]+ref(erence)?$", re.IGNORECASE)  # "V1-Ref", in EDF files
_CANONICAL = {lead.lower(): lead for lead in LEADS}
_CANONICAL |= {f"c{number}": f"V{number}" for number in range(1, 7)}  # IEC 60601-2-25 calls chest lead V1 "C1"
_CANONICAL |= {f"d{lead.lower()}": lead for lead in LEADS[:3]}  # "DI" for lead I, in Romance languages


def canonical_lead(name: str) -> str | None:
    """The one of LEADS that ``name`` means, or None: another lead, or no lead at all.

    >>> [canonical_lead(name) for name in ("v1", "Lead II", "MDC_ECG_LEAD_AVR", "C6", "EKG I-Ref", "MLII")]
    ['V1', 'II', 'aVR', 'V6', 'I', None]
    """
    name = REFERENCE.sub("", COMMENT.sub("", name.strip()).strip())
    return _CANONICAL.get(name.lower()) or _CANONICAL.get(PREFIX.sub("", name, count=1).strip().lower())


def find_leads(names: Iterable[str]) -> dict[str, int]:
    """The row of each of LEADS that ``names`` contains, in the order of LEADS; the first row if it is repeated.

    >>> find_leads(["v1", "AVR", "V1", "pleth"])
    {'aVR': 1, 'V1': 0}
    """
    rows: dict[str, int] = {}
    for row, name in enumerate(names):
        if lead := canonical_lead(name):
            rows.setdefault(lead, row)
    return {lead: rows[lead] for lead in LEADS if lead in rows}
