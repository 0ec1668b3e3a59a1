"""The names and numbers that recorders, EDF, DICOM, XML, SCP-ECG, ISHNE and PhysioNet give to the twelve leads."""

import re
from collections.abc import Iterable

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
NUMBERS = {1: "I", 2: "II", 61: "III", 62: "aVR", 63: "aVL", 64: "aVF"}  # of ISO 11073: SCP-ECG, MDC and DICOM
NUMBERS |= {number + 2: f"V{number}" for number in range(1, 7)}
ISHNE_NUMBERS = dict(enumerate(LEADS, 5))  # 1 to 4 are leads of other systems
CODE = re.compile(r"(?:2:|5\.6\.3-9-)(\d+)")  # DICOM's CID 3001: "2:1" of MDC, and "5.6.3-9-1" of SCPECG before
UNSPECIFIED = 0  # of NUMBERS: a lead without a number
COMMENT = re.compile(r"\s*[#(\[{].*|,\s*augmented\b.*")  # "V1 # noisy", "Lead I (Einthoven)", "aVR, augmented voltage"
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


def coded_lead(code: str, names: Iterable[str]) -> str | None:
    """The one of LEADS that a code of DICOM's context group 3001 means; without a code, the first of ``names`` decides.

    A code of another lead is believed, whatever the names are: they are free text.

    >>> coded_lead("2:62", []), coded_lead("5.6.3-9-3", ["x"]), coded_lead("2:31", ["I"]), coded_lead("", ["", "II"])
    ('aVR', 'V1', None, 'II')
    """
    match = CODE.fullmatch(code.strip())
    if match and int(match.group(1)) != UNSPECIFIED:
        return NUMBERS.get(int(match.group(1)))
    return next(filter(None, map(canonical_lead, names)), None)


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
