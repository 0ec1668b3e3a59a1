"""The twelve leads by the names that recorders and people give them; what is none of them is never taken for one."""

import csv
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg.data.formats.dicom import read_dicom
from ecg.data.lead_names import LEADS, canonical_lead, canonical_leads, find_leads
from ecg.data.record import read_record
from tests.conftest import call_script, noise, write_recording
from tests.hospital_files import MDC_CODES, counts, dicom_code, dicom_group, refused, write_dicom
from tests.recording_files import write_edf


@pytest.mark.parametrize(
    "form",
    [
        "Lead {}",
        "lead_{}",
        "ECG {}",
        "EKG-{}",
        "MDC_ECG_LEAD_{}",
        "MDC_ECG_{}",
        " {} ",
        "{} # noisy",
        "{}(filtered)",
        "{} [mV]",
        '"{}"',
        "'{}'",
        "Ableitung {}",
        "Abl. {}",
        "dérivation {}",
        "Derivación {}",
        "derivazione {}",
        "导联{}",
        "{}导联",
        "{} ECG",
        "{}-mV",
        "{}_uV",
        "{} lead",
        "EKG {}-Ref",
        "ECG - {}",
        "{} (unfiltered, 4th intercostal space)",
    ],
)
def test_names_of_leads(form):
    for lead in LEADS:
        for name in (lead, lead.upper(), lead.lower()):
            assert canonical_lead(form.format(name)) == lead


@pytest.mark.parametrize(
    ("names", "lead"),
    [
        ("V-1 V_1 V01 V1(C1) C1 c-1", "V1"),
        ("D-I DI D1 LI Lead-I I(LA-RA)", "I"),
        ("DII D2 LII ECG_II", "II"),
        ("D3 LIII III(lead_III)", "III"),
        ("VR vr aV-R AVR(Goldberger) aVR. Goldberger_aVR", "aVR"),
        ("V5,mV V5/mV V5: V5_filtered Wilson_V5 V5(C5)", "V5"),
        ("\u2161 \uff29\uff29 Einthoven_II", "II"),
    ],
)
def test_other_ways_to_write_a_lead(names, lead):
    assert [canonical_lead(name) for name in names.split()] == [lead] * len(names.split())


@pytest.mark.parametrize(
    "name",
    [
        *("", "MLII", "V7", "V3R", "Vx", "X", "IV", "Lead", "ECG", "-aVR", "CM5", "C7", "Resp", "II+V5", "I-II", "V10"),
        *("V1 (V3R)", "V4 (V4R)", "II (MLII)", "V1 (lead II)", "aVR (inverted)", "aVR (-)", "ECG -aVR", "-I", "- V1"),
        *("Lead 1", "ECG 1", "C3-A2", "CV1", "1"),
        *("V5 (CM5)", "V1 (MCL1)"),
    ],
)
def test_what_is_none_of_the_twelve_leads(name):
    assert canonical_lead(name) is None


def test_chest_leads_of_the_iec(tmp_path):
    """C1 to C6 are V1 to V6; before, they were dropped without a word."""
    counts = noise(5000)
    iec = write_recording(tmp_path, "A1", counts, leads=(*LEADS[:6], *(f"C{i}" for i in range(1, 7))))
    aha = write_recording(tmp_path, "A2", counts)
    assert np.array_equal(read_record(iec).counts, read_record(aha).counts) and read_record(iec).mask.all()


def test_leads_that_are_dropped_are_noted(model_folder, tmp_path):
    write_recording(tmp_path / "data", "A1", noise(5000, leads=14), leads=(*LEADS, "MLII", "v6"))
    call_script("driver.py", model_folder, tmp_path / "data", tmp_path / "out")
    notes = [row["note"] for row in csv.DictReader((tmp_path / "out/notes.csv").open())]
    assert sorted(notes) == ["duplicate leads: V6", "unknown leads: MLII"]


@pytest.mark.parametrize(
    ("names", "leads"),
    [
        ("C1 C2 C3 C4 C5 C6", "V1 V2 V3 V4 V5 V6"),
        ("I C1 C5", "I V1 V5"),
        ("I-Ref II-Ref C1-Ref C2-Ref", "I II V1 V2"),
        ("I II C1 C2 C3 C4 C5 C6 EMG M1", "I II V1 V2 V3 V4 V5 V6 - -"),
        ("C3 C4", "- -"),  # places on the head
        ("I C3 C4 Flow SpO2", "I - - - -"),
        ("I C1 C3 E1 Chin", "I - - - -"),
        ("C3 C4 O1 ECG_II", "- - - II"),
        ("EEG_C3-A2 C3 I", "- - I"),
        ("Lead_1 Lead_2 Lead_3 aVR V1", "I II III aVR V1"),
        ("Lead_1 Lead_2 Lead_3", "- - -"),  # the recorder's channels
        ("Lead_1 I V1", "- I V1"),
        ("ECG_1 V1", "- V1"),
    ],
)
def test_names_that_mean_a_lead_only_beside_others(names, leads):
    found = canonical_leads(name.replace("_", " ") for name in names.split())
    assert [lead or "-" for lead in found] == leads.split()


@pytest.mark.parametrize(
    ("name", "lead"),
    [("III (II-I)", "III"), ("aVR (-(I+II)/2)", "aVR"), ("V1 (I think noisy)", "V1"), ("V2 (between V1 and V3)", "V2")],
)
def test_a_comment_that_mentions_another_lead_is_a_comment(name, lead):
    assert canonical_lead(name) == lead


def test_long_names_take_no_time():
    names = ["lead" + " " * 20_000 + "x", "V1" + "," * 20_000, "mdc_ecg_lead" + "_ " * 20_000]
    started = time.monotonic()
    assert canonical_leads(names) == [None] * 3 and time.monotonic() - started < 1


@given(st.lists(st.text(max_size=30), max_size=16))
def test_any_names_are_twelve_leads_or_none(names):
    assert set(canonical_leads(names)) <= {*LEADS, None}
    rows = find_leads(names)
    assert list(rows) == [lead for lead in LEADS if lead in rows] and all(names[row].strip() for row in rows.values())


def test_dropped_signals_of_other_formats_are_noted_and_named_by_the_import(model_folder, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    write_edf(data / "A1.edf", noise(5000, leads=14), [*LEADS, "Resp", "V6"])
    codes = [*MDC_CODES, dicom_code("2:16", "Lead X", "MDC")]
    write_dicom(data / "A2.dcm", [dicom_group(counts(13, 5000), codes)])
    call_script("driver.py", model_folder, data, tmp_path / "out")
    notes = [(row["recording"], row["note"]) for row in csv.DictReader((tmp_path / "out/notes.csv").open())]
    assert ("A1", "unknown leads: Resp") in notes and ("A1", "duplicate leads: V6") in notes
    assert ("A2", "unknown leads: [Lead X]") in notes
    imported = call_script("tools/import_records.py", "files", data, tmp_path / "imported")
    assert "none of the twelve leads: Resp (1), another V6 (1), [Lead X] (1)" in imported.stderr + imported.stdout


def test_dicom_groups_of_the_same_time_are_read_together(tmp_path):
    stored = counts(12, 5000)
    parts = [dicom_group(stored[:6], MDC_CODES[:6]), dicom_group(stored[6:], MDC_CODES[6:])]
    whole = read_dicom(write_dicom(tmp_path / "a.dcm", [dicom_group(stored, MDC_CODES)]))
    joined = read_dicom(write_dicom(tmp_path / "b.dcm", parts))
    assert list(joined.leads) == list(LEADS) and np.array_equal(joined.microvolts, whole.microvolts)
    parts[1].MultiplexGroupTimeOffset = 2500.0  # one after the other, as on paper
    refused(read_dicom, write_dicom(tmp_path / "c.dcm", parts), "different times", "I, II, III, aVR, aVL, aVF, and V1")
