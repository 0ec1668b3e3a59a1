"""Finding the recordings in a folder."""

import os
from pathlib import Path

import pytest

from ecg.data.listing import find_recordings, signal_size
from ecg.errors import EntryError
from tests.conftest import replace_text, write_recording


def test_headers_of_all_subfolders_are_found_in_order_of_their_names(tmp_path):
    for name in ("g2/E2", "g1/E10", "A3"):
        write_recording((tmp_path / name).parent, name.split("/")[-1])
    (tmp_path / ".hidden.hea").write_text("")
    assert [path.stem for path in find_recordings(tmp_path)] == ["A3", "E10", "E2"]
    write_recording(tmp_path / "g3", "A3")
    with pytest.raises(EntryError, match="same name"):
        find_recordings(tmp_path)


def test_hidden_and_system_folders_are_not_searched(tmp_path):
    """Before, a copy in a recycle bin made its recording fail as a second one of the same name."""
    path = write_recording(tmp_path, "A1")
    for folder in (".ipynb_checkpoints", "$RECYCLE.BIN/S-1-5", "__MACOSX", "System Volume Information", "@eaDir"):
        write_recording(tmp_path / folder, "A1")
    assert find_recordings(tmp_path) == [path]


def test_signals_without_a_header_and_compressed_files_are_named(tmp_path):
    path = write_recording(tmp_path, "A1")
    replace_text(path, "A1.mat", "other.mat")
    path.with_suffix(".mat").rename(tmp_path / "other.mat")
    for name in ("A2.dat", "A3.mat", "A4.hea.gz", "A4.mat.gz", "notes.txt.gz", "data.zip"):
        (tmp_path / name).touch()
    refused = []
    found = find_recordings(tmp_path, refuse=refused.append)
    assert [path.name for path in found] == ["A1.hea", "A2.hea", "A3.hea"]
    compressed = [f"{tmp_path / name}: is compressed; unpack it" for name in ("A4.hea.gz", "A4.mat.gz")]
    assert list(map(str, refused)) == compressed
    assert find_recordings(tmp_path, headers_only=True, refuse=refused.append) == [path]


def test_parts_of_a_recording_with_another_name_are_no_recordings(tmp_path):
    """As in MIMIC: the whole is named after its date, its parts after a number."""
    for name in ("3544749_0001", "3544749_0002", "B_1", "sub/B_0001"):
        write_recording((tmp_path / name).parent, Path(name).name)
    parts = "3544749_0001 2500\n~ 500\n3544749_0002 2500\n"
    (tmp_path / "p000020-2183.hea").write_text(f"p000020-2183/3 12 500 5500\n{parts}")
    assert [path.name for path in find_recordings(tmp_path)] == ["B_0001.hea", "B_1.hea", "p000020-2183.hea"]


def test_parts_in_other_folders(tmp_path):
    """A part's name takes no other recording away, and parts in a subfolder are no recordings."""
    for name in ("a/R_0001", "z/R_0001", "z/R_0002", "seg/S_0001"):
        write_recording((tmp_path / name).parent, Path(name).name)
    (tmp_path / "z/R.hea").write_text("R/2 12 500 5000\nR_0001 2500\nR_0002 2500\n")
    (tmp_path / "S.hea").write_text("S/1 12 500 2500\nseg/S_0001 2500\n")
    found = find_recordings(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["z/R.hea", "a/R_0001.hea", "S.hea"]


def test_links_to_nothing_and_signals_with_the_name_of_another_recording_are_named(tmp_path):
    path = write_recording(tmp_path / "a", "S1")
    write_recording(tmp_path / "b", "S1").unlink()
    (tmp_path / "site2").symlink_to(tmp_path / "not mounted")
    refused = []
    assert find_recordings(tmp_path, refuse=refused.append) == [path]
    assert [str(error) for error in refused] == [
        f"{tmp_path}/site2: is a link to nothing",
        f"{tmp_path}/b/S1.mat: has no header beside it, and the name of {path}",
    ]


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_folder_without_recordings_is_an_error(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(EntryError, match=folder):
        find_recordings(tmp_path / folder)


def test_unusable_files_and_folders_are_refused_and_the_search_continues(tmp_path, monkeypatch):
    for name in ("a/A1", "a/A1a", "b/A1", "closed/A2"):
        write_recording((tmp_path / name).parent, name.split("/")[-1])
    (tmp_path / "b/A2.mat").touch()
    scandir = os.scandir

    def deny(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", deny)
    refused = []
    found = find_recordings(tmp_path, refuse=refused.append)
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["a/A1.hea", "a/A1a.hea", "b/A2.hea"]
    assert {str(error).removeprefix(f"{tmp_path}/").split(":")[0] for error in refused} == {"b/A1.hea", "closed"}
    with_header = find_recordings(tmp_path, headers_only=True, refuse=refused.append)
    assert with_header == found[:2]
    with pytest.raises(EntryError):
        find_recordings(tmp_path)


def test_size_of_a_signal_file_that_cannot_be_inspected_is_zero(tmp_path, monkeypatch):
    def fail(path, **_):
        raise OSError(5, "Input/output error")

    header = write_recording(tmp_path, "A0001")
    monkeypatch.setattr(Path, "stat", fail)
    assert signal_size(header) == 0
