"""Import of WFDB and EDF files: microvolts, age and sex equal those of the source; damaged recordings are reported."""

import os

import numpy as np
import pytest

from ecg.data.lead_names import LEADS
from ecg.data.record import INVALID, read_record
from ecg.errors import EntryError
from ecg.importing.importer import import_recordings
from ecg.importing.recording_files import signal_sources
from tests.conftest import ROOT, call_script, replace_text, run_script, write_recording
from tests.recording_files import ecg, write_dat, write_edf


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
