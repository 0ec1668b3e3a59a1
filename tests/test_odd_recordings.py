"""Every kind of odd or broken recording in one folder: a right output or a clear reason, without effect on others."""

import csv
import os

import numpy as np
import pytest
import scipy.io

from ecg.evaluation.outputs import parse_outputs
from tests.conftest import LEADS, call_script, noise, replace_text, write_mat, write_recording

COUNTS = noise(5000, seed=1)
RATES = (1, 100, 250, 257, 300, 360, 400, 500, 1000, 2000)
OUTSIDE = "../../secret"


def with_counts(change):
    """COUNTS after ``change``, which changes them in place or returns others."""
    counts = COUNTS.copy()
    changed = change(counts)
    return {"counts": counts if changed is None else changed}


READABLE = {
    "right": {"counts": COUNTS},
    **{f"{rate} Hz": {"counts": noise(max(1, 10 * rate), seed=rate), "rate": str(rate)} for rate in RATES},
    **{f"{n} leads": {"counts": noise(leads=n, seed=n), "leads": (*LEADS, "X", "Y", "Z")[:n]} for n in range(1, 16)},
    "leads in another order": {"counts": COUNTS[::-1], "leads": LEADS[::-1]},
    "unknown lead names": {"counts": noise(leads=14), "leads": (*LEADS, "MLII", "")},
    "doubled leads": {"counts": noise(leads=14), "leads": (*LEADS, "II", "v6")},
    "one flat lead": with_counts(lambda counts: counts[4].fill(0)),
    "samples missing": with_counts(lambda counts: counts[:, 100:900].fill(-32768)),
    "spikes": with_counts(lambda counts: counts[:, ::700].fill(32767)),
    "2 samples": with_counts(lambda counts: counts[:, :2]),
    "0.1 s": with_counts(lambda counts: counts[:, :50]),
    "60 s": with_counts(lambda counts: np.tile(counts, 6)),
    "a name.with dots": {"counts": COUNTS},
    "A..1": {"counts": COUNTS},
    "-o": {"counts": COUNTS},
    "a, b": {"counts": COUNTS},
    "two\nlines": {"counts": COUNTS},
    "red \x1b[31m": {"counts": COUNTS},
    "\udcff\udcfe": {"counts": COUNTS},  # bytes that are not UTF-8
    "n" * 240: {"counts": COUNTS},
    "\u00e4\u5fc3\u7535": {"counts": COUNTS},
}

NO_ECG = {  # signals that can be read, and the reason to refuse them
    "all zero": (with_counts(lambda counts: counts.fill(0)), "all leads flat"),
    "one value": (with_counts(lambda counts: counts.fill(32767)), "all leads flat"),
    "1 sample": (with_counts(lambda counts: counts[:, :1]), "all leads flat"),
    "only missing samples": (with_counts(lambda counts: counts.fill(-32768)), "no valid sample"),
    "millivolts": (with_counts(lambda counts: counts // 400), "its height is 3 counts"),
    "nanovolts": (
        with_counts(lambda counts: np.clip(1e3 * counts, -32767, 32767)),
        "the limit of 16 bits",
    ),
}


def encode(path, encoding):
    path.write_bytes((path.read_text() + "#Hx: M\u00fcller\n").replace("\n", "\r\n").encode(encoding))


# The change of a right recording, and the reason of its failure: None if the recording can be read all the same.
ALTERED = {
    "latin-1": (lambda path: encode(path, "latin-1"), None),
    "utf-8 with a byte order mark": (lambda path: encode(path, "utf-8-sig"), None),
    "fewer samples": (lambda path: write_mat(path.with_suffix(".mat"), COUNTS[:, :4000]), None),
    "another name inside": (lambda path: replace_text(path, "another name inside", "../../B1"), None),
    "floats": (lambda path: scipy.io.savemat(path.with_suffix(".mat"), {"val": COUNTS + 0.25}), None),
    "not a number": (
        lambda path: scipy.io.savemat(path.with_suffix(".mat"), {"val": COUNTS * np.nan}),
        "no valid sample",
    ),
    "no signal": (lambda path: path.with_suffix(".mat").unlink(), "cannot be read (No such file"),
    "no header": (lambda path: path.unlink(), "cannot be read (No such file"),
    "truncated": (lambda path: os.truncate(path.with_suffix(".mat"), 9999), "holds 9975 bytes"),
    "truncated header": (lambda path: os.truncate(path, 3), "no record line"),
    "empty": (lambda path: os.truncate(path.with_suffix(".mat"), 0), "not a MATLAB file"),
    "empty header": (lambda path: os.truncate(path, 0), "no record line"),
    "too large": (lambda path: os.truncate(path.with_suffix(".mat"), 200_000), "holds 199976 bytes"),
    "fewer leads": (lambda path: write_mat(path.with_suffix(".mat"), COUNTS[:9]), "12 leads in the header"),
    "words": (lambda path: scipy.io.savemat(path.with_suffix(".mat"), {"val": ["a", "b"]}), "not a matrix of numbers"),
    "0 Hz": (lambda path: replace_text(path, "12 500 ", "12 0 "), "impossible number"),
    "a folder": (lambda path: (path.with_suffix(".mat").unlink(), path.with_suffix(".mat").mkdir()), "Is a directory"),
    "a broken link": (
        lambda path: (path.with_suffix(".mat").unlink(), path.with_suffix(".mat").symlink_to("nowhere")),
        "No such file",
    ),
    "a pipe": (
        lambda path: (path.with_suffix(".mat").unlink(), os.mkfifo(path.with_suffix(".mat"))),
        "not an ordinary file",
    ),
    "no permission": (lambda path: path.with_suffix(".mat").chmod(0), "Permission denied" if os.getuid() else None),
    "outside": (
        lambda path: (path.with_suffix(".mat").unlink(), replace_text(path, "outside.mat", f"{OUTSIDE}.dat")),
        "outside its own folder",
    ),
    "outside, absolute": (
        lambda path: (path.with_suffix(".mat").unlink(), replace_text(path, "outside, absolute.mat", "/etc/passwd")),
        "outside its own folder",
    ),
}


@pytest.fixture(scope="module")
def run(model_folder, tmp_path_factory):
    """The folder of all these recordings, the folder of their outputs, and the result of the driver."""
    folder = tmp_path_factory.mktemp("odd")
    data, outputs = folder / "below/data", folder / "outputs"
    (folder / "secret.dat").write_bytes(COUNTS.tobytes())
    for name, recording in (READABLE | {name: recording for name, (recording, _) in NO_ECG.items()}).items():
        write_recording(data, name, **recording)
    for name, (alter, _) in ALTERED.items():
        alter(write_recording(data, name, COUNTS))
    return data, outputs, call_script("driver.py", model_folder, data, outputs)


def test_each_recording_has_an_output_or_a_reason(run):
    _, outputs, result = run
    expected = {name: reason for name, (_, reason) in (NO_ECG | ALTERED).items() if reason}
    assert result.returncode == 1 and "Traceback" not in result.stderr and "failed together" not in result.stdout
    recordings = len(READABLE) + len(NO_ECG) + len(ALTERED)
    assert f"{recordings - len(expected)} of {recordings} recordings" in result.stdout
    failures = {row["recording"]: row["reason"] for row in csv.DictReader((outputs / "failures.csv").open())}
    assert failures.keys() == expected.keys()
    for name, reason in expected.items():
        assert reason in failures[name] and f"{name}." in failures[name]
    for name in (*READABLE, *NO_ECG, *ALTERED):
        _, labels, scores = parse_outputs((outputs / f"{name}.csv").read_text())
        assert any(labels) == (name not in expected)
        assert np.isfinite(scores).all() and any(scores) == (name not in expected)
    assert len(list(outputs.glob("*.csv"))) == recordings + 2  # failures.csv and notes.csv


def test_what_is_unusual_about_a_recording_is_noted(run):
    _, outputs, result = run
    notes = {}
    for row in csv.DictReader((outputs / "notes.csv").open()):
        notes.setdefault(row["recording"], []).append(row["note"])
    assert notes["one flat lead"] == ["flat leads: aVL"]
    assert notes["samples missing"] == ["missing samples: 16 %"]
    assert notes["spikes"] == ["clipped samples: 96"]
    assert notes["8 leads"] == ["missing leads: V3, V4, V5, V6"]
    assert notes["0.1 s"] == ["short recording: 0.1 s"]
    assert not {"right", "leads in another order", "60 s", "millivolts", "no header"} & notes.keys()
    assert "warning: missing leads" in result.stdout and "notes.csv" in result.stdout


def test_a_right_recording_has_the_same_output_alone_and_among_the_others(run, model_folder, tmp_path):
    data, outputs, _ = run
    write_recording(tmp_path / "alone", "right", COUNTS)
    assert call_script("driver.py", model_folder, tmp_path / "alone", tmp_path / "out").returncode == 0
    alone, among = (parse_outputs((folder / "right.csv").read_text()) for folder in (tmp_path / "out", outputs))
    assert alone[1] == among[1]
    np.testing.assert_allclose(alone[2], among[2], atol=1e-5)
    for same in ("latin-1", "a name.with dots", "leads in another order", "another name inside", "-o"):
        np.testing.assert_allclose(parse_outputs((outputs / f"{same}.csv").read_text())[2], alone[2], atol=1e-5)


def test_training_leaves_out_unreadable_recordings(run, tmp_path):
    data, _, _ = run
    options = ("--recipe", "small,width=4,reduction=2", "--epochs", 1, "--folds", 2, "--simulated", 10)
    trained = call_script("train_model.py", data, tmp_path / "model", *options)
    assert trained.returncode == 0 and "Traceback" not in trained.stderr
    for name, (_, reason) in (NO_ECG | ALTERED).items():
        if reason:
            assert any(line.startswith("skipped:") and f"{name}." in line for line in trained.stdout.splitlines())


def test_two_recordings_with_the_same_name(model_folder, tmp_path):
    """One output would be wrong for one of them: the second is refused, the others are run."""
    for folder in ("one", "two"):
        write_recording(tmp_path / "data" / folder, "A1", COUNTS)
    write_recording(tmp_path / "data/two", "A2", COUNTS)
    result = call_script("driver.py", model_folder, tmp_path / "data", tmp_path / "out")
    assert result.returncode == 1 and "2 of 3 recordings done" in result.stdout
    assert "two/A1.hea" in result.stderr and "has the same name" in result.stderr
    assert sorted(path.name for path in (tmp_path / "out").glob("*.csv")) == ["A1.csv", "A2.csv", "failures.csv"]
    scored = call_script("evaluate_model.py", tmp_path / "data", tmp_path / "out")
    assert scored.returncode == 0 and "not scored: " in scored.stderr and "has the same name" in scored.stderr
