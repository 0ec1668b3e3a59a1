"""Philips: restingecgdata in XML (SierraECG and PhilipsECG, versions 1.03 and 1.04).

The waveforms are base64 or plain numbers, as they are or compressed by XLI: LZW with 10-bit codes, then second
differences, and the leads III to aVF as what remains beyond their computation from I and II. The resolution is in uV by
the format. sierraecg on PyPI is not used: see docs/formats.md.
"""

import binascii
import re
import struct
from collections.abc import Sequence
from xml.etree.ElementTree import Element

import numpy as np

from ecg.data.comments import parse_sex
from ecg.data.formats.common import require_timing, to_float, to_years, years_between
from ecg.data.formats.physical import PhysicalRecording, require_leads
from ecg.data.lead_names import LEADS, canonical_leads
from ecg.errors import RecordError

LONGEST_RESTING = 3600.0  # seconds; a small file could decompress to more
CODE_BITS = 10
LAST_CODE = (1 << CODE_BITS) - 2  # the one above it ends a lead
STANDARD = ("STD-12", "10-WIRE")  # acquisitions whose leads need no names


def read_philips(place: str, root: Element) -> PhysicalRecording:
    """Read the rhythm of the file ``place`` with this ``root``."""
    waveforms, facts = root.find(".//parsedwaveforms"), root.find("dataacquisition/signalcharacteristics")
    if waveforms is None:
        raise RecordError(f"{place}: holds no waveforms; export the ECG with them")
    if facts is None:
        facts = Element("none")
    rate = to_float(waveforms.get("samplespersecond") or facts.findtext("samplingrate"))
    samples = round(to_float(waveforms.get("durationperchannel")) * rate / 1000)  # the duration is in ms
    require_timing(place, rate, samples)
    if samples > LONGEST_RESTING * rate:
        raise RecordError(f"{place}: lasts {samples / rate / 3600:.0f} hours, more than any resting ECG")
    names = _names(waveforms, facts)
    rows = require_leads(names, place)
    texts = (waveforms.get("resolution"), facts.findtext("resolution"), facts.findtext("signalresolution"))
    resolution = to_float(next(filter(None, texts), None))
    if not 0 < resolution < np.inf:
        raise RecordError(f"{place}: does not say its resolution; export it with its calibration")
    zero = to_float(waveforms.get("signaloffset") or facts.findtext("signaloffset"), 0.0)
    counts = _counts(place, waveforms, facts, names, samples)
    return PhysicalRecording(
        leads=list(rows),
        rate=rate,
        microvolts=(counts[list(rows.values())] - zero) * resolution,
        age=_age(root),
        sex=parse_sex(root.findtext("patient/generalpatientdata/sex") or ""),
        diagnoses=(),
        channels=names,
    )


def _names(waveforms: Element, facts: Element) -> list[str]:
    names = re.findall(r"[^\s,;]+", waveforms.get("leadlabels", ""))
    if not names and (facts.findtext("acquisitiontype") or "").strip() in STANDARD:
        names = list(LEADS)
    count = int(waveforms.get("numberofleads") or facts.findtext("numberchannelsallocated") or len(names))
    return names[:count]


def _counts(place: str, waveforms: Element, facts: Element, names: Sequence[str], samples: int) -> np.ndarray:
    """The values (leads, samples)."""
    encoding, text = (waveforms.get("dataencoding") or "").lower(), waveforms.text or ""
    packing = waveforms.get("compression") or waveforms.get("compressmethod") or ""
    if (waveforms.get("compressflag") or "").lower() == "false" or packing.lower() in ("uncompressed", "none"):
        packing = ""
    if packing.upper() == "XLI" and encoding == "base64":
        return _xli(place, binascii.a2b_base64(text), names, samples)
    if packing or encoding not in ("base64", "plain"):
        raise RecordError(f"{place}: its waveforms are {encoding:.20} {packing:.20}; export them uncompressed")
    if encoding == "plain":
        values = np.array(text.split(), np.float64)
    else:
        signed = (waveforms.get("signalsigned") or facts.findtext("signalsigned") or "").lower() != "false"
        data = binascii.a2b_base64(text)
        values = np.frombuffer(data[: len(data) // 2 * 2], "<i2" if signed else "<u2").astype(np.float64)
    if len(values) < len(names) * samples:
        raise RecordError(f"{place}: says {samples} samples of {len(names)} leads, it has fewer; copy it again")
    return values[: len(names) * samples].reshape(len(names), samples)


def _xli(place: str, data: bytes, names: Sequence[str], samples: int) -> np.ndarray:
    if canonical_leads(names[:6]) != list(LEADS[:6]):
        raise RecordError(f"{place}: its compressed leads do not begin with I to aVF; export them uncompressed")
    leads, offset = [], 0
    for name in names:
        size, start = struct.unpack_from("<i2xh", data, offset)
        offset += 8
        if size < 0 or offset + size > len(data):
            raise RecordError(f"{place}: lead {name:.10} is cut off; copy it again")
        unpacked = _lzw(data[offset : offset + size], 4 * samples + 65536)
        offset += size
        if len(unpacked) < 2 * samples or samples < 2:
            raise RecordError(f"{place}: lead {name:.10} has fewer than {samples} samples; copy it again")
        leads.append(_integrate(unpacked, start)[:samples])
    i, ii, iii, avr, avl, avf = leads[:6]
    iii = ii - i - iii
    leads[2:6] = iii, -avr - (i + ii) // 2, (i - iii) // 2 - avl, (ii + iii) // 2 - avf
    return np.array(leads)


def _lzw(data: bytes, most: int) -> bytes:
    """``data`` decompressed. Raises ValueError if it is damaged, or has more than ``most`` bytes."""
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    codes = bits[: len(bits) // CODE_BITS * CODE_BITS].reshape(-1, CODE_BITS) @ (1 << np.arange(CODE_BITS)[::-1])
    strings = [bytes([code]) for code in range(256)]
    previous, parts, size = b"", [], 0
    for code in codes.tolist():
        if code > LAST_CODE:
            break
        if code < len(strings):
            string = strings[code]
        elif previous and code == len(strings):
            string = previous + previous[:1]
        else:
            raise ValueError("a code before its string")
        if previous and len(strings) <= LAST_CODE:
            strings.append(previous + string[:1])
        previous = string
        parts.append(string)
        size += len(string)
        if size > most:
            raise ValueError("more than was claimed")
    return b"".join(parts)


def _integrate(unpacked: bytes, start: int) -> np.ndarray:
    """Samples from their second differences, shifted by 64 and by a sample: first all high bytes, then the low ones."""
    half = (len(unpacked) + 1) // 2
    high, low = (np.frombuffer(part, np.uint8) for part in (unpacked[:half], unpacked[half:].ljust(half, b"\0")))
    stored = ((high.astype(np.uint16) << 8) | low).view(np.int16).astype(np.int64)
    bends = -np.concatenate([[start], stored[2:-1] - 64])
    slopes = np.cumsum(np.concatenate([[stored[1] - stored[0]], bends]))
    return stored[0] + np.concatenate([[0], np.cumsum(slopes)])


def _age(root: Element) -> float | None:
    """The age, or else the whole years since birth. @defaultage is a setting of the device, not the patient's."""
    patient = root.find("patient/generalpatientdata")
    if patient is None:
        return None
    years = (patient.findtext("age/years") or "").strip()
    if years.isdecimal():
        return to_years(float(years), "y")
    if (months := (patient.findtext("age/months") or "").strip()).isdecimal():
        return to_years(float(months), "m")
    born = patient.findtext("age/dateofbirth") or patient.findtext("dateofbirth") or ""
    acquisition = root.find("dataacquisition")
    return years_between(born, "" if acquisition is None else acquisition.get("date", ""))
