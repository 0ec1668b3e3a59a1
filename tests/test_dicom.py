"""DICOM ECGs: microvolts, leads, rate, age and sex equal those written here; damage is refused, with why."""

import sys
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from ecg.data.formats.dicom import read_dicom
from ecg.data.lead_names import LEADS, canonical_lead, coded_lead
from tests.hospital_files import MDC_CODES, NAME, counts, dicom_code, dicom_group, refused, write_dicom


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
        ({"PatientAge": "045"}, 45, "female"),  # without the unit that the standard asks for
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
