"""Files of hospitals' formats, as recorders write them: DICOM, HL7 aECG, GE MUSE, Philips, ISHNE and SCP-ECG."""

import base64
import struct
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    TwelveLeadECGWaveformStorage,
    generate_uid,
)

from ecg.data.lead_names import LEADS, NUMBERS
from ecg.errors import RecordError

STORED = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")  # of MUSE and SCP-ECG
NUMBER = {lead: number for number, lead in NUMBERS.items()}
NAME = "Secret^Name"  # the patient's, in every file that is written here


def counts(leads=12, samples=1000, seed=0) -> np.ndarray:
    """Smooth 16-bit counts (leads, samples)."""
    steps = np.random.default_rng(seed).integers(-9, 10, (leads, samples))
    return np.cumsum(steps, axis=1).astype(np.int16)


def limb_leads(stored: np.ndarray) -> np.ndarray:
    """The twelve leads in the order of LEADS, from the eight of STORED."""
    one, two, chest = stored[0].astype(float), stored[1].astype(float), stored[2:]
    limbs = [one, two, two - one, -(one + two) / 2, (2 * one - two) / 2, (2 * two - one) / 2]
    return np.vstack([*limbs, *chest])


def refused(read, path: Path, *words: str):
    with pytest.raises(RecordError) as error:
        read(path)
    message = str(error.value)
    assert str(path) in message and all(word in message for word in words), message
    assert "Secret" not in message and "\n" not in message


def dicom_code(value: str, meaning: str, scheme: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodeMeaning, code.CodingSchemeDesignator = value, meaning, scheme
    return code


def dicom_group(values: np.ndarray, codes, label="RHYTHM", rate=500, unit="uV", gain=2.5, little=True, **changes):
    group = Dataset()
    group.MultiplexGroupLabel, group.WaveformOriginality = label, changes.pop("originality", "ORIGINAL")
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = values.shape
    group.SamplingFrequency = rate
    group.WaveformBitsAllocated = 8 * values.dtype.itemsize
    group.WaveformSampleInterpretation = changes.pop("kind", "SS")
    group.WaveformData = values.T.astype(values.dtype.newbyteorder("<" if little else ">")).tobytes()
    group.ChannelDefinitionSequence = []
    for code in codes:
        channel = Dataset()
        channel.ChannelSourceSequence = [code]
        if unit:
            channel.ChannelSensitivity, channel.ChannelSensitivityCorrectionFactor = gain, 1
            channel.ChannelSensitivityUnitsSequence = [dicom_code(unit, "unit", "UCUM")]
        channel.ChannelBaseline, channel.WaveformBitsStored = 0, 16
        for key, value in changes.items():
            if key.startswith("Channel"):
                setattr(channel, key, value)
        group.ChannelDefinitionSequence.append(channel)
    for key, value in changes.items():
        if not key.startswith("Channel"):
            setattr(group, key, value)
    return group


MDC_CODES = [dicom_code(f"2:{NUMBER[lead]}", "a lead", "MDC") for lead in LEADS]


def write_dicom(path: Path, groups, syntax=ExplicitVRLittleEndian, kind=TwelveLeadECGWaveformStorage, **facts) -> Path:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = kind, generate_uid()
    meta.TransferSyntaxUID = syntax
    dataset = Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID, dataset.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
    facts = {"PatientName": NAME, "PatientAge": "045Y", "PatientSex": "F"} | facts
    for key, value in facts.items():
        setattr(dataset, key, value)
    if groups:
        dataset.WaveformSequence = groups
    dataset.save_as(path, enforce_file_format=True)
    return path


def aecg_sequence(code: str, digits, unit="uV", scale="2.5", origin='<origin value="0" unit="uV"/>') -> str:
    text = "\n".join(map(str, digits))
    return (
        f'<component><sequence><code code="{code}" codeSystemName="MDC"/><value xsi:type="SLIST_PQ">{origin}'
        f'<scale value="{scale}" unit="{unit}"/><digits>{text}</digits></value></sequence></component>'
    )


TIMES = (
    '<component><sequence><code code="TIME_ABSOLUTE"/><value xsi:type="GLIST_TS"><head value="20010304101112"/>'
    '<increment value="{}" unit="{}"/></value></sequence></component>'
)


def aecg(values: np.ndarray, increment=("0.002", "s"), code="RHYTHM", more="", **options) -> str:
    leads = "".join(aecg_sequence(f"MDC_ECG_LEAD_{lead.upper()}", row, **options) for lead, row in zip(LEADS, values))
    beat = "".join(aecg_sequence(f"MDC_ECG_LEAD_{lead.upper()}", row) for lead, row in zip(LEADS, counts(12, 3000, 9)))
    series = f"<component><sequenceSet>{TIMES.format(*increment)}{leads}</sequenceSet></component>"
    derived = f"<component><sequenceSet>{TIMES.format(*increment)}{beat}</sequenceSet></component>"
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<AnnotatedECG xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<effectiveTime><low value="20010304101112.000"/></effectiveTime>
<componentOf><timepointEvent><componentOf><subjectAssignment><subject><trialSubject><subjectDemographicPerson>
<name>{NAME}</name><administrativeGenderCode code="F"/><birthTime value="19600305"/>
</subjectDemographicPerson></trialSubject></subject></subjectAssignment></componentOf></timepointEvent></componentOf>
{more}<component><series><code code="{code}"/>{series}
<derivation><derivedSeries><code code="REPRESENTATIVE_BEAT"/>{derived}</derivedSeries></derivation></series></component>
</AnnotatedECG>"""


def write(path: Path, text: str | bytes, encoding="utf-8") -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


def muse_lead(lead: str, row: np.ndarray, gain="4.88", unit="MICROVOLTS", more="") -> str:
    data = base64.encodebytes(row.astype("<i2").tobytes()).decode()  # in lines, as MUSE writes it
    return (
        f"<LeadData><LeadByteCountTotal>{2 * len(row)}</LeadByteCountTotal><LeadTimeOffset>0</LeadTimeOffset>"
        f"<LeadSampleCountTotal>{len(row)}</LeadSampleCountTotal>"
        f"<LeadAmplitudeUnitsPerBit>{gain}</LeadAmplitudeUnitsPerBit><LeadAmplitudeUnits>{unit}</LeadAmplitudeUnits>"
        f"<LeadID>{lead}</LeadID><FirstSampleBaseline>0</FirstSampleBaseline><LeadSampleSize>2</LeadSampleSize>{more}"
        f"<WaveFormData>\n{data}</WaveFormData></LeadData>"
    )


def muse(
    values: np.ndarray, base=500, exponent=0, leads=STORED, kind="Rhythm", encoding="ISO-8859-1", **options
) -> str:
    rhythm = "".join(muse_lead(lead, row, **options) for lead, row in zip(leads, values))
    beat = "".join(muse_lead(lead, row) for lead, row in zip(leads, counts(8, 600, 9)))
    return f"""<?xml version="1.0" encoding="{encoding}"?>
<!DOCTYPE RestingECG SYSTEM "restecg.dtd">
<RestingECG><PatientDemographics><PatientLastName>{NAME}</PatientLastName><PatientAge>45</PatientAge>
<AgeUnits>YEARS</AgeUnits><DateofBirth>02-01-1980</DateofBirth><Gender>MALE</Gender></PatientDemographics>
<Waveform><WaveformType>Median</WaveformType><SampleBase>500</SampleBase><SampleExponent>0</SampleExponent>{beat}
</Waveform><Waveform><WaveformType>{kind}</WaveformType><SampleBase>{base}</SampleBase>
<SampleExponent>{exponent}</SampleExponent>{rhythm}</Waveform></RestingECG>"""


def lzw(data: bytes) -> bytes:
    """LZW with codes of 10 bits; the table is never cleared, and holds codes up to 1022."""
    table, codes, string = {bytes([code]): code for code in range(256)}, [], b""
    for byte in data:
        longer = string + bytes([byte])
        if longer in table:
            string = longer
            continue
        codes.append(table[string])
        if len(table) < 1023:
            table[longer] = len(table)
        string = bytes([byte])
    codes += [table[string], 1023]
    bits = "".join(f"{code:010b}" for code in codes)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def xli(leads: np.ndarray) -> bytes:
    """The leads in Philips' compression, from its published decoder: bends of the signal, shifted by 64."""
    leads = leads.astype(int)
    i, ii, iii, avr, avl, avf = leads[:6]
    stored = [i, ii, ii - i - iii, -avr - (i + ii) // 2, (i - iii) // 2 - avl, (ii + iii) // 2 - avf, *leads[6:]]
    content = b""
    for lead in stored:
        bends = -np.diff(lead, 2)
        values = np.concatenate([lead[:2], bends[1:] + 64, [64]]).astype(">i2")
        pairs = values.view(np.uint8).reshape(-1, 2)
        packed = lzw(pairs[:, 0].tobytes() + pairs[:, 1].tobytes())
        content += struct.pack("<ihh", len(packed), 0, bends[0]) + packed
    return content


def philips(data: str, samples=1000, attributes='dataencoding="Base64" compression="XLI"', facts="", **options) -> str:
    labels = f'leadlabels="{" ".join(LEADS)}" numberofleads="12"' if options.get("labels", True) else ""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<restingecgdata xmlns="http://www3.medical.philips.com"><documentinfo><documenttype>PhilipsECG</documenttype>
<documentversion>1.04</documentversion></documentinfo><dataacquisition date="2001-03-04"><signalcharacteristics>
<samplingrate>500</samplingrate><acquisitiontype>STD-12</acquisitiontype>
<numberchannelsallocated>12</numberchannelsallocated>{facts or "<resolution>5</resolution>"}
</signalcharacteristics></dataacquisition><patient><generalpatientdata><name><lastname>{NAME}</lastname></name>
{options.get("age", "<age defaultage='50'><dateofbirth>1960-03-05</dateofbirth></age>")}<sex>Female</sex>
</generalpatientdata></patient><waveforms><parsedwaveforms {attributes} {labels} durationperchannel="{samples * 2}">
{data}</parsedwaveforms></waveforms></restingecgdata>"""


def base64_text(data: bytes) -> str:
    return base64.encodebytes(data).decode()


def ishne(values: np.ndarray, codes, resolution=2500, rate=200, claimed=None, sex=2, start=530) -> bytes:
    samples = values.shape[1]
    header = bytearray(start)
    header[:8], header[8:10] = b"ISHNE1.0", b"\x12\x34"  # not the right checksum
    struct.pack_into("<iiiih", header, 10, start - 522, samples if claimed is None else claimed, 522, start, 1)
    header[28 : 28 + len(NAME)] = NAME.encode()
    struct.pack_into("<hh3h3h", header, 128, sex, 0, 5, 3, 1960, 4, 3, 2001)
    struct.pack_into("<h12h", header, 156, len(codes), *codes, *[-9] * (12 - len(codes)))
    struct.pack_into("<12h", header, 206, *[resolution] * len(codes), *[-9] * (12 - len(codes)))
    struct.pack_into("<h", header, 272, rate)
    return bytes(header) + values.T.astype("<i2").tobytes()


def scp_section(number: int, content: bytes, reserved=b"") -> bytes:
    content += bytes(len(content) % 2)
    return struct.pack("<HHIBB6s", 0, number, 16 + len(content), 20, 20, reserved) + content


def scp(sections: dict[int, bytes]) -> bytes:
    """A file with pointers to the sections 0 to 11, whether they are there or not; the first byte is byte 1."""
    built = {number: scp_section(number, content) for number, content in sections.items()}
    index, pointers = 6 + 16 + 10 * 12 + 1, struct.pack("<HII", 0, 16 + 10 * 12, 7)
    for number in range(1, 12):
        size = len(built.get(number, b""))
        pointers += struct.pack("<HII", number, size, index if size else 0)
        index += size
    content = scp_section(0, pointers, b"SCPECG") + b"".join(built.values())
    return struct.pack("<HI", 0, 6 + len(content)) + content


def huffman(values, code=None) -> bytes:
    """The standard's codes, or those of ``code``: bits by value."""
    bits = ""
    for value in values:
        if code:
            bits += code[value]
        elif abs(value) <= 8:
            bits += "0" if value == 0 else "1" * abs(value) + "0" + ("0" if value > 0 else "1")
        elif -128 <= value < 128:
            bits += "1111111110" + f"{value & 0xFF:08b}"
        else:
            bits += "1111111111" + f"{value & 0xFFFF:016b}"
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def differences(row: np.ndarray, order: int) -> list[int]:
    row = row.astype(int)
    return [*row[:order].tolist(), *np.diff(row, order).tolist()]


def scp_content(values, order=0, table: bytes | None = None, code=None, flags=4, bimodal=0, steps=2500, leads=STORED):
    spans = [(1, len(row)) for row in values]
    facts = {0: NAME.encode(), 4: struct.pack("<HB", 45, 1), 8: b"\x01", 255: b""}
    sections = {1: b"".join(struct.pack("<BH", tag, len(value)) + value for tag, value in facts.items())}
    if table is not None:
        sections[2] = table
    numbers = [struct.pack("<IIB", *span, NUMBER[lead]) for span, lead in zip(spans, leads)]
    sections[3] = bytes([len(leads), flags | len(leads) << 3 & 0xF8]) + b"".join(numbers)
    rows = [differences(row, order) for row in values]
    data = [np.array(row, "<i2").tobytes() if table is None else huffman(row, code) for row in rows]
    sizes = struct.pack(f"<{len(data)}H", *map(len, data))
    sections[6] = struct.pack("<HHBB", steps, 2000, order, bimodal) + sizes + b"".join(data)
    return sections


DEFAULT = struct.pack("<H", 19999)
