"""One door: read_record, the driver, the checks and the tools take files of every format."""

import os
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ecg.classes import load_weights
from ecg.data.formats import opening
from ecg.data.formats.physical import PhysicalRecording
from ecg.data.lead_names import LEADS
from ecg.data.listing import find_recordings, recording_at, signal_changed_at, signal_size
from ecg.data.record import read_record
from ecg.errors import EntryError, RecordError
from ecg.model.compute import pick_compute
from ecg.training.setup import list_recordings
from ecg.training.store import open_store
from helper_code import load_outputs
from team_code import load_model, run_model, run_recording
from tests.conftest import call_script, header_text, noise, run_script, write_recording
from tests.hospital_files import MDC_CODES, counts, dicom_group, scp, scp_content, write_dicom
from tests.test_edf import edf

COUNTS = noise(5000, seed=3) * 2  # in EDF files of 0.5 uV they are whole microvolts
PATIENT = {"about": "EDF+C", "patient": "X F 05-MAR-1940 X", "recorded": "Startdate 04-MAR-2001"}
XML = {
    "aecg": '<?xml version="1.0"?>\n<!-- of a recorder -->\n<AnnotatedECG xmlns="urn:hl7-org:v3">',
    "prefix": '<?xml version="1.0"?><hl7:AnnotatedECG xmlns:hl7="urn:hl7-org:v3">',
    "muse": '<?xml version="1.0" encoding="ISO-8859-1"?><!DOCTYPE RestingECG SYSTEM "restecg.dtd"><RestingECG>',
    "philips": '\ufeff<?xml version="1.0" encoding="UTF-16"?><restingecgdata xmlns="http://www3.medical.philips.com">',
}
DICOM = bytes(128) + b"DICM" + b"\x02\x00\x00\x00UL\x04\x00\xc8\x00\x00\x00\x02\x00\x01\x00OB\x00\x00\x02\x00\x00\x00"
DICOM += b"\x00\x01\x02\x00\x02\x00UI\x1e\x00"
SOP = {"ecg": b"1.2.840.10008.5.1.4.1.1.9.1.1\0", "ct": b"1.2.840.10008.5.1.4.1.1.2\0", "list": b"1.2.840.10008.1.3.10"}


@pytest.fixture
def fake_dicom(monkeypatch):
    """A reader of DICOM that needs no file: leads II and I, of 1 and 2.4 uV, with a missing sample."""
    module = ModuleType("ecg.data.formats.dicom")
    microvolts = np.array([[1.0, 1, 1], [2.4, np.nan, 2.4]])
    facts = (70.0, "male", ("426783006",))
    module.read_dicom = lambda path: PhysicalRecording(["II", "I"], 250.0, microvolts, *facts)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)


def write_both(folder: Path) -> tuple[Path, Path]:
    """The same recording as a header with its signal, A1, and as an EDF file, B1."""
    header = write_recording(folder, "A1", COUNTS // 2, comments=("#Age: 60", "#Sex: Female"))
    other = folder / "b" / "B1.EDF"
    other.parent.mkdir()
    other.write_bytes(edf(COUNTS, stamps=[f"+{second}" for second in range(10)], **PATIENT))
    return header, other


def test_a_recording_is_the_same_in_every_format(tmp_path):
    wfdb, other = map(read_record, write_both(tmp_path))
    np.testing.assert_array_equal(wfdb.counts, other.counts)
    np.testing.assert_array_equal(wfdb.mask, other.mask)
    assert (other.header.name, other.header.rate, other.header.samples) == ("B1", 500, 5000)
    assert (other.header.age, other.header.sex, other.header.diagnoses) == (60, "female", ())
    assert other.header.leads == LEADS and other.header.source == "B" and not other.scaled


def test_microvolts_of_a_reader_become_counts(tmp_path, fake_dicom):
    (tmp_path / "an image.dcm").touch()
    record = read_record(tmp_path / "an image.dcm")
    assert record.counts[:2].tolist() == [[2, -32768, 2], [1, 1, 1]] and record.mask.sum() == 2
    header = record.header
    assert (header.name, header.rate, header.age, header.sex) == ("an image", 250, 70, "male")
    assert header.diagnoses == ("426783006",) and header.leads == ("I", "II")


def test_the_driver_and_python_give_the_same_outputs(tmp_path, model_folder):
    header, other = write_both(tmp_path / "data")
    (tmp_path / "data/notes.xml").write_text("<notes/>")
    (tmp_path / "data/cut.edf").write_bytes(b"0" * 300)
    done = call_script("driver.py", model_folder, tmp_path / "data", tmp_path / "out")
    assert done.returncode == 1 and "2 of 3 recordings done" in done.stdout and "cut.edf: is no EDF file" in done.stderr
    assert sorted(path.name for path in (tmp_path / "out").glob("[!.fn]*.csv")) == ["A1.csv", "B1.csv", "cut.csv"]
    outputs = [load_outputs(tmp_path / f"out/{name}.csv") for name in ("A1", "B1")]
    assert outputs[0][1:3] == outputs[1][1:3] and sum(map(int, outputs[1][2])) > 0
    np.testing.assert_allclose(outputs[0][3], outputs[1][3], atol=1e-5)  # rows of a batch may round differently
    model = load_model(model_folder, compute=pick_compute("cpu", float32=True))
    expected = run_model(model, header_text("A1", COUNTS // 2, comments=("#Age: 60", "#Sex: Female")), COUNTS // 2)
    assert run_recording(model, header) == run_recording(model, str(other)) == expected
    with pytest.raises(RecordError, match=r"cut[.]edf"):
        run_recording(model, tmp_path / "data/cut.edf")
    resumed = call_script("driver.py", model_folder, tmp_path / "data", tmp_path / "out", "--resume")
    assert resumed.returncode == 1 and "2 of 3 recordings done" in resumed.stdout


def test_check_data_training_and_import_take_them(tmp_path):
    write_both(tmp_path / "data")
    done = call_script("tools/check_data.py", tmp_path / "data")
    assert done.returncode == 0 and "duplicate signal" in done.stdout and "name mismatch" not in done.stdout
    assert [path.name for path in list_recordings(tmp_path / "data")] == ["A1.hea", "B1.EDF"]
    for name in ("files", "wfdb"):
        done = call_script("tools/import_records.py", name, tmp_path / "data", tmp_path / name)
        assert done.returncode == 0 and "2 of 2 recordings imported" in done.stdout, done.stdout
        np.testing.assert_array_equal(read_record(tmp_path / name / "B1.hea").counts, COUNTS // 2)


def test_a_training_leaves_out_what_has_no_labels(tmp_path, tiny_recipe):
    header, other = write_both(tmp_path)
    header.write_text(header.read_text() + "#Dx: 426783006\n")
    store = open_store([header, other], tmp_path / "store", load_weights(), tiny_recipe)
    assert list(store.names()) == ["A1"]


def test_a_picture_is_drawn_of_any_format(tmp_path):
    _, other = write_both(tmp_path)
    assert run_script("tools/plot.py", other, tmp_path / "ecg.svg").returncode == 0
    assert (tmp_path / "ecg.svg").stat().st_size > 10_000


def test_a_folder_lists_each_name_once(tmp_path):
    for name in ("A1.edf", "A1.scp", "A2.edf", "A2.BDF", "b/A3.edf", "A4.mat", "A4.dcm", ".A5.edf", "A6.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    write_recording(tmp_path / "c", "A1")
    refused = []
    found = find_recordings(tmp_path, refuse=refused.append)
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["c/A1.hea", "A2.BDF", "b/A3.edf", "A4.dcm"]
    names = [str(error).split(":")[0] for error in refused]
    assert names == [str(tmp_path / name) for name in ("A1.edf", "A1.scp", "A2.edf")]
    assert all("has the same name" in str(error) for error in refused)
    assert find_recordings(tmp_path, headers_only=True) == [tmp_path / "c/A1.hea"]
    with pytest.raises(EntryError, match="same name"):
        find_recordings(tmp_path)


def test_only_xml_files_of_ecgs_are_recordings(tmp_path):
    for name, text in XML.items():
        (tmp_path / f"{name}.xml").write_text(text, encoding="utf-16-le" if name == "philips" else "utf-8")
    (tmp_path / "page.xml").write_text("<?xml version='1.0'?><report><ecg/></report>")
    (tmp_path / "empty.xml").touch()
    (tmp_path / "holter.ecg").write_bytes(b"ISHNE1.0" + bytes(600))
    (tmp_path / "other.ecg").write_bytes(b"something else")
    os.mkfifo(tmp_path / "pipe.xml")
    assert [path.stem for path in find_recordings(tmp_path)] == ["aecg", "holter", "muse", "philips", "prefix"]


def test_dicom_files_without_a_suffix_are_found_by_their_content(tmp_path):
    for name, uid in (
        ("IM0001", SOP["ecg"]),
        ("IM0002.IMA", SOP["ecg"]),
        ("IM0003", SOP["ct"]),
        ("DICOMDIR", SOP["list"]),
    ):
        (tmp_path / name).write_bytes(DICOM + uid)
    (tmp_path / "README").write_text("a text")
    assert [path.name for path in find_recordings(tmp_path)] == ["IM0001", "IM0002.IMA"]
    assert recording_at(tmp_path / "IM0001").name == "IM0001" and recording_at(tmp_path / "README").name == "README.hea"


def test_dicom_files_named_by_their_unique_identifiers(tmp_path, model_folder):
    """Before, they were passed over. Their names have no suffix: what follows the last dot is a number."""
    data = tmp_path / "data"
    data.mkdir()
    for seed, name in enumerate(names := ["1.2.840.99.1", "1.2.840.99.2", "a.dicom", "b.DIC", "c.ecg"]):
        write_dicom(data / name, [dicom_group(counts(12, 5000, seed), MDC_CODES)])
    (data / "words.dic").write_text("aardvark")
    (data / "photo.12").write_text("no DICOM file")
    assert [path.name for path in find_recordings(data)] == names
    assert recording_at(data / names[0]) == data / names[0]
    done = call_script("driver.py", model_folder, data, tmp_path / "out")
    assert done.returncode == 0 and "5 of 5 recordings done" in done.stdout
    assert load_outputs(tmp_path / "out/1.2.840.99.1.csv")[0] == "1.2.840.99.1"
    assert call_script("tools/import_records.py", "files", data, tmp_path / "new").returncode == 0
    assert read_record(tmp_path / "new/1_2_840_99_1.hea").mask.all()


def test_a_suffix_of_several_formats_is_decided_by_the_content(tmp_path):
    values = counts(8)
    (tmp_path / "A1.ecg").write_bytes(scp(scp_content(values)))
    (tmp_path / "A1.scp").write_bytes(scp(scp_content(values)))
    assert np.array_equal(read_record(tmp_path / "A1.ecg").counts, read_record(tmp_path / "A1.scp").counts)
    assert find_recordings(tmp_path, refuse=lambda error: None) == [tmp_path / "A1.ecg"]


def test_other_endings_of_edf_and_of_files_on_a_cd(tmp_path):
    for name in ("A1.rec", "A2.EDF;1"):
        (tmp_path / name).write_bytes(edf(COUNTS))
    (tmp_path / "A3.rec").write_text("a sound")
    found = find_recordings(tmp_path)
    assert [path.name for path in found] == ["A1.rec", "A2.EDF;1"]
    assert all(np.array_equal(read_record(path).counts, COUNTS // 2) for path in found)


def test_a_long_comment_before_the_root_of_an_xml_file(tmp_path):
    text = XML["muse"].replace("<RestingECG>", f"<!--{'x' * 30_000}--><RestingECG>")
    (tmp_path / "A1.xml").write_text(text)
    assert find_recordings(tmp_path) == [tmp_path / "A1.xml"]


def test_a_file_of_another_format_is_its_own_signal_file(tmp_path):
    path = tmp_path / "A1.edf"
    path.write_bytes(bytes(1000))
    (tmp_path / "A1.mat").write_bytes(bytes(5000))
    os.utime(path, ns=(5, 5))
    assert signal_size(path) == 1000 and signal_changed_at(path) == 5


def test_without_a_package_the_other_recordings_run(tmp_path, model_folder, fake_dicom, monkeypatch):
    write_both(tmp_path / "data")
    (tmp_path / "data/C1.dcm").touch()

    def need_package(path):
        raise ModuleNotFoundError("No module named 'pydicom'", name="pydicom")

    monkeypatch.setattr(sys.modules["ecg.data.formats.dicom"], "read_dicom", need_package)
    message = "C1.dcm: pydicom is not installed: pip install -r requirements-data.txt"
    done = call_script("driver.py", model_folder, tmp_path / "data", tmp_path / "out")
    assert done.returncode == 1 and "2 of 3 recordings done" in done.stdout and message in done.stderr
    imported = call_script("tools/import_records.py", "files", tmp_path / "data", tmp_path / "new")
    assert imported.returncode == 1 and message in imported.stdout


def test_the_table_names_modules_of_the_room():
    assert all(suffix == suffix.lower() for suffix in opening.FORMATS)
    for path in Path(opening.__file__).parent.glob("*.py"):
        for form in {form for forms in opening.FORMATS.values() for form in forms}:
            assert path.stem != form.module or f"def {form.function}(path: Path)" in path.read_text()
