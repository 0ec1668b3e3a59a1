"""HL7 aECG, the annotated ECG of the FDA: AnnotatedECG in XML (HL7 v3, PORT_MT020001).

A rhythm series holds sequence sets: one sequence of times, one of each lead with an origin, a scale, and digits.
Derived series hold averaged beats and are not read. Of several sets the one with the most leads is read, of equal ones
the longest. Sets of one series with the same time, rate and length are read together.
"""

from xml.etree.ElementTree import Element

import numpy as np

from ecg.data.comments import parse_sex
from ecg.data.formats.common import BEAT, require_timing, to_float, to_years, years_between
from ecg.data.formats.physical import PhysicalRecording, microvolts_per, require_leads, require_voltages
from ecg.data.lead_names import find_leads
from ecg.errors import RecordError

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}  # per UCUM unit
AGE = "21612-7"  # LOINC: reported age


def read_aecg(place: str, root: Element) -> PhysicalRecording:
    """Read the rhythm of the file ``place`` with this ``root``."""
    series = [one for one in root.findall("component/series") if not BEAT.search(_attribute(one, "code", "code"))]
    sets = {one: rhythm for rhythm in series for one in rhythm.findall("component/sequenceSet")}
    if not sets:
        raise RecordError(f"{place}: holds no rhythm; export the ECG with its waveforms")

    def rank(one: Element) -> tuple[int, int]:
        digits = one.find("component/sequence/value/digits")
        return len(find_leads(_lead_sequences(one))), len((digits.text if digits is not None else None) or "")

    chosen = max(sets, key=rank)
    sequences = _lead_sequences(chosen)
    for other in sets:
        if sets[other] is sets[chosen] and _timing(other) == _timing(chosen):
            sequences = {**_lead_sequences(other), **sequences}
    rows = require_leads(list(sequences), place)
    leads = {lead: list(sequences.values())[row] for lead, row in rows.items()}
    signals = [_microvolts(place, value) for value in leads.values()]
    lengths = {len(signal) for signal in signals}
    if len(lengths) > 1:
        raise RecordError(f"{place}: its leads have different numbers of samples; copy or export it again")
    rate = _rate(place, chosen)
    require_timing(place, rate, lengths.pop())
    person = root.find(".//subjectDemographicPerson")
    return PhysicalRecording(
        leads=list(leads),
        rate=rate,
        microvolts=np.array(signals),
        age=_age(root, "" if person is None else _attribute(person, "birthTime", "value")),
        sex=None if person is None else parse_sex(_attribute(person, "administrativeGenderCode", "code")),
        diagnoses=(),
        channels=list(sequences),
    )


def _timing(sequence_set: Element) -> tuple[str | None, ...]:
    """The beginning, the sampling interval, and the number of samples of a set: sets of the same are read together."""
    head, increment = (sequence_set.find(f"component/sequence/value/{name}") for name in ("head", "increment"))
    digits = sequence_set.findtext("component/sequence/value/digits") or ""
    times = [None if one is None else f"{one.get('value')} {one.get('unit')}" for one in (head, increment)]
    return *times, str(len(digits.split()))


def _attribute(element: Element, path: str, name: str) -> str:
    found = element.find(path)
    return "" if found is None else found.get(name, "")


def _lead_sequences(sequence_set: Element) -> dict[str, Element]:
    """The value of each sequence with digits, by the sequence's code; the first one if it is repeated."""
    values: dict[str, Element] = {}
    for sequence in sequence_set.findall("component/sequence"):
        value = sequence.find("value")
        if value is not None and value.find("digits") is not None:
            values.setdefault(_attribute(sequence, "code", "code"), value)
    return values


def _microvolts(place: str, value: Element) -> np.ndarray:
    scale, unit = to_float(_attribute(value, "scale", "value")), _attribute(value, "scale", "unit")
    origin, origin_unit = to_float(_attribute(value, "origin", "value"), 0.0), _attribute(value, "origin", "unit")
    require_voltages(place, [unit, origin_unit] if origin else [unit])
    if not scale or not np.isfinite(scale) or not np.isfinite(origin):
        raise RecordError(f"{place}: a lead has the scale {scale:g}; export it with its calibration")
    text = value.findtext("digits") or ""
    digits = np.fromstring(text, sep=" ") if text.strip() else np.zeros(0)
    offset = origin * microvolts_per(origin_unit) if origin else 0.0
    return digits * (scale * microvolts_per(unit)) + offset


def _rate(place: str, sequence_set: Element) -> float:
    for increment in sequence_set.findall("component/sequence/value/increment"):
        step, unit = to_float(increment.get("value")), increment.get("unit", "")
        if unit in SECONDS and step > 0:
            return round(1 / (step * SECONDS[unit]), 9)
    raise RecordError(f"{place}: does not say its sampling rate (an increment in s, ms or us); export it again")


def _age(root: Element, born: str) -> float | None:
    for observation in root.iter("relatedObservation"):
        value = observation.find("value")
        if _attribute(observation, "code", "code") == AGE and value is not None and value.get("value"):
            return to_years(to_float(value.get("value")), value.get("unit", ""))
    times = (("effectiveTime", "value"), ("effectiveTime/low", "value"), ("effectiveTime/center", "value"))
    return years_between(born, next(filter(None, (_attribute(root, *time) for time in times)), ""))
