"""Import of CPSC 2018: microvolts, labels, age and sex equal those of the source; damaged recordings are reported."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io

from ecg.data.record import read_record
from ecg.errors import EntryError
from ecg.importing.cpsc2018 import cpsc2018_sources
from ecg.importing.importer import import_recordings
from tests.conftest import call_script
from tests.recording_files import assert_findings, ecg


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
