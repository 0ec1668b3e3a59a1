"""Import: microvolts, codes, age and sex equal those of the source; damaged recordings are reported."""

import csv
import datetime
import os
from pathlib import Path

import numpy as np
import pyedflib
import pytest
import scipy.io
import wfdb

from ecg.classes import abbreviation, load_weights
from ecg.data.lead_names import LEADS
from ecg.data.record import INVALID, read_record
from ecg.errors import EntryError
from ecg.importing.cpsc2018 import CODES as CPSC_CODES
from ecg.importing.cpsc2018 import cpsc2018_sources
from ecg.importing.importer import import_recordings
from ecg.importing.ptbxl import CODES, COLUMNS, parse_statements, ptbxl_sources, to_codes
from ecg.importing.recording_files import signal_sources
from ecg.simulation.signal import simulate_signal
from tests.conftest import ROOT, call_script, replace_text, run_script, write_recording


def ecg(seed: int = 0, seconds: float = 10, rate: float = 500) -> np.ndarray:
    """Simulate microvolts (12, samples)."""
    return simulate_signal(["SNR"], 60, "male", rate, seconds, np.random.default_rng(seed))


def write_dat(folder: Path, name: str, counts: np.ndarray, gain=1000.0, baseline=0, unit="mV", leads=LEADS, **options):
    folder.mkdir(parents=True, exist_ok=True)
    count = len(leads)
    wfdb.wrsamp(
        name,
        options.pop("rate", 500),
        unit if isinstance(unit, list) else [unit] * count,
        list(leads),
        d_signal=counts.T.astype(np.int64),
        fmt=["16"] * count,
        adc_gain=[gain] * count,
        baseline=[baseline] * count,
        write_dir=str(folder),
        **options,
    )


def write_edf(path: Path, microvolts: np.ndarray, labels, rates=500, unit="mV", plus=True, patient=True):
    """Write an EDF file with a digital unit of 0.5 uV."""
    kind = pyedflib.FILETYPE_EDFPLUS if plus else pyedflib.FILETYPE_EDF
    scale = {"mV": 1000.0, "uV": 1.0, "degC": 1.0}[unit]
    rates = [rates] * len(labels) if isinstance(rates, int) else rates
    common = {"physical_min": -16384 / scale, "physical_max": 16383.5 / scale, "prefilter": "", "transducer": ""}
    common |= {"digital_min": -32768, "digital_max": 32767}
    with pyedflib.EdfWriter(str(path), len(labels), file_type=kind) as file:
        for i, (label, rate) in enumerate(zip(labels, rates)):
            signal = {"label": label, "dimension": unit, "sample_frequency": rate}
            file.setSignalHeader(i, signal | common)
        file.setStartdatetime(datetime.datetime(2001, 3, 4))
        if patient:
            file.setSex(0)
            file.setBirthdate(datetime.date(1940, 3, 5))
        file.writeSamples([np.ascontiguousarray(row[: 10 * rate] / scale) for row, rate in zip(microvolts, rates)])
        if plus:
            file.writeAnnotation(1.0, -1, "a note")


def assert_findings(folder: Path, *expected: str):
    done = run_script("tools/check_data.py", folder)
    assert done.returncode == 0, done.stdout
    kinds = [line.split(":")[0] for line in done.stdout.splitlines() if "  ->  " in line]
    assert kinds == list(expected)


# PTB-XL


def ptbxl_row(number: int, **changes) -> dict:
    file = f"records500/00000/{number:05d}_hr"
    row = dict(zip(COLUMNS, (number, f"{1000 + number // 2}.0", "56.0", "1", "{'NORM': 100.0, 'SR': 0.0}", "", file)))
    return row | {"report": "zwei\nZeilen, \x85 und mehr"} | changes


def write_ptbxl(folder: Path, rows: list[dict]):
    folder.mkdir(exist_ok=True)
    with open(folder / "ptbxl_database.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0].keys())
        table.writeheader()
        table.writerows(rows)


@pytest.fixture
def ptbxl(tmp_path) -> Path:
    """Write a PTB-XL folder with recordings 1 to 4. Lead names are in capitals, as in PTB-XL."""
    folder = tmp_path / "ptbxl"
    for i in range(1, 5):
        write_dat(folder / "records500/00000", f"{i:05d}_hr", ecg(i), leads=[lead.upper() for lead in LEADS])
    rows = [
        ptbxl_row(1),
        ptbxl_row(2, age="300.0", sex="0", scp_codes="{'PVC': 0.0, 'AFIB': 0.0, 'NST_': 100.0}", heart_axis="ALAD"),
        ptbxl_row(3, age="19.0", scp_codes="{'NORM': 80.0, 'SBRAD': 0.0}", heart_axis="MID"),
        ptbxl_row(4, age="", sex="", scp_codes="{'CRBBB': 100.0, 'NDT': 50.0, 'LOWT': 0.0}"),
    ]
    write_ptbxl(folder, rows)
    return folder


def test_ptbxl_import(ptbxl, tmp_path):
    before = {path: path.read_bytes() for path in ptbxl.rglob("*") if path.is_file()}
    done = call_script("tools/import_records.py", "ptbxl", ptbxl, tmp_path / "new/HR")
    assert done.returncode == 0 and "4 of 4 recordings imported" in done.stdout, done.stderr
    records = [read_record(tmp_path / f"new/HR/HR0000{i}.hea") for i in range(1, 5)]
    for i, record in enumerate(records, 1):
        np.testing.assert_array_equal(record.counts, ecg(i))
        assert record.header.leads == LEADS and record.header.rate == 500 and record.header.source == "HR"
    patients = [(record.header.age, record.header.sex, record.header.diagnoses) for record in records]
    assert patients == [
        (56, "female", ("426783006",)),
        (90, "male", ("164884008", "164889003", "39732003")),
        (19, "female", ("426783006", "426177001")),
        (None, None, ("713427006", "164934002")),
    ]
    table = (tmp_path / "new/HR/patients.csv").read_text()
    assert table == "record,patient\nHR00001,1000\nHR00002,1001\nHR00003,1001\nHR00004,1002\n"
    assert before == {path: path.read_bytes() for path in ptbxl.rglob("*") if path.is_file()}
    assert_findings(tmp_path / "new/HR", "unknown age", "unknown sex", "conflicting rhythms")
    reference = wfdb.rdrecord(str(tmp_path / "new/HR/HR00001"))
    np.testing.assert_allclose(reference.p_signal.T * 1000, ecg(1), atol=1e-6)


@pytest.mark.parametrize(
    ("statements", "axis", "classes"),  # PTB-XL's statements and the Challenge's classes of the same recordings
    [
        ("{'NORM': 100.0, 'LVOLT': 0.0, 'SR': 0.0}", "", "SNR LQRSV"),
        ("{'NORM': 80.0, 'SBRAD': 0.0}", "", "SNR SB"),
        ("{'NORM': 100.0}", "", "SNR"),
        ("{'AFLT': 100.0, 'ABQRS': 0.0, 'AFIB': 0.0}", "ALAD", "AFL AF LAD"),
        ("{'IMI': 15.0, 'LNGQT': 100.0, 'NST_': 100.0, 'DIG': 100.0, 'ABQRS': 0.0, 'SR': 0.0}", "LAD", "LQT LAD SNR"),
        ("{'NDT': 100.0, 'STACH': 0.0}", "", "TAb STach"),
        ("{'NDT': 100.0, 'NT_': 0.0, 'SR': 0.0}", "", "TAb SNR"),
        ("{'ISC_': 100.0, 'LOWT': 0.0, 'INVT': 0.0, 'SR': 0.0}", "", "TAb TInv SNR"),
        ("{'IMI': 100.0, 'NDT': 100.0, 'QWAVE': 0.0, 'SR': 0.0}", "", "TAb QAb SNR"),
        ("{'ASMI': 50.0, 'CRBBB': 100.0, 'LAFB': 100.0, 'ABQRS': 0.0, 'SVARR': 0.0}", "ALAD", "CRBBB LAnFB PAC LAD"),
        ("{'CLBBB': 100.0, 'LAO/LAE': 100.0, 'RAO/RAE': 100.0, 'SR': 0.0}", "AXL", "LBBB SNR"),
        ("{'IMI': 50.0, 'RVH': 50.0, 'RAO/RAE': 100.0, 'LVOLT': 0.0, 'STACH': 0.0}", "ARAD", "LQRSV STach RAD"),
        ("{'NST_': 100.0, 'SBRAD': 0.0}", "AXR", "SB"),
        ("{'NDT': 100.0, 'PVC': 100.0, 'SARRH': 0.0}", "", "TAb SA"),
        ("{'IMI': 100.0, '1AVB': 100.0, 'ABQRS': 0.0}", "LAD", "IAVB LAD"),
        ("{'PACE': 100.0}", "", "PR"),
    ],
)
def test_ptbxl_statements_become_the_challenge_labels(statements, axis, classes):
    weights = load_weights()
    row = weights.encode(to_codes(parse_statements(statements, "a place"), axis))
    assert {abbreviation(weights.classes[k]) for k in np.flatnonzero(row)} == set(classes.split())


def test_unscored_codes_are_known():
    scored = load_weights().column
    assert [statement for statement, code in CODES.items() if code not in scored] == ["PVC"]
    assert [label for label, code in CPSC_CODES.items() if code not in scored] == ["7", "8", "9"]


def test_ptbxl_import_reports_damaged_recordings(ptbxl, tmp_path):
    (ptbxl / "records500/00000/00002_hr.dat").write_bytes(b"short")
    write_dat(tmp_path, "00009_hr", ecg(9))
    rows = [
        ptbxl_row(1),
        ptbxl_row(2),
        ptbxl_row(3, scp_codes="__import__('os').abort()"),
        ptbxl_row(4, filename_hr="../00009_hr"),
        ptbxl_row(5),
        ptbxl_row(6, age="old", filename_hr="records500/00000/00004_hr"),
        ptbxl_row(1),
        ptbxl_row(7, ecg_id="../../7", filename_hr="records500/00000/00004_hr"),
    ]
    write_ptbxl(ptbxl, rows)
    names, failures = import_recordings(tmp_path / "new", ptbxl_sources(ptbxl)[0])
    assert names == ["HR00001", "HR00006", "HR______7"]
    assert read_record(tmp_path / "new/HR00006.hea").header.age is None
    for failure, words in zip(
        failures,
        (("00002_hr",), ("ecg_id 3", "scp_codes"), ("ecg_id 4", "inside"), ("00005_hr",), ("same name",)),
        strict=True,
    ):
        assert all(word in str(failure) for word in words), failure
    assert {path.suffix for path in tmp_path.iterdir()} == {"", ".hea", ".dat"}
    with pytest.raises(EntryError, match="holds recordings already"):
        import_recordings(tmp_path / "new", ptbxl_sources(ptbxl)[0])
    done = call_script("tools/import_records.py", "ptbxl", ptbxl, tmp_path / "again")
    assert done.returncode == 1 and "3 of 8 recordings imported" in done.stdout and "scp_codes" in done.stdout


@pytest.mark.parametrize("table", [None, b"", b"a,b\n1,2\n", b'"' + b"x" * 200_000])
def test_ptbxl_import_requires_the_table(tmp_path, table):
    if table is not None:
        (tmp_path / "ptbxl_database.csv").write_bytes(table)
    with pytest.raises(EntryError, match="ptbxl_database.csv"):
        ptbxl_sources(tmp_path)


# CPSC 2018


def write_cpsc2018(folder: Path, name: str, microvolts: np.ndarray, sex="Male", age=74):
    folder.mkdir(parents=True, exist_ok=True)
    struct = {"sex": sex, "age": age, "data": microvolts / 1000.0}
    scipy.io.savemat(folder / f"{name}.mat", {"ECG": struct}, do_compression=True)


def test_cpsc2018_import(tmp_path):
    source, folder = tmp_path / "cpsc", tmp_path / "A"
    for i in range(1, 5):
        write_cpsc2018(source, f"A000{i}", ecg(i, 6 + i), *(("Male", 74), ("Female", 3), ("", -1), ("Male", 30))[i - 1])
    table = "Recording,First_label,Second_label,Third_label\nA0001.mat,5,,\nA0002,2,5,8\nA0003,1,NaN,NaN\nA0004,7,\n\n"
    (source / "REFERENCE.csv").write_text(table)
    done = call_script("tools/import_records.py", "cpsc2018", source, folder)
    assert done.returncode == 0 and "4 of 4 recordings imported" in done.stdout, done.stdout
    records = [read_record(folder / f"A000{i}.hea") for i in range(1, 5)]
    for i, record in enumerate(records, 1):
        np.testing.assert_array_equal(record.counts, ecg(i, 6 + i))
    patients = [(record.header.age, record.header.sex, record.header.diagnoses) for record in records]
    assert patients == [
        (74, "male", ("59118001",)),
        (3, "female", ("164889003", "59118001", "429622005")),
        (None, None, ("426783006",)),
        (30, "male", ("164884008",)),
    ]
    assert_findings(folder, "unknown age", "unknown sex", "no scored diagnosis")


def test_ptbxl_s_table_with_decimal_commas(ptbxl, tmp_path):
    table = ptbxl / "ptbxl_database.csv"
    rows = list(csv.DictReader(table.open()))
    for row in rows:
        row.update({key: row[key].replace(".0", ",0") for key in ("age", "patient_id", "sex")})
        row.update(ecg_id=f"{row['ecg_id']},0", heart_axis=f"{row['heart_axis'].lower()} ")
    for delimiter in ",;":
        with table.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys(), delimiter=delimiter)
            writer.writeheader()
            writer.writerows(rows)
        sources, patients = ptbxl_sources(ptbxl)
        assert [source.read().age for source in sources] == [56, 90, 19, None]
        assert list(patients.items())[:2] == [("HR00001", "1000"), ("HR00002", "1001")]
        assert "39732003" in sources[1].read().diagnoses


@pytest.mark.parametrize(
    ("gain", "words"),
    [
        ("0", "states no gain of I; write it into the header"),
        ("nan/mV", "states no gain"),
        ("9/NU", "is not a voltage"),
    ],
)
def test_a_gain_is_never_guessed(tmp_path, gain, words):
    write_dat(tmp_path / "data", "A1", ecg())
    header = tmp_path / "data/A1.hea"
    replace_text(header, header.read_text().split()[6], gain)
    done = call_script("tools/import_records.py", "files", tmp_path / "data", tmp_path / "new")
    assert done.returncode == 2 and words in done.stdout


def test_a_gain_with_a_decimal_comma(tmp_path):
    write_dat(tmp_path / "data", "A1", ecg() / 2, gain=500.0)
    header = tmp_path / "data/A1.hea"
    replace_text(header, header.read_text().split()[6], "0,5/uV")
    assert call_script("tools/import_records.py", "files", tmp_path / "data", tmp_path / "new").returncode == 0
    np.testing.assert_allclose(read_record(tmp_path / "new/A1.hea").counts, ecg(), atol=2)


def test_names_that_become_equal_are_kept_apart(tmp_path):
    """Before, one of the two was refused, although the files have different names."""
    for name in ("A 1", "A_1", "A.1"):
        write_recording(tmp_path / "data", name)
    done = call_script("tools/import_records.py", "files", tmp_path / "data", tmp_path / "new")
    assert done.returncode == 0 and "3 of 3 recordings imported" in done.stdout
    table = [f"A_1_2,{tmp_path / 'data/A 1.hea'}", f"A_1_3,{tmp_path / 'data/A.1.hea'}"]
    assert (tmp_path / "new/names.csv").read_text() == "\n".join(["record,file", *table]) + "\n"
    assert "names.csv" in done.stdout


def test_cpsc2018_import_reports_damaged_recordings(tmp_path):
    for i in range(1, 7):
        write_cpsc2018(tmp_path, f"A000{i}", ecg(i))
    (tmp_path / "A0002.mat").unlink()
    (tmp_path / "A0003.mat").write_bytes((tmp_path / "A0003.mat").read_bytes()[:3000])
    write_cpsc2018(tmp_path, "A0004", ecg()[:11])
    scipy.io.savemat(tmp_path / "A0005.mat", {"val": ecg()})
    table = "A0001,1,,\nA0002,1,,\nA0003,1,,\nA0004,1,,\nA0005,1,,\nA0006,10,,\n../A0001,1,,\n"
    (tmp_path / "REFERENCE.csv").write_text("Recording,First_label,Second_label,Third_label\n" + table)
    names, failures = import_recordings(tmp_path / "new", cpsc2018_sources(tmp_path))
    assert names == ["A0001"]
    reasons = ("A0002.mat: cannot be read", "A0003.mat: ends", "12 leads", "struct 'ECG'", "label 10", "inside the")
    assert all(reason in str(failure) for failure, reason in zip(failures, reasons, strict=True)), failures
    (tmp_path / "REFERENCE.csv").write_text("A0001,1,,\n")
    with pytest.raises(EntryError, match=r"REFERENCE.csv: the first columns are not"):
        cpsc2018_sources(tmp_path)


# WFDB and EDF


def test_wfdb_import_applies_gains_units_and_lead_order(tmp_path):
    source, folder = tmp_path / "source", tmp_path / "new"
    comments = ["age: 81", "sex: female", "Dx: 426783006,164889003"]
    write_dat(source / "a", "plain", ecg(1), comments=comments)
    write_dat(source / "b", "fine", ecg(2).astype(np.int32) * 2 + 100, gain=2000.0, baseline=100)
    write_dat(source / "b", "volts-1", ecg(3), gain=1e6, unit="V", rate=257)
    order = [*range(6, 12), *range(6)]
    write_dat(
        source / "b", "15_leads", np.vstack([ecg(4)[order], ecg(4)[:3]]), leads=[LEADS[i] for i in order] + [*"xyz"]
    )
    write_dat(source / "b", "two", ecg(5)[[1, 6]], leads=("ii", "v1"))
    pressure = np.vstack([ecg(8), ecg(8)[:1]])
    write_dat(source / "b", "with_pressure", pressure, unit=["mV"] * 12 + ["mmHg"], leads=(*LEADS, "ABP"))
    missing = ecg(6)
    missing[:, :5] = INVALID
    write_dat(source / "b", "missing", missing)
    write_recording(source / "c", "A0001", ecg(7) * 4, gain="4000/mV", comments=("#Age: 5", "#Sex: M", "#Dx: 1"))
    header_path = source / "c/A0001.hea"
    header_path.write_text(header_path.read_text().replace("A0001 12", "A0001.mat 12"))  # wfdb refuses this
    done = call_script("tools/import_records.py", "files", source, folder)
    assert done.returncode == 0 and "8 of 8 recordings imported" in done.stdout, done.stdout
    record = read_record(folder / "plain.hea")
    header = record.header
    assert (header.age, header.sex, header.diagnoses) == (81, "female", ("426783006", "164889003"))
    for name, seed in (("plain", 1), ("fine", 2), ("volts-1", 3), ("15_leads", 4), ("A0001", 7), ("with_pressure", 8)):
        record = read_record(folder / f"{name}.hea")
        np.testing.assert_array_equal(record.counts, ecg(seed))
        assert record.header.leads == LEADS and record.header.rate == (257 if seed == 3 else 500)
    two = read_record(folder / "two.hea")
    np.testing.assert_array_equal(two.counts[[1, 6]], ecg(5)[[1, 6]])
    assert two.header.leads == ("II", "V1") and two.mask.sum() == 2
    np.testing.assert_array_equal(read_record(folder / "missing.hea").counts, missing)


def test_edf_import(tmp_path):
    source, folder = tmp_path / "source", tmp_path / "new"
    source.mkdir()
    labels = [f"ECG {lead}" for lead in LEADS]
    write_edf(source / "plus.edf", ecg(1), labels)
    write_edf(source / "plain.EDF", ecg(2), LEADS, unit="uV", plus=False, patient=False)
    with_respiration = [*LEADS[:3], "resp"]
    write_edf(source / "more.edf", ecg(3)[:4], with_respiration, rates=[500, 500, 500, 50])
    assert import_recordings(folder, signal_sources(source)) == (["more", "plain", "plus"], [])
    for name, seed, age, sex in (("plus", 1, 60, "female"), ("plain", 2, None, None)):
        record = read_record(folder / f"{name}.hea")
        np.testing.assert_array_equal(record.counts, ecg(seed))
        assert (record.header.age, record.header.sex, record.header.rate) == (age, sex, 500)
    more = read_record(folder / "more.hea")
    np.testing.assert_array_equal(more.counts[:3], ecg(3)[:3])
    assert more.header.leads == LEADS[:3]


def test_wfdb_and_edf_import_reports_damaged_recordings(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    write_edf(source / "a good one.edf", ecg(1), LEADS)
    write_dat(source, "b", ecg(), unit="mmHg")
    write_dat(source, "c", ecg()[:1], leads=("resp",))
    write_dat(source, "d", ecg())
    (source / "d.dat").unlink()
    (source / "e.hea").write_text("no header")
    write_edf(source / "f.edf", ecg()[:2], ("resp", "pleth"))
    write_edf(source / "g.edf", ecg()[:2], ("I", "II"), rates=[500, 250])
    write_edf(source / "h.edf", ecg()[:1], ("I",), unit="degC")
    (source / "i.edf").write_bytes(b"0       " * 100)
    os.mkfifo(source / "j.edf")
    for name in ("a-good_one", "a_good_one"):
        write_dat(source / "sub", name, ecg())
    names, failures = import_recordings(tmp_path / "new", signal_sources(source))
    assert names == ["a_good_one_2", "a-good_one", "a_good_one"]  # the first is "a good one.edf"
    reasons = (
        "mmHg",
        "resp",
        "d.dat",
        "record line",
        "resp, pleth",
        "different rates",
        "degC",
        "i.edf",
        "not an ordinary file",
    )
    assert all(reason in str(failure) for failure, reason in zip(failures, reasons, strict=True)), failures
    with pytest.raises(EntryError, match="no such folder"):
        signal_sources(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(EntryError, match="no recording in it"):
        signal_sources(tmp_path / "empty")


def test_exit_code_is_2_if_nothing_is_imported(tmp_path):
    (tmp_path / "A1.hea").write_text("")
    done = call_script("tools/import_records.py", "files", tmp_path, tmp_path / "new")
    assert done.returncode == 2 and "0 of 1 recordings imported" in done.stdout
    done = call_script("tools/import_records.py", "files", tmp_path / "none", tmp_path / "new")
    assert done.returncode == 2 and "no such folder" in done.stderr


def test_missing_package_is_reported(tmp_path):
    (tmp_path / "requests.py").write_text("raise ModuleNotFoundError(name='requests')")
    program = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]\n"
    program += "import runpy; runpy.run_module('tools.download', run_name='__main__')"
    (tmp_path / "program.py").write_text(program)
    done = run_script(tmp_path / "program.py", "ptb", tmp_path)
    assert done.returncode == 2 and "requests is not installed: pip install -r requirements-data.txt" in done.stderr


def test_cpsc2018_as_downloaded(tmp_path):
    """TrainingSet1 to 3 below one table, which TrainingSet1 repeats; without it, the tables of the subfolders."""
    source = tmp_path / "cpsc"
    for number, folder in ((1, "TrainingSet1"), (2, "TrainingSet1"), (3, "TrainingSet2")):
        (source / folder).mkdir(parents=True, exist_ok=True)
        write_cpsc2018(source / folder, f"A000{number}", ecg(number))
    lines = ["Recording,First_label,Second_label,Third_label", "A0001,5,,", "A0002,2,,", "A0003,1,,"]
    (source / "REFERENCE.csv").write_text("\n".join(lines))
    (source / "TrainingSet1/REFERENCE.csv").write_text("\n".join(lines[:3]))
    (source / "TrainingSet2/REFERENCE.csv").write_text("\n".join([lines[0], lines[3]]))
    for folder in ("one table", "three tables"):
        names, failures = import_recordings(tmp_path / folder, cpsc2018_sources(source))
        assert (sorted(names), failures) == (["A0001", "A0002", "A0003"], [])
        assert read_record(tmp_path / folder / "A0003.hea").header.diagnoses == ("426783006",)
        (source / "REFERENCE.csv").unlink(missing_ok=True)


def test_cpsc2018_tables_that_disagree_and_files_in_no_table(tmp_path, capsys):
    source = tmp_path / "cpsc"
    for folder in ("TrainingSet1", "TrainingSet2"):
        write_cpsc2018(source / folder, "A0001", ecg(1))
        write_cpsc2018(source / folder, f"A000{folder[-1]}1", ecg(2))
    (source / "TrainingSet1/reference.csv").write_text("recording;first_label;second_label;third_label\nA0001;5;;\n")
    sources = cpsc2018_sources(source)
    assert [one.read().diagnoses for one in sources] == [["59118001"]]
    assert "2 .mat files are in no table and are not imported: A00011 ..." in capsys.readouterr().out
    table = "Recording\tFirst_label\tSecond_label\tThird_label\nA0001\t1\n"
    (source / "TrainingSet2/REFERENCE.csv").write_text(table)
    names, failures = import_recordings(tmp_path / "new", cpsc2018_sources(source))
    assert names == ["A0001"] and "has other labels than in" in str(failures[0])
    (source / "TrainingSet2/REFERENCE.csv").unlink()
    (source / "TrainingSet1/reference.csv").rename(source / "REFERENCE.csv")
    names, failures = import_recordings(tmp_path / "none", cpsc2018_sources(source))
    assert not names and "has the same name; remove one of them" in str(failures[0])


def test_ptbxl_with_the_files_of_100_hz_only(ptbxl, tmp_path, capsys):
    (ptbxl / "records500").rename(ptbxl / "elsewhere")
    counts = ecg(1)[:, :1000]
    write_dat(ptbxl / "records100", "00001_lr", counts, rate=100)
    write_ptbxl(ptbxl, [ptbxl_row(1, filename_lr="records100/00001_lr")])
    names, failures = import_recordings(tmp_path / "new", ptbxl_sources(ptbxl)[0])
    assert (names, failures) == (["HR00001"], []) and "1 recordings are read at 100 Hz" in capsys.readouterr().out
    record = read_record(tmp_path / "new/HR00001.hea")
    assert record.header.rate == 100 and np.array_equal(record.counts, counts)


def test_ptbxl_superclasses_are_own_classes(ptbxl, tmp_path):
    write_ptbxl(
        ptbxl, [ptbxl_row(1, scp_codes="{'NORM': 80.0, 'SR': 0.0}"), ptbxl_row(2, scp_codes="{'LAO/LAE': 50.0}")]
    )
    imported = call_script("tools/import_records.py", "ptbxl", ptbxl, tmp_path / "new", "--statements")
    assert imported.returncode == 0, imported.stderr
    diagnoses = [read_record(tmp_path / f"new/HR0000{number}.hea").header.diagnoses for number in (1, 2)]
    assert diagnoses == [("426783006", "scp:NORM", "scp:SR"), ("scp:LAO/LAE",)]
    weights = load_weights(ROOT / "examples/classes/ptbxl_superclasses.csv")
    assert [weights.encode(words).tolist() for words in diagnoses] == [[True] + 4 * [False], 4 * [False] + [True]]
    assert weights.not_understood(diagnoses[0]) == ["scp:SR"]
