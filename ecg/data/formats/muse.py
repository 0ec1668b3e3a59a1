"""GE MUSE: RestingECG in XML.

The file stores eight leads as 16-bit numbers in base64. III, aVR, aVL and aVF are computed from I and II, as MUSE does:
the computed leads are part of the format. The averaged beat (Median) is not read. The age is PatientAge with its
AgeUnits; birth dates are not used, because the order of their day and month depends on the country.
"""

import binascii
from collections.abc import Sequence
from xml.etree.ElementTree import Element

import numpy as np

from ecg.data.comments import parse_sex
from ecg.data.formats.common import BEAT, require_timing, to_float, to_years, with_limb_leads
from ecg.data.formats.physical import PhysicalRecording, microvolts_per, require_leads
from ecg.errors import RecordError


def read_muse(place: str, root: Element) -> PhysicalRecording:
    """Read the rhythm of the file ``place`` with this ``root``."""
    waveforms = [one for one in root.findall("Waveform") if not BEAT.search(one.findtext("WaveformType") or "")]
    if not waveforms:
        raise RecordError(f"{place}: holds no rhythm; export the ECG with its waveforms")
    waveform = max(waveforms, key=lambda one: sum(len(data.text or "") for data in one.iter("WaveFormData")))
    parts = waveform.findall("LeadData")
    names = [(part.findtext("LeadID") or "").strip() for part in parts]
    rows = require_leads(names, place)
    chosen = [parts[row] for row in rows.values()]
    _require_simultaneous(place, chosen)
    stored = {lead: _microvolts(place, part) for lead, part in zip(rows, chosen)}
    if len({len(signal) for signal in stored.values()}) > 1:
        raise RecordError(f"{place}: its leads have different numbers of samples; copy or export it again")
    leads = with_limb_leads(stored)
    rate = to_float(waveform.findtext("SampleBase")) * 10.0 ** to_float(waveform.findtext("SampleExponent"), 0.0)
    require_timing(place, rate, len(next(iter(leads.values()))))
    patient = root.find("PatientDemographics")
    return PhysicalRecording(
        leads=list(leads),
        rate=rate,
        microvolts=np.array(list(leads.values())),
        age=None if patient is None else _age(patient),
        sex=None if patient is None else parse_sex(patient.findtext("Gender") or ""),
        diagnoses=(),
        channels=names,
    )


def _require_simultaneous(place: str, parts: Sequence[Element]) -> None:
    """Raises RecordError if the leads are of different times, as on paper of four columns."""
    names = ("LeadTimeOffset", "LeadOffsetFirstSample")
    if len({tuple(to_float(part.findtext(name), 0.0) for name in names) for part in parts}) > 1:
        raise RecordError(f"{place}: its leads are not simultaneous; export the whole rhythm of every lead")


def _microvolts(place: str, part: Element) -> np.ndarray:
    unit = (part.findtext("LeadAmplitudeUnits") or "").strip()
    gain, size = to_float(part.findtext("LeadAmplitudeUnitsPerBit")), to_float(part.findtext("LeadSampleSize"), 2.0)
    if np.isnan(microvolts_per(unit)):
        raise RecordError(f"{place}: a lead's unit {unit:.20} is not a voltage; export it with LeadAmplitudeUnits")
    if not np.isfinite(gain) or not gain or size != 2 or to_float(part.findtext("FirstSampleBaseline"), 0.0):
        raise RecordError(f"{place}: a lead has no gain, a baseline, or no 16-bit samples; export it again")
    data = binascii.a2b_base64("".join((part.findtext("WaveFormData") or "").split()), strict_mode=True)
    claimed = part.findtext("LeadSampleCountTotal")
    if len(data) % 2 or (claimed and int(claimed) != len(data) // 2):
        raise RecordError(f"{place}: a lead says {claimed} samples, it holds {len(data) / 2:g}; copy it again")
    return np.frombuffer(data, "<i2") * (gain * microvolts_per(unit))


def _age(patient: Element) -> float | None:
    age = (patient.findtext("PatientAge") or "").strip()
    return to_years(float(age), patient.findtext("AgeUnits") or "") if age.isdecimal() else None
