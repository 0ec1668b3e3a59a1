"""A folder looked through before it is used: each oddity is found, on its recording and on no other."""

import csv

import numpy as np
import pytest

from ecg.classes import load_weights
from ecg.labels.folder_check import CONSEQUENCES, check_folder
from ecg.recipe import RECIPES
from tests.conftest import LEADS, header_text, noise, run_script, write_recording

COMMENTS = ("#Age: 60", "#Sex: Female", "#Dx: 426783006")


def changed(change) -> np.ndarray:
    counts = noise()
    change(counts)
    return counts


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A folder, and what is odd about which of its recordings."""
    folder = tmp_path_factory.mktemp("odd")
    write_recording(folder, "right", noise(5000, seed=1))
    recordings = {
        "rate": {"counts": noise(600, seed=2), "rate": "50"},
        "short": {"counts": noise(1000, seed=3)},
        "long": {"counts": noise(10_000, seed=4)},
        "leads missing": {"counts": noise(seed=5)[:11], "leads": LEADS[:11]},
        "leads unknown": {"counts": noise(leads=13, seed=6), "leads": (*LEADS, "X")},
        "leads doubled": {"counts": noise(leads=13, seed=7), "leads": (*LEADS, "v6")},
        "flat lead": {"counts": changed(lambda counts: counts[3].fill(7))},
        "nothing but flat leads": {"counts": np.zeros((12, 2500), np.int16)},
        "height": {"counts": (noise(seed=8) / 20).astype(np.int16)},
        "limit of 16 bits": {"counts": changed(lambda counts: counts[0, :5].fill(32767))},
        "samples missing": {"counts": changed(lambda counts: counts[:, :25].fill(-32768))},
        "age unknown": {"counts": noise(seed=9), "comments": ("#Age: NaN", *COMMENTS[1:])},
        "sex unknown": {"counts": noise(seed=10), "comments": ("#Age: 60", "#Dx: 426783006")},
        "no diagnosis": {"counts": noise(seed=11), "comments": COMMENTS[:2]},
        "no scored diagnosis": {"counts": noise(seed=12), "comments": (*COMMENTS[:2], "#Dx: 12345")},
        "sinus rhythm and another": {"counts": noise(seed=13), "comments": (*COMMENTS[:2], "#Dx: 426783006,164889003")},
        "same signal": {"counts": noise(5000, seed=1)},
        "same signal, other diagnoses": {"counts": noise(5000, seed=1), "comments": (*COMMENTS[:2], "#Dx: 164889003")},
    }
    for kind, recording in recordings.items():
        write_recording(folder, kind, **recording)
    expected = {kind: {kind} for kind in (*recordings, "length", "unreadable", "header's name")}
    path = write_recording(folder, "header's name", noise(seed=15))
    path.write_text(path.read_text().replace("header's name 12", "A0001 12"))
    path = write_recording(folder, "length", noise(seed=14))
    path.write_text(path.read_text().replace("500 2500", "500 2600"))
    write_recording(folder, "unreadable").with_suffix(".mat").write_bytes(b"")
    write_recording(folder / "below", "right")
    return folder, {**expected, folder.name: {"refused"}}


def test_each_oddity_is_found_and_no_other(odd):
    folder, expected = odd
    found = {
        one.path.stem: {kind for kind, _ in one.odd} for one in check_folder(folder, load_weights(), RECIPES["best"])
    }
    assert {name: kinds for name, kinds in found.items() if kinds} == expected
    assert set.union(*expected.values()) == set(CONSEQUENCES)


def test_the_table_says_what_and_what_is_done(odd, tmp_path):
    folder, expected = odd
    result = run_script("tools/check_data.py", folder, "--csv", tmp_path / "odd.csv")
    assert result.returncode == 1, result.stderr
    assert "21 of 23 recordings can be read" in result.stdout
    assert "unreadable: 1  ->  training leaves it out" in result.stdout and "no MATLAB file" in result.stdout
    rows = list(csv.DictReader((tmp_path / "odd.csv").read_text().splitlines()))
    assert {row["recording"] for row in rows} == set(expected)
    assert all(row["what is done"] == CONSEQUENCES[row["odd"]] for row in rows)


def test_what_it_calls_unreadable_is_what_fails(odd, model_folder, tmp_path):
    folder, _ = odd
    assert run_script("driver.py", model_folder, folder, tmp_path / "out").returncode == 1
    failed = list(csv.DictReader((tmp_path / "out/failures.csv").read_text().splitlines()))
    assert [row["recording"] for row in failed] == ["unreadable", ""]


def test_a_folder_with_nothing_odd_and_one_with_nothing_readable(tmp_path):
    write_recording(tmp_path / "right", "A1", noise(5000))
    result = run_script("tools/check_data.py", tmp_path / "right")
    assert result.returncode == 0 and "Nothing is odd" in result.stdout
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong/A1.hea").write_text(header_text("A1", noise()))
    result = run_script("tools/check_data.py", tmp_path / "wrong")
    assert result.returncode == 2 and "0 of 1 recordings can be read" in result.stdout
