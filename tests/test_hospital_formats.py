"""Hospitals' formats: microvolts, leads, rate, age and sex equal those written here; damage is refused, with why."""

import base64
import struct
import sys
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    TwelveLeadECGWaveformStorage,
    generate_uid,
)

from ecg.data.formats.dicom import read_dicom
from ecg.data.formats.ishne import read_ishne
from ecg.data.formats.scp import read_scp
from ecg.data.formats.xml import read_xml
from ecg.data.lead_names import LEADS, NUMBERS, canonical_lead, coded_lead
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


# DICOM


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


@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_dicom_in_every_transfer_syntax(tmp_path, syntax):
    values = counts()
    beat = dicom_group(counts(12, 600, 1), MDC_CODES, "MEDIAN BEAT", little=syntax.is_little_endian)
    rhythm = dicom_group(values, MDC_CODES, little=syntax.is_little_endian)
    path = write_dicom(tmp_path / "a.dcm", [beat, rhythm], syntax)
    recording = read_dicom(path)
    assert tuple(recording.leads) == LEADS and recording.rate == 500
    np.testing.assert_allclose(recording.microvolts, values * 2.5, rtol=1e-12)
    assert (recording.age, recording.sex, tuple(recording.diagnoses)) == (45, "female", ())
    if syntax.is_little_endian:
        np.testing.assert_allclose(recording.microvolts.T, pydicom.dcmread(path).waveform_array(1))
    assert NAME not in repr(recording)


def test_a_recorder_s_dicom_file_is_read_as_by_pydicom():
    path = Path(pydicom.__file__).parent / "data/test_files/waveform_ecg.dcm"  # codes of SCPECG, a rhythm and a beat
    recording = read_dicom(path)
    assert tuple(recording.leads) == LEADS and recording.rate == 1000 and recording.microvolts.shape == (12, 10_000)
    np.testing.assert_allclose(recording.microvolts.T, pydicom.dcmread(path).waveform_array(0))
    assert (recording.age, recording.sex) == (42, "female")


@pytest.mark.parametrize(("unit", "scale"), [("uV", 1), ("mV", 1e3), ("V", 1e6), ("nV", 1e-3)])
def test_dicom_units_baselines_and_corrections(tmp_path, unit, scale):
    values = counts()
    group = dicom_group(
        values, MDC_CODES, unit=unit, gain=0.5, ChannelBaseline=3.0, ChannelSensitivityCorrectionFactor=1.5
    )
    recording = read_dicom(write_dicom(tmp_path / "a.dcm", [group]))
    np.testing.assert_allclose(recording.microvolts, (values * 0.75 + 3) * scale)


@pytest.mark.parametrize(
    ("kind", "dtype"), [("SB", "i1"), ("UB", "u1"), ("SS", "i2"), ("US", "u2"), ("SL", "i4"), ("UL", "u4")]
)
@pytest.mark.parametrize("little", [True, False])
def test_dicom_sample_types_and_padding(tmp_path, kind, dtype, little):
    values = np.abs(counts()).clip(0, 100).astype(dtype)
    values[4, 7:9] = 111
    padding = np.array(111, np.dtype(dtype).newbyteorder("<" if little else ">")).tobytes().ljust(2, b"\0")
    group = dicom_group(values, MDC_CODES, kind=kind, little=little, WaveformPaddingValue=padding)
    syntax = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    microvolts = read_dicom(write_dicom(tmp_path / "a.dcm", [group], syntax)).microvolts
    expected = np.where(values == 111, np.nan, values * 2.5)
    np.testing.assert_allclose(microvolts, expected)


def test_dicom_group_with_most_leads_then_the_original_then_the_longest(tmp_path):
    limb = dicom_group(counts(3, 9000, 1), MDC_CODES[:3])
    derived = dicom_group(counts(12, 4000, 2), MDC_CODES, originality="DERIVED", label="12 LEADS")
    short, rhythm = (dicom_group(counts(12, samples, 3), MDC_CODES) for samples in (1000, 1500))
    recording = read_dicom(write_dicom(tmp_path / "a.dcm", [limb, derived, short, rhythm]))
    assert recording.microvolts.shape == (12, 1500)
    path = write_dicom(tmp_path / "b.dcm", [dicom_group(counts(12, 600), MDC_CODES, "MEDIAN BEAT")])
    refused(read_dicom, path, "averaged beats only")


def test_dicom_leads_by_code_meaning_or_label(tmp_path):
    codes = [
        dicom_code("5.6.3-9-62", "x", "SCPECG"),
        dicom_code("1", "Lead I (Einthoven)", "99X"),
        dicom_code("2:64", "aVF, augmented voltage, foot", "MDC"),
        dicom_code("2:31", "Lead II", "MDC"),  # derived lead I
        dicom_code("x", "aVL, augmented voltage, left", "99X"),
        dicom_code("2:0", "Unspecified lead", "MDC"),
    ]
    group = dicom_group(counts(6), codes, ChannelLabel="V3")
    group.ChannelDefinitionSequence[3].ChannelLabel = "II"
    recording = read_dicom(write_dicom(tmp_path / "a.dcm", [group]))
    assert list(recording.leads) == ["I", "aVR", "aVL", "aVF", "V3"]
    np.testing.assert_allclose(recording.microvolts, counts(6)[[1, 0, 4, 2, 5]] * 2.5)


@pytest.mark.parametrize(
    ("facts", "age", "sex"),
    [
        ({"PatientAge": "006M", "PatientSex": "M"}, 0.5, "male"),
        ({"PatientAge": "021D"}, 21 / 365.25, "female"),
        ({"PatientAge": "", "PatientBirthDate": "19600305", "StudyDate": "20010304", "PatientSex": "O"}, 40, None),
        ({"PatientAge": "", "PatientBirthDate": "19600305", "AcquisitionDateTime": "20010305101112"}, 41, "female"),
        ({"PatientAge": "", "PatientBirthDate": "20600305", "StudyDate": "20010304", "PatientSex": ""}, None, None),
        ({"PatientAge": "999Y"}, None, "female"),
    ],
)
def test_dicom_ages_and_sexes(tmp_path, facts, age, sex):
    recording = read_dicom(write_dicom(tmp_path / "a.dcm", [dicom_group(counts(), MDC_CODES)], **facts))
    assert recording.age == pytest.approx(age) if age is not None else recording.age is None
    assert recording.sex == sex


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"unit": "mmHg"}, ("mmHg", "not a voltage")),
        ({"unit": ""}, ("no sensitivity or no unit",)),
        ({"gain": 0}, ("sensitivity 0",)),
        ({"kind": "MB", "WaveformBitsAllocated": 8}, ("MB", "linear")),
        ({"NumberOfWaveformSamples": 1001}, ("1001 samples", "shorter")),
        ({"NumberOfWaveformSamples": 4_000_000_000}, ("hours",)),
        ({"NumberOfWaveformSamples": 0}, ("no samples",)),
        ({"SamplingFrequency": 0}, ()),
        ({"NumberOfWaveformChannels": 11}, ("11 channels",)),
    ],
)
def test_dicom_refusals(tmp_path, changes, words):
    group = dicom_group(counts(), MDC_CODES, **changes)
    refused(read_dicom, write_dicom(tmp_path / "a.dcm", [group]), *words)


def test_dicom_images_and_other_files_are_refused(tmp_path):
    refused(read_dicom, write_dicom(tmp_path / "a.dcm", [], kind=CTImageStorage), "CT Image", "no waveforms")
    (tmp_path / "b.dcm").write_bytes(b"text" * 100)
    refused(read_dicom, tmp_path / "b.dcm", "not a DICOM file")
    refused(read_dicom, tmp_path / "c.dcm", "No such file")
    other = dicom_group(counts(1), [dicom_code("2:16", "Lead X", "MDC")])
    refused(read_dicom, write_dicom(tmp_path / "d.dcm", [other]), "none of the twelve leads")


def test_a_deflated_bomb_is_refused(tmp_path, monkeypatch):
    path = write_dicom(tmp_path / "a.dcm", [dicom_group(counts(), MDC_CODES)], DeflatedExplicitVRLittleEndian)
    content = path.read_bytes()
    start = 144 + int.from_bytes(content[140:144], "little")
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    path.write_bytes(content[:start] + deflater.compress(bytes(50 << 20)) + deflater.flush())
    monkeypatch.setattr("ecg.data.formats.dicom.LARGEST_SIGNAL", 10 << 20)
    tracemalloc.start()
    refused(read_dicom, path, "inflate")
    assert tracemalloc.get_traced_memory()[1] < 20 << 20
    tracemalloc.stop()


# HL7 aECG


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


def test_aecg(tmp_path):
    values = counts()
    recording = read_xml(write(tmp_path / "a.xml", aecg(values)))
    assert tuple(recording.leads) == LEADS and recording.rate == 500
    np.testing.assert_allclose(recording.microvolts, values * 2.5)
    assert (recording.age, recording.sex) == (40, "female") and NAME not in repr(recording)


def test_aecg_units_origins_and_increments(tmp_path):
    values = counts()
    text = aecg(values, ("4", "ms"), unit="mV", scale="0.005", origin='<origin value="100" unit="uV"/>')
    recording = read_xml(write(tmp_path / "a.xml", text))
    assert recording.rate == 250
    np.testing.assert_allclose(recording.microvolts, values * 5.0 + 100)
    age = '<x><relatedObservation><code code="21612-7"/><value value="{}" unit="{}"/></relatedObservation></x>'
    recording = read_xml(write(tmp_path / "b.xml", aecg(values, more=age.format(6, "mo"))))
    assert recording.age == 0.5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"unit": "mmHg"}, ("mmHg", "not a voltage")),
        ({"unit": ""}, ("not a voltage",)),
        ({"scale": "0"}, ("scale 0",)),
        ({"increment": ("1", "min")}, ("sampling rate",)),
        ({"code": "REPRESENTATIVE_BEAT"}, ("no rhythm",)),
        ({"scale": NAME}, ("damaged",)),
    ],
)
def test_aecg_refusals(tmp_path, options, words):
    refused(read_xml, write(tmp_path / "a.xml", aecg(counts(), **options)), *words)


def test_aecg_with_damaged_digits(tmp_path):
    text = aecg(counts())
    start = text.index("<digits>") + len("<digits>")
    refused(read_xml, write(tmp_path / "a.xml", text[:start] + "7\n" + text[start:]), "different numbers")
    refused(read_xml, write(tmp_path / "b.xml", text[:start] + "x\n" + text[start:]), "damaged")


# GE MUSE


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


@pytest.mark.parametrize("encoding", ["ISO-8859-1", "UTF-8", "UTF-16"])
def test_muse_with_its_computed_leads(tmp_path, encoding):
    values = counts(8)
    recording = read_xml(write(tmp_path / "a.xml", muse(values, encoding=encoding), encoding))
    assert tuple(recording.leads) == LEADS and recording.rate == 500
    np.testing.assert_allclose(recording.microvolts, limb_leads(values) * 4.88, atol=1e-9)
    assert (recording.age, recording.sex) == (45, "male") and NAME not in repr(recording)


def test_muse_units_exponents_and_stored_leads(tmp_path):
    values = counts(12)
    text = muse(values, base=25, exponent=1, leads=[lead.upper() for lead in LEADS], gain="0.005", unit="MILLIVOLTS")
    recording = read_xml(write(tmp_path / "a.xml", text.replace("YEARS", "MONTHS")))
    assert recording.rate == 250 and recording.age == 3.75
    np.testing.assert_allclose(recording.microvolts, values * 5.0)
    recording = read_xml(write(tmp_path / "b.xml", text.replace("<AgeUnits>YEARS</AgeUnits>", "")))
    assert recording.age is None


@pytest.mark.parametrize(
    ("declared", "encoding", "name"),
    [
        ("UTF-16", "utf-8", "Müller"),
        ("UTF-8", "latin-1", "Müller"),
        ("windows-1252", "cp1252", "Müller"),
        ("GBK", "gbk", "王"),
        ("Shift_JIS", "shift_jis", "山"),
        ("klingon", "utf-8", "Müller"),
    ],
)
def test_odd_and_wrongly_declared_encodings(tmp_path, declared, encoding, name):
    text = muse(counts(8), encoding=declared).replace(NAME, name)
    assert read_xml(write(tmp_path / "a.xml", text, encoding)).microvolts.shape == (12, 1000)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"unit": ""}, ("LeadAmplitudeUnits",)),
        ({"unit": "BITS"}, ("BITS",)),
        ({"gain": "0"}, ("no gain",)),
        ({"kind": "Median"}, ("no rhythm",)),
        ({"base": 0}, ("0 Hz",)),
        ({"more": "<LeadSampleCountTotal>7</LeadSampleCountTotal>"}, ()),
        ({"exponent": 400}, ()),
        ({"leads": ["X", "Y", "Z"]}, ("none of the twelve leads",)),
    ],
)
def test_muse_refusals(tmp_path, options, words):
    text = muse(counts(8), **options)
    if not words and "more" in options:
        text = text.replace("<LeadSampleCountTotal>1000</LeadSampleCountTotal>", "")
    refused(read_xml, write(tmp_path / "a.xml", text), *words)


def test_muse_leads_of_different_times_are_refused(tmp_path):
    text = muse(counts(8))
    start = text.index("Rhythm")
    later = text[start:].replace("<LeadTimeOffset>0<", "<LeadTimeOffset>2500<", 1)
    refused(read_xml, write(tmp_path / "a.xml", text[:start] + later), "not simultaneous")
    refused(read_xml, write(tmp_path / "b.xml", text[:start] + later.replace("2500", NAME)), "damaged")


# Philips


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


def test_philips_compressed(tmp_path):
    values = counts()
    text = philips(base64_text(xli(values)))
    recording = read_xml(write(tmp_path / "a.xml", text))
    assert tuple(recording.leads) == LEADS and recording.rate == 500
    np.testing.assert_array_equal(recording.microvolts, values * 5.0)
    assert (recording.age, recording.sex) == (40, "female") and NAME not in repr(recording)
    sierra = pytest.importorskip("sierraecg").read_file(str(tmp_path / "a.xml"))  # another reader of the format
    np.testing.assert_array_equal([lead.samples for lead in sierra.leads], values)


@pytest.mark.parametrize("encoding", ["Base64", "Plain"])
def test_philips_uncompressed(tmp_path, encoding):
    values = counts()
    data = base64_text(values.astype("<i2").tobytes()) if encoding == "Base64" else " ".join(map(str, values.ravel()))
    facts = "<signalresolution>2.5</signalresolution><signaloffset>7</signaloffset>"
    age = "<age><years>6</years></age>"
    text = philips(data, 1000, f'dataencoding="{encoding}" compressflag="False"', facts, labels=False, age=age)
    recording = read_xml(write(tmp_path / "a.xml", text))
    assert recording.age == 6
    np.testing.assert_array_equal(recording.microvolts, (values - 7.0) * 2.5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("<resolution>5</resolution>", ""), ("resolution",)),
        (('compression="XLI"', 'compression="ZIP"'), ("ZIP",)),
        (('leadlabels="I II', 'leadlabels="II I'), ("do not begin with I",)),
        (('durationperchannel="2000"', 'durationperchannel="3000"'), ("fewer than 1500",)),
        (('durationperchannel="2000"', 'durationperchannel="99999999"'), ("hours",)),
        (('durationperchannel="2000"', ""), ()),
        (("<samplingrate>500<", f"<samplingrate>{NAME}<"), ("damaged",)),
    ],
)
def test_philips_refusals(tmp_path, change, words):
    text = philips(base64_text(xli(counts())))
    assert change[0] in text
    refused(read_xml, write(tmp_path / "a.xml", text.replace(*change)), *words)


def test_philips_bombs_and_negative_sizes(tmp_path):
    bomb = lzw(bytes(1 << 20))
    refused(read_xml, write(tmp_path / "a.xml", philips(base64_text(struct.pack("<ihh", len(bomb), 0, 0) + bomb))))
    refused(read_xml, write(tmp_path / "b.xml", philips(base64_text(struct.pack("<ihh", -8, 0, 0)))), "cut off")


# XML of strangers


BOMB = '<!DOCTYPE a [<!ENTITY x0 "ha">{}]><RestingECG>&x20;</RestingECG>'.format(
    "".join(f'<!ENTITY x{i} "&x{i - 1};&x{i - 1};">' for i in range(1, 21))
)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (BOMB, "entities"),
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><RestingECG>&x;</RestingECG>', "entities"),
        ('<!DOCTYPE a [<!ENTITY % x SYSTEM "file:///etc/passwd"> %x;]><RestingECG/>', "entities"),
        ("<a>" * 150 + "</a>" * 150, "elements"),
        ("<RestingECG>" + "<a/>" * 250_000 + "</RestingECG>", "elements"),
        ("<RestingECG " + "a" * (5 << 20) + "='1'/>", "longer tag"),
        ("<html/>", "html"),
        ("", "well-formed"),
        ("no xml", "well-formed"),
        ("<RestingECG>", "well-formed"),
        ("<RestingECG/>", "no rhythm"),
        ("<AnnotatedECG/>", "no rhythm"),
        ("<restingecgdata/>", "no waveforms"),
        (b"<?xml version='1.0' encoding='klingon'?><RestingECG/>", "no rhythm"),
        (b"\xff\xfe\x00\x00", "well-formed"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_hostile_xml(tmp_path, text, word):
    refused(read_xml, write(tmp_path / "a.xml", text), word)


# ISHNE


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


@pytest.mark.parametrize("together", [False, True])
def test_ishne(tmp_path, together):
    values = counts(3, 2000)
    content = ishne(values, [12, 6, 2], claimed=2000 * (3 if together else 1))  # V2, II, X
    recording = read_ishne(write(tmp_path / "a.ecg", content))
    assert list(recording.leads) == ["II", "V2"] and recording.rate == 200
    np.testing.assert_allclose(recording.microvolts, values[[1, 0]] * 2.5)
    assert (recording.age, recording.sex) == (40, "female") and NAME not in repr(recording)


def test_ishne_numbers_of_all_leads(tmp_path):
    recording = read_ishne(write(tmp_path / "a.ecg", ishne(counts(12), list(range(5, 17)), sex=1)))
    assert tuple(recording.leads) == LEADS and recording.sex == "male"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"codes": [1, 2, 3]}, ("none of the twelve leads",)),
        ({"resolution": 0}, ("0 nV",)),
        ({"resolution": -9}, ("-9 nV",)),
        ({"rate": 0}, ("0 Hz",)),
        ({"claimed": 999}, ("999 samples",)),
        ({"claimed": 0}, ("0 samples",)),
    ],
)
def test_ishne_refusals(tmp_path, options, words):
    content = ishne(counts(3), **{"codes": [5, 6, 7]} | options)
    refused(read_ishne, write(tmp_path / "a.ecg", content), *words)
    refused(read_ishne, write(tmp_path / "b.ecg", b"ISHNE"), "does not begin with")


# SCP-ECG


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


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("table", [None, DEFAULT])
def test_scp(tmp_path, order, table):
    values = counts(8)
    values[:, 500] += 3000  # beyond 8-bit codes
    values[:, 600] += 60
    recording = read_scp(write(tmp_path / "a.scp", scp(scp_content(values, order, table))))
    assert tuple(recording.leads) == LEADS and recording.rate == 500
    np.testing.assert_allclose(recording.microvolts, limb_leads(values) * 2.5, atol=1e-9)
    assert (recording.age, recording.sex) == (45, "male") and NAME not in repr(recording)


def test_scp_with_its_own_huffman_tables(tmp_path):
    """The first table switches to the second, which switches back after every value."""
    values = np.zeros((8, 100), np.int16)
    values[:, ::3], values[:, 1::3] = 1, -2
    first = [(1, 1, 0, 2, 0b0), (2, 2, 1, 0, 0b01)]  # bits, all bits, value?, value or table, code reversed: "0", "10"
    second = [(1, 1, 1, 1, 0b1), (2, 4, 1, 0, 0b10), (2, 2, 0, 1, 0b00)]  # "1": 1; "01" and 2 bits; "00": back
    table = struct.pack("<H", 2)
    for codes in (first, second):
        table += struct.pack("<H", len(codes)) + b"".join(struct.pack("<BBBhI", *code) for code in codes)
    code = {0: "10", 1: "0" + "1" + "00", -2: "0" + "01" + "10" + "00"}
    recording = read_scp(write(tmp_path / "a.scp", scp(scp_content(values, 0, table, code))))
    np.testing.assert_allclose(recording.microvolts, limb_leads(values) * 2.5)


def test_scp_leads_of_different_spans_and_birth_dates(tmp_path):
    sections = scp_content(counts(2), leads=("II", "V1"))
    sections[3] = bytes([2, 0]) + struct.pack("<IIB", 1, 1000, 2) + struct.pack("<IIB", 501, 1500, 3)
    dates = struct.pack("<BHHBB", 5, 4, 1960, 3, 5) + struct.pack("<BHHBB", 25, 4, 2001, 3, 4)
    sections[1] = dates + struct.pack("<BHB", 8, 1, 2) + b"\xff\0\0"
    recording = read_scp(write(tmp_path / "a.scp", scp(sections)))
    expected = np.full((2, 1500), np.nan)
    expected[0, :1000], expected[1, 500:] = counts(2) * 2.5
    assert list(recording.leads) == ["II", "V1"] and (recording.age, recording.sex) == (40, "female")
    np.testing.assert_allclose(recording.microvolts, expected)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bimodal": 1}, ("bimodal", "export it without compression")),
        ({"flags": 5}, ("reference beat", "export it without compression")),
        ({"steps": 0}, ("no amplitude step",)),
    ],
)
def test_scp_refusals(tmp_path, options, words):
    refused(read_scp, write(tmp_path / "a.scp", scp(scp_content(counts(8), **options))), *words)


def test_scp_with_false_claims(tmp_path):
    sections = scp_content(counts(8))
    for last, word in ((1001, "fewer"), (4_000_000_000, "hours"), (80_000_000, "more than it can hold")):
        sections[3] = sections[3][:6] + struct.pack("<I", last) + sections[3][10:]
        refused(read_scp, write(tmp_path / "a.scp", scp(sections)), word)
    del sections[6]
    refused(read_scp, write(tmp_path / "b.scp", scp(sections)), "no rhythm")
    refused(read_scp, write(tmp_path / "c.scp", b"x" * 100), "not an SCP-ECG file")


# Damage of every kind


def intact(folder: Path) -> dict[str, tuple]:
    path = write_dicom(folder / "a.dcm", [dicom_group(counts(12, 50), MDC_CODES)])
    deflated = write_dicom(folder / "b.dcm", [dicom_group(counts(12, 50), MDC_CODES)], DeflatedExplicitVRLittleEndian)
    return {
        "dicom": (read_dicom, path.read_bytes()),
        "deflated": (read_dicom, deflated.read_bytes()),
        "aecg": (read_xml, aecg(counts(12, 50)).encode()),
        "muse": (read_xml, muse(counts(8, 50)).encode()),
        "philips": (read_xml, philips(base64_text(xli(counts(12, 50))), 50).encode()),
        "ishne": (read_ishne, ishne(counts(3, 50), [5, 6, 7])),
        "scp": (read_scp, scp(scp_content(counts(8, 50), 2, DEFAULT))),
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("damage")
    return folder, intact(folder)


@pytest.mark.parametrize("format", ["dicom", "deflated", "aecg", "muse", "philips", "ishne", "scp"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_refused_or_harmless(files, format, data):
    """A file cut anywhere is refused. One with changed bytes is refused too, or read as numbers of the right shape."""
    folder, formats = files
    read, content = formats[format]
    damaged = bytearray(content)
    cut = data.draw(st.booleans())
    if cut:
        damaged = damaged[: data.draw(st.integers(0, len(content) - 3))]
    else:
        for _ in range(data.draw(st.integers(1, 4))):
            damaged[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = write(folder / f"{format}.damaged", bytes(damaged))
    try:
        recording = read(path)
    except RecordError as error:
        assert str(path) in str(error)
    else:
        assert not cut
        assert len(recording.leads) == len(recording.microvolts) and recording.microvolts.dtype == np.float64


# Names of leads


@pytest.mark.parametrize(
    ("name", "lead"),
    [
        ("Lead I (Einthoven)", "I"),
        ("aVR, augmented voltage, right", "aVR"),
        ("Lead aVF, augmented voltage, foot", "aVF"),
        ("MDC_ECG_LEAD_AVL", "aVL"),
        ("Derived Lead I", None),
        ("Frank Lead I", None),
        ("MDC_ECG_LEAD_V3R", None),
        ("−aVR", None),
        ("V1, V2", None),
    ],
)
def test_names_of_dicom_and_mdc(name, lead):
    assert canonical_lead(name) == lead


def test_codes_are_those_of_pydicom_s_dictionary():
    from pydicom.sr._concepts_dict import concepts

    meanings = {
        code: meaning
        for entry in concepts["MDC"].values()
        for code, (meaning, groups) in entry.items()
        if 3001 in groups
    }
    named = {code: canonical_lead(meaning) for code, meaning in meanings.items() if canonical_lead(meaning)}
    assert sorted(named.values()) == sorted(LEADS)
    for code in meanings:
        assert coded_lead(code, []) == named.get(code), meanings[code]


def test_a_missing_pydicom_is_no_defect_of_the_file(tmp_path, monkeypatch):
    path = write_dicom(tmp_path / "a.dcm", [dicom_group(counts(), MDC_CODES)])
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ModuleNotFoundError, match="pydicom"):
        read_dicom(path)
