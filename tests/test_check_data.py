"""The folder check: each finding is reported for its recording and for no other."""

import csv

import numpy as np
import pytest
import scipy.io

from ecg.classes import load_weights
from ecg.labels.folder_check import HANDLING, check_folder
from ecg.recipe import RECIPES
from tests.conftest import LEADS, call_script, header_text, noise, replace_text, run_script, write_recording

COMMENTS = ("#Age: 60", "#Sex: Female", "#Dx: 426783006")


def modified(modify) -> np.ndarray:
    counts = noise()
    modify(counts)
    return counts


@pytest.fixture(scope="module")
def checked_folder(tmp_path_factory):
    """A folder with one recording for each finding, and the expected findings by recording."""
    folder = tmp_path_factory.mktemp("checked")
    write_recording(folder, "clean", noise(5000, seed=1))
    recordings = {
        "sampling rate": {"counts": noise(600, seed=2), "rate": "50"},
        "short recording": {"counts": noise(1000, seed=3)},
        "long recording": {"counts": noise(10_000, seed=4)},
        "missing leads": {"counts": noise(seed=5)[:11], "leads": LEADS[:11]},
        "unknown leads": {"counts": noise(leads=13, seed=6), "leads": (*LEADS, "X")},
        "duplicate leads": {"counts": noise(leads=13, seed=7), "leads": (*LEADS, "v6")},
        "flat leads": {"counts": modified(lambda counts: counts[3].fill(7))},
        "all leads flat": {"counts": np.zeros((12, 2500), np.int16)},
        "no valid sample": {"counts": np.full((12, 2500), -32768, np.int16)},
        "clipped": {"counts": modified(lambda counts: counts[:4].fill(32767))},
        "height": {"counts": (noise(seed=16) / 60).astype(np.int16)},
        "other gain": {"counts": noise(seed=19)},
        "unusual height": {"counts": (noise(seed=8) / 20).astype(np.int16)},
        "clipped samples": {"counts": modified(lambda counts: counts[0, :5].fill(32767))},
        "missing samples": {"counts": modified(lambda counts: counts[:, :25].fill(-32768))},
        "unknown age": {"counts": noise(seed=9), "comments": ("#Age: NaN", *COMMENTS[1:])},
        "unknown sex": {"counts": noise(seed=10), "comments": ("#Age: 60", "#Dx: 426783006")},
        "no diagnosis": {"counts": noise(seed=11), "comments": COMMENTS[:2]},
        "no scored diagnosis": {"counts": noise(seed=12), "comments": (*COMMENTS[:2], "#Dx: 12345")},
        "diagnosis not understood": {"counts": noise(seed=17), "comments": (*COMMENTS[:2], "#Dx: 426783006,STEMI")},
        "conflicting rhythms": {"counts": noise(seed=13), "comments": (*COMMENTS[:2], "#Dx: 426783006,164889003")},
        "duplicate signal": {"counts": noise(5000, seed=1)},
        "duplicate signal, different diagnoses": {
            "counts": noise(5000, seed=1),
            "comments": (*COMMENTS[:2], "#Dx: 164889003"),
        },
    }
    for finding, recording in recordings.items():
        write_recording(folder, finding, **recording)
    expected = {
        finding: {finding}
        for finding in (*recordings, "more than 16 bits", "length mismatch", "unreadable", "name mismatch")
    }
    path = write_recording(folder, "name mismatch", noise(seed=15))
    path.write_text(path.read_text().replace("name mismatch 12", "A0001 12"))
    path = write_recording(folder, "length mismatch", noise(seed=14))
    path.write_text(path.read_text().replace("500 2500", "500 2600"))
    for name, seed, offset in (("more than 16 bits", 18, 0), ("large offset", 20, 50_000)):
        counts = noise(seed=seed).astype(np.int32) + offset
        replace_text(write_recording(folder, name, counts.astype(np.int16)), " 1000/mV ", " 1000000/mV ")
        scipy.io.savemat(folder / f"{name}.mat", {"val": counts * 1000})
    expected["large offset"] = {"large offset", "more than 16 bits"}
    replace_text(folder / "other gain.hea", " 1000/mV ", " 200/mV ")
    write_recording(folder, "unreadable").with_suffix(".mat").write_bytes(b"")
    write_recording(folder / "subfolder", "clean")
    return folder, {**expected, folder.name: {"refused"}}


def test_each_finding_is_reported_and_no_other(checked_folder):
    folder, expected = checked_folder
    found = {}
    for recording in check_folder(folder, load_weights(), RECIPES["best"]):
        if recording.findings:
            found[recording.path.stem] = {finding for finding, _ in recording.findings}
    assert found == expected
    assert set.union(*expected.values()) == set(HANDLING)


def test_the_csv_has_all_findings_and_their_handling(checked_folder, tmp_path):
    folder, expected = checked_folder
    result = run_script("tools/check_data.py", folder, "--csv", tmp_path / "findings.csv")
    assert result.returncode == 1, result.stderr
    assert "24 of 30 recordings can be used" in result.stdout
    assert "unreadable: 1  ->  skipped in training" in result.stdout and "not a MATLAB file" in result.stdout
    rows = list(csv.DictReader((tmp_path / "findings.csv").read_text().splitlines()))
    assert {row["recording"] for row in rows} == set(expected)
    assert all(row["handling"] == HANDLING[row["finding"]] for row in rows)


def test_unusable_recordings_are_those_that_the_driver_reports(checked_folder, model_folder, tmp_path):
    folder, _ = checked_folder
    assert call_script("driver.py", model_folder, folder, tmp_path / "out").returncode == 1
    failed = list(csv.DictReader((tmp_path / "out/failures.csv").read_text().splitlines()))
    refused = ["all leads flat", "clipped", "height", "no valid sample", "unreadable", ""]
    assert [row["recording"] for row in failed] == refused


def test_a_folder_without_findings_and_one_without_a_usable_recording(tmp_path):
    write_recording(tmp_path / "good", "A1", noise(5000))
    result = call_script("tools/check_data.py", tmp_path / "good")
    assert result.returncode == 0 and "No findings" in result.stdout
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/A1.hea").write_text(header_text("A1", noise()))
    result = call_script("tools/check_data.py", tmp_path / "bad")
    assert result.returncode == 2 and "0 of 1 recordings can be used" in result.stdout
