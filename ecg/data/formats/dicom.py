"""DICOM waveforms: 12-lead, general and ambulatory ECG, read by pydicom.

A file holds several multiplex groups: as a rule the rhythm, and one averaged beat. Read is the group with the most of
the twelve leads; of equal ones the original before a derived one, then the longest. Groups of the same time, rate and
length are read together. A beat averaged by the recorder is never read: its second has no rhythm. Statements are free
text and are not mapped to diagnoses.
"""

import math
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ecg.data.comments import parse_sex
from ecg.data.formats.common import BEAT, refuse_damage, require_timing, to_years, years_between
from ecg.data.formats.physical import PhysicalRecording, microvolts_per, require_leads, require_voltages
from ecg.data.lead_names import coded_lead, find_leads
from ecg.data.wfdb_files import LARGEST_SIGNAL
from ecg.errors import RecordError
from ecg.files import read_bytes

SAMPLES = {  # numpy's types by bits and interpretation; DICOM's others are compressed logarithmically
    (8, "SB"): "i1",
    (8, "UB"): "u1",
    (16, "SS"): "i2",
    (16, "US"): "u2",
    (32, "SL"): "i4",
    (32, "UL"): "u4",
    (64, "SV"): "i8",
    (64, "UV"): "u8",
}
DEFLATED = b"1.2.840.10008.1.2.1.99"  # the transfer syntax
META_START, META_LENGTH = 144, 140  # after the preamble and the element that holds the length of the file's description


def read_dicom(path: Path) -> PhysicalRecording:
    """Read the ECG of a DICOM file, in any transfer syntax that waveforms have.

    Raises RecordError if it is damaged, holds no ECG, or a lead's unit is no voltage.
    """
    import pydicom

    content = read_bytes(path, LARGEST_SIGNAL)
    if content[128:132] != b"DICM":
        raise RecordError(f"{path}: is not a DICOM file (no DICM at byte 128); export it again")
    with refuse_damage(path, "DICOM"):
        _require_small(path, content)
        pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE  # no warnings of names and identifiers
        dataset = pydicom.dcmread(BytesIO(content), stop_before_pixels=True)
        return _to_recording(str(path), dataset)


def _require_small(path: Path, content: bytes) -> None:
    """Raises RecordError if a deflated file would become larger than any recording."""
    start = META_START + int.from_bytes(content[META_LENGTH:META_START], "little")
    if DEFLATED not in content[:start]:
        return
    inflater, size, rest = zlib.decompressobj(-zlib.MAX_WBITS), 0, content[start:]
    while rest and not inflater.eof:
        size += len(inflater.decompress(rest, 1 << 20))
        rest = inflater.unconsumed_tail
        if size > LARGEST_SIGNAL or size > 1000 * len(content):
            raise RecordError(f"{path}: would inflate to more than any such file; export it uncompressed")


def _to_recording(place: str, dataset: Any) -> PhysicalRecording:
    groups = _choose_groups(place, dataset)
    channels = [(group, row) for group in groups for row in range(len(group.ChannelDefinitionSequence))]
    names = [name for group in groups for name in _channel_names(group)]
    rows = require_leads(names, place)
    rate, samples = float(groups[0].SamplingFrequency), int(groups[0].NumberOfWaveformSamples)
    require_timing(place, rate, samples)
    little = dataset.original_encoding[1] is not False
    microvolts = [_microvolts(place, *channels[index], little) for index in rows.values()]
    return PhysicalRecording(
        leads=list(rows),
        rate=rate,
        microvolts=np.array(microvolts),
        age=_age(dataset),
        sex=parse_sex(str(dataset.get("PatientSex") or "")),
        diagnoses=(),
        channels=names,
    )


def _choose_groups(place: str, dataset: Any) -> list[Any]:
    """The group to read, and those beside it in time."""
    groups = list(dataset.get("WaveformSequence") or [])
    if not groups:
        kind = getattr(dataset.get("SOPClassUID"), "name", "of no class")
        raise RecordError(f"{place}: holds no waveforms ({kind:.80}); give the DICOM file of the ECG itself")
    rhythms = [group for group in groups if not BEAT.search(str(group.get("MultiplexGroupLabel") or ""))]
    if not rhythms:
        raise RecordError(f"{place}: holds averaged beats only; export the rhythm")

    def rank(group: Any) -> tuple[int, bool, float]:
        leads = len(find_leads(_channel_names(group)))
        seconds = int(group.NumberOfWaveformSamples) / float(group.SamplingFrequency)
        return leads, group.get("WaveformOriginality") != "DERIVED", seconds

    def timing(group: Any) -> tuple[float, int, float]:
        offset = float(group.get("MultiplexGroupTimeOffset") or 0)
        return float(group.SamplingFrequency), int(group.NumberOfWaveformSamples), offset

    chosen = max(rhythms, key=rank)
    together = [chosen, *(one for one in rhythms if one is not chosen and timing(one) == timing(chosen))]
    leads = find_leads(name for group in together for name in _channel_names(group))
    others = find_leads(name for group in rhythms for name in _channel_names(group)).keys() - leads.keys()
    if others and len(others) >= len(leads):  # as on paper of four columns; one lead less is only noted
        named = f"{', '.join(leads)}, and {', '.join(sorted(others))}"
        reason = f"its leads are of different times, rates or lengths ({named}); export the whole rhythm of every lead"
        raise RecordError(f"{place}: {reason}")
    return together


def _channel_names(group: Any) -> list[str]:
    """One of LEADS for each channel, or else what the file calls it, in brackets so that it is never taken for one."""
    names = []
    for channel in group.ChannelDefinitionSequence:
        source = (channel.get("ChannelSourceSequence") or [{}])[0]
        texts = [str(source.get("CodeMeaning") or ""), str(channel.get("ChannelLabel") or "")]
        code = str(source.get("CodeValue") or "")
        names.append(coded_lead(code, texts) or f"[{next(filter(None, [*texts, code]), 'no name')}]")
    return names


def _microvolts(place: str, group: Any, row: int, little: bool) -> np.ndarray:
    """The samples of one channel."""
    channel = group.ChannelDefinitionSequence[row]
    unit = _unit(place, channel)
    require_voltages(place, [unit])
    gain, baseline = _scale(place, channel)
    values = _values(place, group, little)
    microvolts = (values[:, row] * gain + baseline) * microvolts_per(unit)
    if (padding := _padding(group, values.dtype)) is not None:
        microvolts[values[:, row] == padding] = np.nan
    return microvolts


def _unit(place: str, channel: Any) -> str:
    units = channel.get("ChannelSensitivityUnitsSequence")
    if not units or channel.get("ChannelSensitivity") is None:
        raise RecordError(f"{place}: a lead has no sensitivity or no unit; export it with its calibration")
    return str(units[0].CodeValue)


def _scale(place: str, channel: Any) -> tuple[float, float]:
    """What one step of a channel is, and what its zero is, in the channel's unit."""
    factor, baseline = (
        channel.get(key, default)
        for key, default in (("ChannelSensitivityCorrectionFactor", 1), ("ChannelBaseline", 0))
    )
    gain = float(channel.ChannelSensitivity) * float(1 if factor is None else factor)
    offset = float(0 if baseline is None else baseline)
    if not gain or not math.isfinite(gain) or not math.isfinite(offset):
        raise RecordError(f"{place}: a lead has the sensitivity {gain:g}; export it with its calibration")
    return gain, offset


def _values(place: str, group: Any, little: bool) -> np.ndarray:
    """The values (samples, channels) as they are stored."""
    samples, channels = int(group.NumberOfWaveformSamples), len(group.ChannelDefinitionSequence)
    bits, kind = int(group.WaveformBitsAllocated), str(group.WaveformSampleInterpretation)
    if (bits, kind) not in SAMPLES:
        raise RecordError(f"{place}: has {bits}-bit samples of type {kind:.8}; export it with linear samples")
    dtype = np.dtype(SAMPLES[bits, kind]).newbyteorder("<" if little else ">")
    claimed, data = int(group.NumberOfWaveformChannels), group.WaveformData
    if claimed != channels:
        raise RecordError(f"{place}: says {claimed} channels and defines {channels}; export it again")
    if len(data) < samples * channels * dtype.itemsize:
        raise RecordError(f"{place}: says {samples} samples, its waveform is shorter; copy it again")
    return np.frombuffer(data, dtype, samples * channels).reshape(samples, channels)


def _padding(group: Any, dtype: np.dtype) -> np.generic | None:
    value = group.get("WaveformPaddingValue")
    if not isinstance(value, bytes) or len(value) < dtype.itemsize:
        return None
    return np.frombuffer(value, dtype, 1)[0]


def _age(dataset: Any) -> float | None:
    age = str(dataset.get("PatientAge") or "").strip()
    if age[:-1].isdecimal() and (years := to_years(float(age[:-1]), age[-1])) is not None:
        return years
    if age.isdecimal():  # without the unit that the standard asks for
        return to_years(float(age), "y")
    dates = ("AcquisitionDateTime", "AcquisitionDate", "ContentDate", "SeriesDate", "StudyDate")
    recorded = next((dataset.get(key) for key in dates if dataset.get(key)), "")
    return years_between(str(dataset.get("PatientBirthDate") or ""), str(recorded))
