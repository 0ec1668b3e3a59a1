"""The names and numbers that recorders, EDF, DICOM, XML, SCP-ECG, ISHNE and PhysioNet give to the twelve leads.

``canonical_leads`` reads the names of one recording together, because some of them mean a lead only beside others.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
NUMBERS = {1: "I", 2: "II", 61: "III", 62: "aVR", 63: "aVL", 64: "aVF"}  # of ISO 11073: SCP-ECG, MDC and DICOM
NUMBERS |= {number + 2: f"V{number}" for number in range(1, 7)}
ISHNE_NUMBERS = dict(enumerate(LEADS, 5))  # 1 to 4 are leads of other systems
CODE = re.compile(r"(?:2:|5\.6\.3-9-)(\d+)")  # DICOM's CID 3001: "2:1" of MDC, and "5.6.3-9-1" of SCPECG before
LONGEST_NAME = 100  # letters that are read
UNSPECIFIED = 0  # of NUMBERS: a lead without a number

WORD = r"(?:lead|ecg|ekg|einthoven|goldberger|wilson|abl(?:eitung|\.)?|afleiding|avledning|导联|"
WORD += r"d[ée]riv(?:ation|aci[óo]n|azione|a[çc][ãa]o|\.)?)"
PREFIX = re.compile(rf"(?:mdc[ _])?(?:ecg[ _])?{WORD}(?:\s*[-_:]\s+|-|[ _:]*)|mdc[ _](?:ecg[ _])?", re.IGNORECASE)
SUFFIX = re.compile(  # "V1-Ref", "V1/mV", "V1 filtered", "V1:"
    rf"(?:[ _/,-]+(?:{WORD}|[muµμ]?v|ref(?:erence)?|filt(?:er|ered)?|raw)|导联|[.:;,+])$", re.IGNORECASE
)
COMMENT = re.compile(r"\s*(?:[#(\[{]|,\s*(?=augmented\b))(.*)", re.DOTALL)  # "V1 # noisy", "Lead I (Einthoven)"
OPPOSITE = re.compile(r"\W*(-|−|inv\w*|neg\w*|rev\w*|opposite)\W*", re.IGNORECASE)  # a comment: the lead upside down
OTHER_LEAD = re.compile(r"(?:lead\W+)?(?:I{1,3}|aV[RLF]|[VC]\d\d?R?|M[CL]L?\w?\d|C[BCMRS]\d|MLII)", re.IGNORECASE)
NAME = re.compile(
    r"(?:[dl][-_ ]?)?(i{1,3})|d[-_ ]?([123])|(?:a[-_ ]?)?v[-_ ]?([rlf])|[vc][-_ ]?0?([1-6])", re.IGNORECASE
)
NUMBERED = re.compile(rf"(?!ecg|ekg){WORD}[-_: ]*([123])", re.IGNORECASE)  # "Lead 1", lead I beside chest leads
CHEST_OF_IEC = re.compile(r"[^(\[{#]*?\bc[-_ ]?0?[1-6]\b", re.IGNORECASE)  # IEC 60601-2-25 calls the chest lead V1 "C1"
OTHER_SIGNAL = re.compile(  # of sleep and brain recordings, where C3 and C4 are places on the head
    r"\W*(?:(?:eeg|eog|emg|loc|roc|chin|snore)\b|(?:fp[12z]|[fpt][3-8z]|[co]z|[oame][12])(?![a-z0-9])|c\d?z?\s*-\s*[amt])",
    re.IGNORECASE,
)


@lru_cache(4096)
def canonical_lead(name: str) -> str | None:
    """The one of LEADS that ``name`` means by itself, or None: another lead, or no lead at all.

    >>> [canonical_lead(name) for name in ("v1", "Lead II", "MDC_ECG_LEAD_AVR", "C6", "EKG I-Ref", "MLII")]
    ['V1', 'II', 'aVR', 'V6', 'I', None]
    >>> [canonical_lead(name) for name in ("V4 (C4)", "V4 (V4R)", "aVR (inverted)", "-aVR")]
    ['V4', None, None, None]
    """
    name = unicodedata.normalize("NFKC", name[:LONGEST_NAME]).strip(" \t\"'")  # the sign Ⅱ is II
    comment = COMMENT.search(name)
    lead = _plain(name[: comment.start()] if comment else name)
    if lead and comment:
        inside = comment.group(1).strip(" )]}")
        other = OTHER_LEAD.fullmatch(inside)
        if OPPOSITE.fullmatch(inside) or other and _plain(inside) != lead:
            return None
    return lead


def _plain(name: str) -> str | None:
    """``canonical_lead`` of a name without a comment."""
    name = SUFFIX.sub("", name.strip())
    prefix = PREFIX.match(name)
    match = NAME.fullmatch(name) or (prefix and NAME.fullmatch(name[prefix.end() :].strip()))
    if not match:
        return None
    limb, number, augmented, chest = match.groups()
    if augmented or chest:
        return f"aV{augmented.upper()}" if augmented else f"V{chest}"
    return limb.upper() if limb else "I" * int(number)


def canonical_leads(names: Iterable[str]) -> list[str | None]:
    """The one of LEADS that each of one recording's ``names`` means, or None.

    C1 to C6 are chest leads if all six and two limb leads are there; or, without signals of the brain, eyes or muscles,
    if all six are there, or some beside a limb lead. C3 and C4 alone are places on the head. "Lead 1" is lead I beside
    leads that are named as usual.

    >>> canonical_leads(["Lead 1", "aVF", "C1"]), canonical_leads(["ECG II", "C3", "C4", "O1"])
    (['I', 'aVF', 'V1'], ['II', None, None, None])
    """
    return list(_canonical_leads(tuple(names)))


@lru_cache(1024)  # most recordings of a folder have the same names
def _canonical_leads(names: tuple[str, ...]) -> tuple[str | None, ...]:
    leads = [canonical_lead(name) for name in names]
    iec = [lead is not None and bool(CHEST_OF_IEC.match(name[:LONGEST_NAME])) for lead, name in zip(leads, names)]
    usual = {lead for lead, of_iec in zip(leads, iec) if lead and not of_iec}
    chest = {lead for lead, of_iec in zip(leads, iec) if of_iec}
    limb, all_six = usual & set(LEADS[:6]), chest == set(LEADS[6:])
    beside_others = any(OTHER_SIGNAL.match(name[:LONGEST_NAME]) for name in names)
    is_ecg = all_six and len(limb) > 1 or not beside_others and (all_six or limb and not chest <= {"V3", "V4"})
    if not is_ecg:
        leads = [None if of_iec else lead for lead, of_iec in zip(leads, iec)]
    if any(leads) and not usual & set(LEADS[:3]):
        numbered = [NUMBERED.fullmatch(name[:LONGEST_NAME].strip()) for name in names]
        leads = [lead or (match and "I" * int(match.group(1))) for lead, match in zip(leads, numbered)]
    return tuple(leads)


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
    for row, lead in enumerate(canonical_leads(names)):
        if lead:
            rows.setdefault(lead, row)
    return {lead: rows[lead] for lead in LEADS if lead in rows}


def left_out(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """What of ``names`` is not used: the names that mean none of LEADS, and those of LEADS that are repeated.

    >>> left_out(["v1", "AVR", "V1", "pleth"])
    (['pleth'], ['V1'])
    """
    leads = canonical_leads(names)
    return [name for name, lead in zip(names, leads) if lead is None], [lead for lead in LEADS if leads.count(lead) > 1]
