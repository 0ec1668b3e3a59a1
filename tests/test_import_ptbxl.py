"""Import of PTB-XL: microvolts, labels, age and sex equal those of the source; damaged recordings are reported."""

import csv
from pathlib import Path

import numpy as np
import pytest
import wfdb

from ecg.classes import abbreviation, load_weights
from ecg.data.lead_names import LEADS
from ecg.data.record import read_record
from ecg.errors import EntryError
from ecg.importing.cpsc2018 import CODES as CPSC_CODES
from ecg.importing.importer import import_recordings
from ecg.importing.ptbxl import CODES, COLUMNS, parse_statements, ptbxl_sources, to_codes
from tests.conftest import ROOT, call_script
from tests.recording_files import assert_findings, ecg, write_dat


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
