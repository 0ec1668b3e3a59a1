"""tools/demo.py: the split of the recordings, and the folders that it must not empty."""

import importlib.util

import pytest

from ecg.data.header import read_header
from ecg.data.listing import find_recordings
from ecg.data.record import read_record
from ecg.errors import EntryError
from tests.conftest import ROOT, call_script, write_recording


@pytest.fixture(scope="module")
def demo():
    spec = importlib.util.spec_from_file_location("demo", ROOT / "tools/demo.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_fifth_of_the_recordings_is_hidden_without_diagnoses(demo, tmp_path):
    for i in range(10):
        write_recording(tmp_path / "data", f"DX{i}")
    folders = [tmp_path / name for name in ("training", "hidden", "labels")]
    demo.deal(tmp_path / "data", *folders)
    training, hidden, labels = ([path.stem for path in find_recordings(folder)] for folder in folders)
    assert len(training) == 8 and len(hidden) == 2 and hidden == labels and not set(training) & set(hidden)
    for name in hidden:
        assert read_record(folders[1] / f"{name}.hea").header.diagnoses == ()
        assert read_header(folders[2] / f"{name}.hea").diagnoses == ("426783006",)


def test_broken_recordings_are_named_and_the_others_are_split(demo, tmp_path, capsys):
    for i in range(10):
        write_recording(tmp_path / "data", f"DX{i}")
    (tmp_path / "data/broken.hea").write_text("nothing\n")
    (tmp_path / "data/lonely.mat").write_bytes(b"")
    (tmp_path / "data/holter.edf").write_bytes(b"")
    write_recording(tmp_path / "data/again", "DX3")
    folders = [tmp_path / name for name in ("training", "hidden", "labels")]
    demo.deal(tmp_path / "data", *folders)
    assert sum(len(find_recordings(folder)) for folder in folders[:2]) == 10
    printed = capsys.readouterr()
    assert "8 recordings to train on, 2 hidden" in printed.out
    assert all(f"{name}: " in printed.err for name in ("broken.hea", "lonely.hea", "holter.edf", "again/DX3.hea"))


def test_a_folder_without_a_readable_header_is_an_error(demo, tmp_path):
    (tmp_path / "broken.hea").write_text("nothing\n")
    with pytest.raises(EntryError, match="no header in it can be read"):
        demo.deal(tmp_path, *(tmp_path / name for name in ("training", "hidden", "labels")))


def test_only_the_folder_of_an_earlier_demo_is_emptied(demo, tmp_path):
    demo.start_afresh(tmp_path / "demo")
    (tmp_path / "demo/old").touch()
    demo.start_afresh(tmp_path / "demo")
    assert not (tmp_path / "demo/old").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/recording.mat").touch()
    with pytest.raises(EntryError, match="not an earlier demo"):
        demo.start_afresh(tmp_path / "mine")
    write_recording(tmp_path / "demo/data", "A1")
    result = call_script("tools/demo.py", tmp_path / "demo", "--data", tmp_path / "demo/data")
    assert result.returncode == 2 and "give another folder" in result.stderr
    assert (tmp_path / "demo/data/A1.mat").exists()
