"""Runs of the driver that are interrupted or out of disk space: --resume runs what is missing, and nothing is lost."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import driver
import team_code
from ecg.data.listing import find_recordings
from ecg.evaluation.outputs import parse_outputs
from ecg.model.folder import model_digest
from team_code import load_model
from tests.conftest import CPU, ROOT, call_script, noise, write_recording


def test_a_full_disk_ends_the_driver_and_resume_finishes_the_rest(model_folder, training_data, small_disk):
    with open(small_disk / "filler", "wb") as file:
        file.write(bytes(2**20 - 12 * 4096))
    result = call_script("driver.py", model_folder, training_data, small_disk / "out")
    assert result.returncode == 2 and "cannot be written (No space left on device)" in result.stderr
    written = sorted((small_disk / "out").glob("[!.]*.csv"))
    assert 0 < len(written) < 20
    assert sorted(path.name for path in (small_disk / "out").glob(".*")) == [driver.MODEL_NOTE, ".notes-0.csv"]
    assert all(parse_outputs(path.read_text()) for path in written)
    (small_disk / "filler").unlink()
    assert call_script("driver.py", model_folder, training_data, small_disk / "out", "--resume").returncode == 0
    notes = list(csv.DictReader((small_disk / "out/notes.csv").open()))  # no note of the first run is lost
    assert len(list((small_disk / "out").glob("*.csv"))) == 21
    trained_on = {note["recording"] for note in notes if note["kind"] == "trained on"}
    assert trained_on == {path.stem for path in training_data.rglob("*.hea")}
    assert [path.name for path in (small_disk / "out").glob(".*")] == [driver.MODEL_NOTE]


def test_resume_runs_only_missing_and_failed_recordings(model_folder, tmp_path, monkeypatch):
    """--resume after an interruption repeats only what failed."""
    for i in range(9):
        write_recording(tmp_path / "data", f"A{i}", noise(1000 + i, seed=i))
    (tmp_path / "data/A2.mat").write_bytes(b"")
    model, headers = load_model(model_folder, compute=CPU), find_recordings(tmp_path / "data")
    run_recordings, runs = team_code.run_recordings, []

    def interrupted(model, inputs, decision):
        if len(runs) == 1:
            raise KeyboardInterrupt
        runs.append(len(inputs))
        return run_recordings(model, inputs, decision)

    out = tmp_path / "out"
    driver.prepare_outputs(out, f"{model_digest(model_folder)} challenge", resume=False)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(team_code, "run_recordings", interrupted)
        driver.write_outputs(model, headers, out, "challenge")
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("A*.csv")}
    assert 0 < len(before) < 9
    (tmp_path / "data/A2.mat").write_bytes((tmp_path / "data/A1.mat").read_bytes())
    result = call_script("driver.py", model_folder, tmp_path / "data", out, "--resume")
    assert result.returncode == 0, result.stderr
    after = {path.name: path.stat().st_mtime_ns for path in out.glob("A*.csv")}
    assert len(after) == 9 and [name for name in before if after[name] != before[name]] == ["A2.csv"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_driver_says_how_to_resume(model_folder, tmp_path, number):
    for i in range(300):
        write_recording(tmp_path / "data", f"A{i:03d}", noise(3000))
    command = [sys.executable, ROOT / "driver.py", model_folder, tmp_path / "data", tmp_path / "out"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while not (tmp_path / "out/A000.csv").exists() and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(number)
        _, errors = process.communicate()
    assert process.returncode == 128 + number and "the same command with --resume runs what is missing" in errors
    written = list((tmp_path / "out").glob("*.csv"))
    assert 0 < len(written) < 300 and all(parse_outputs(path.read_text()) for path in written)
    assert call_script("driver.py", *command[2:], "--resume").returncode == 0
    assert len(list((tmp_path / "out").glob("*.csv"))) == 300


def use_dat_file(folder: Path, name: str) -> None:
    """Move the signal of a recording from NAME.mat to NAME.dat, the WFDB's own format."""
    (folder / f"{name}.mat").unlink()
    (folder / f"{name}.dat").write_bytes(noise().astype("<i2").tobytes(order="F"))
    header = folder / f"{name}.hea"
    header.write_text(header.read_text().replace(f"{name}.mat 16+24", f"{name}.dat 16"))


def test_resume_reruns_recordings_if_they_or_the_model_have_changed(model_copy, tmp_path):
    for name in ("A1", "A2", "A3"):
        write_recording(tmp_path / "data", name)
    use_dat_file(tmp_path / "data", "A3")
    call_script("driver.py", model_copy, tmp_path / "data", tmp_path / "out")

    def rerun(*options) -> set[str]:
        before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("A*.csv")}
        command = ("driver.py", model_copy, tmp_path / "data", tmp_path / "out", "--resume", *options)
        assert call_script(*command).returncode == 0
        return {path.stem for path, time_ns in before.items() if path.stat().st_mtime_ns != time_ns}

    assert rerun() == set()
    os.utime(tmp_path / "data/A2.mat")
    assert rerun() == {"A2"}
    os.utime(tmp_path / "data/A3.dat")
    assert rerun() == {"A3"}
    os.utime(model_copy / "model.json")  # still the same model
    assert rerun() == set()
    description = model_copy / "model.json"
    description.write_text(description.read_text() + " ")
    os.utime(description, (0, 0))  # another model, older than the outputs
    assert rerun() == {"A1", "A2", "A3"}
    assert rerun() == set()
    assert rerun("--decide", "clinical") == {"A1", "A2", "A3"}
    assert rerun("--decide", "clinical") == set()  # also recordings without a positive label


def test_resume_reruns_outputs_of_an_earlier_model_after_an_interruption(model_copy, tmp_path):
    """The interrupted run of the new model had not reached these outputs of the earlier one."""
    write_recording(tmp_path / "data", "A1")
    out = tmp_path / "out"
    call_script("driver.py", model_copy, tmp_path / "data", out)
    (model_copy / "fold-1.safetensors").write_bytes((model_copy / "fold-2.safetensors").read_bytes())
    driver.prepare_outputs(out, f"{model_digest(model_copy)} challenge", resume=False)
    before = (out / "A1.csv").read_text()
    assert call_script("driver.py", model_copy, tmp_path / "data", out, "--resume").returncode == 0
    assert (out / "A1.csv").read_text() != before


def test_a_recording_called_failures_is_refused_and_the_others_are_run(model_folder, tmp_path):
    for name in ("A1", "failures", "notes"):
        write_recording(tmp_path / "data", name)
    result = call_script("driver.py", model_folder, tmp_path / "data", tmp_path / "out")
    assert result.returncode == 1 and "1 of 3 recordings done" in result.stdout
    for name in ("failures", "notes"):
        assert f"its output would overwrite the list of {name}" in (tmp_path / "out/failures.csv").read_text()
