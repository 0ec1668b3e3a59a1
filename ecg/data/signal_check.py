"""Is this signal an ECG, and what is unusual about it? Training, running, importing and check_data all ask here.

The network's unit is the count, 1 uV in the Challenge's data. A signal in another unit gives other labels without any
error, so a signal far outside the usual heights is refused. In 2,457 recordings of six hospitals (PTB-XL and the five
other sources of 2020 and 2021) the height, as ``signal_height`` measures it, was 293 to 4,027 counts.
"""

import math
from collections.abc import Sequence

import numpy as np

from ecg.data.formats.physical import microvolts_per
from ecg.data.header import Header, parse_header
from ecg.data.lead_names import LEADS, find_leads, left_out
from ecg.data.preprocessing import bridge_gaps
from ecg.data.record import INVALID, MOST_CLIPPED, Record, make_record
from ecg.errors import EntryError, RecordError

USUAL_HEIGHTS = (250, 6_000)  # counts; outside, the recording has a warning
POSSIBLE_HEIGHTS = (30, 20_000)  # counts; outside, it is refused
SHORT = 5.0  # seconds
SAMPLES = 1000  # of each lead that measure the height

REFUSED = {  # finding: what to do. Such a recording is no ECG that the networks could read
    "no valid sample": "export it again",
    "all leads flat": 'check the electrodes and the unit: pass units="mV" to run_model if the signal is in millivolts',
    "clipped": "export it in counts of 1 uV that fit into 16 bits",
    "height": 'name the unit in run_model (units="mV"), or correct the header and use tools/import_records.py files',
}
WARNED = {  # finding: how this entry handles it
    "flat leads": "used as they are; a limb lead of zeros is computed if two others are present",
    "missing leads": "limb leads are computed if two others are present; all other leads are zero",
    "unknown leads": "dropped",
    "duplicate leads": "the first one is used",
    "missing samples": "interpolated linearly",
    "clipped samples": "used as they are, clipped to 16 bits",
    "more than 16 bits": "converted to microvolts by the header's gains, baselines and units",
    "other gain": "used as it is, 1 count as 1 uV; if the header is right, use tools/import_records.py files",
    "large offset": "subtracted: the lead's median",
    "unusual height": "used as it is, 1 count as 1 uV; convert the file if it has another unit",
    "short recording": "padded with zeros",
    "length mismatch": "skipped in training and not imported; the driver uses the whole signal",
}
Finding = tuple[str, str]  # a key of REFUSED or WARNED, and a detail


def require_ecg(record: Record, place: str) -> list[str]:
    """The warnings about a recording, such as "flat leads: V1". ``place`` names it in errors.

    Raises RecordError if the signal is no ECG, with the reason and what to do.
    """
    findings = signal_findings(record)
    for finding, detail in findings:
        if finding in REFUSED:
            raise RecordError(f"{place}: not an ECG: {detail or finding}; {REFUSED[finding]}")
    return [f"{finding}: {detail}" for finding, detail in findings]


def signal_findings(record: Record) -> list[Finding]:
    """What is unusual about the signal of ``record``; a finding of REFUSED comes alone."""
    counts = record.counts if record.mask.all() else record.counts[record.mask]  # no copy of a long recording
    leads = np.array(LEADS)[record.mask]
    invalid = counts == INVALID
    if invalid.all():
        return [("no valid sample", "")]
    low, high = _extremes(counts, invalid)
    flat = low >= high  # also a lead without a valid sample
    if flat.all():
        return [("all leads flat", "")]
    clipped = np.count_nonzero(counts == 32767) + np.count_nonzero(counts == -32767)
    if clipped > MOST_CLIPPED * counts.size:
        return [("clipped", f"{100 * clipped / counts.size:.0f} % of the samples are at the limit of 16 bits")]
    height = signal_height(counts[~flat] if flat.any() else counts)
    if not POSSIBLE_HEIGHTS[0] <= height <= POSSIBLE_HEIGHTS[1]:
        return [("height", f"its height is {height:,.0f} counts, that of an ECG is about 1,000")]
    findings = []
    if flat.any():
        findings.append(("flat leads", ", ".join(leads[flat])))
    if not record.mask.all():
        findings.append(("missing leads", ", ".join(np.array(LEADS)[~record.mask])))
    unknown, duplicates = left_out(record.channels or record.header.leads)
    if unknown:
        findings.append(("unknown leads", ", ".join(unknown)))
    if duplicates:
        findings.append(("duplicate leads", ", ".join(duplicates)))
    if invalid.any():
        findings.append(("missing samples", f"{100 * invalid.mean():.3g} %"))
    if clipped:
        findings.append(("clipped samples", f"{clipped}"))
    if record.scaled:
        findings.append(("more than 16 bits", "counts beyond 32767"))
    elif gains := _other_gains(record.header):
        findings.append(("other gain", gains))
    if record.centred:
        findings.append(("large offset", ", ".join(record.centred)))
    if not USUAL_HEIGHTS[0] <= height <= USUAL_HEIGHTS[1]:
        findings.append(
            ("unusual height", f"{height:,.0f} counts, usual are {USUAL_HEIGHTS[0]} to {USUAL_HEIGHTS[1]:,}")
        )
    seconds = counts.shape[1] / record.header.rate
    if seconds < SHORT:
        findings.append(("short recording", f"{seconds:.3g} s"))
    if record.header.samples not in (None, counts.shape[1]):
        detail = f"{record.header.samples} samples in the header, {counts.shape[1]} in the signal"
        findings.append(("length mismatch", detail))
    return findings


def _other_gains(header: Header) -> str:
    """The gains of the twelve leads, if one of them is not 1 count per uV; else an empty text."""
    lines = [header.signals[row] for row in find_leads(header.leads).values()]
    if all(line.gain == microvolts_per(line.unit) for line in lines):
        return ""
    return ", ".join(dict.fromkeys(f"{line.gain:g}/{line.unit}" for line in lines))


def _extremes(counts: np.ndarray, invalid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest valid sample of each lead, both (leads,)."""
    high = counts.max(axis=1)  # INVALID is the lowest number
    if not invalid.any():
        return counts.min(axis=1), high
    low = [
        np.where(missing, 32767, lead).min() for lead, missing in zip(counts, invalid)
    ]  # lead by lead: little memory
    return np.array(low), high


def signal_height(counts: np.ndarray) -> float:
    """The span that holds 98 % of a lead's samples, the median over the leads; ``counts`` is (leads, samples)."""
    chosen = counts[:, :: max(1, counts.shape[1] // SAMPLES)]
    if (chosen == INVALID).any():
        chosen = bridge_gaps(chosen)
    last = chosen.shape[1] - 1
    places = (round(0.01 * last), round(0.99 * last))
    ordered = np.partition(chosen, places, axis=1)[:, places].astype(float)
    return float(np.median(ordered[:, 1] - ordered[:, 0]))


def as_counts(recording: np.ndarray, units: str) -> np.ndarray:
    """``recording`` in counts of 1 uV. ``units``: "counts", which changes nothing, or "V", "mV", "uV", "nV".

    Raises EntryError for another unit.
    """
    if units == "counts":
        return recording
    if math.isnan(microvolts_per(units)):
        raise EntryError(f"units {units!r}: none of counts, V, mV, uV, nV")
    return np.asarray(recording, np.float64) * microvolts_per(units)


def make_ecg_record(header: str | Sequence[str], recording: np.ndarray, units: str) -> Record:
    """The Record of a header's text or lines, and a ``recording`` (leads, samples) in ``units`` (``as_counts``).

    Raises RecordError if the two contradict each other, or the signal is no ECG.
    """
    record = make_record(parse_header(header), as_counts(np.asarray(recording), units))
    require_ecg(record, record.header.name)
    return record
