"""Whatever ends a training or a run early, and whenever: the same command goes on, and nothing is lost or halved."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import driver
import team_code
from ecg.data.listing import find_headers
from ecg.errors import EntryError
from ecg.evaluation.outputs import parse_outputs
from ecg.interruption import Interrupted, install_handlers, uninterrupted
from ecg.model.compute import Compute
from ecg.training.epoch_log import EPOCH_LOG
from team_code import load_model, training_code
from tests.conftest import CPU, ROOT, assert_same_weights, noise, run_script, weights_of, write_recording


def interrupt_after(epochs: int, monkeypatch):
    """Lets ``epochs`` epochs be trained, then raises KeyboardInterrupt in the middle of the next."""
    train_epoch, done = team_code.train_epoch, []

    def interrupted(*arguments):
        if len(done) == epochs:
            raise KeyboardInterrupt
        done.append(1)
        return train_epoch(*arguments)

    monkeypatch.setattr(team_code, "train_epoch", interrupted)


@pytest.mark.parametrize("epochs_before", range(6))  # of two folds: one on simulated recordings, two on the folder's
def test_an_interrupted_training_goes_on(
    training_data, model_folder, tiny_recipe, tmp_path, monkeypatch, capsys, epochs_before
):
    """Killed in any epoch of any fold and started again, it ends with the weights of an undisturbed run."""
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt_after(epochs_before, patch)
        training_code(training_data, tmp_path / "model", tiny_recipe, CPU)
    capsys.readouterr()
    training_code(training_data, tmp_path / "model", tiny_recipe, CPU)
    assert capsys.readouterr().out.count("loss") == 6 - epochs_before
    assert_same_weights(model_folder, tmp_path / "model")
    assert (tmp_path / "model/model.json").read_text() == (model_folder / "model.json").read_text()


@pytest.mark.parametrize("number", [torch.bfloat16, torch.float16])
def test_a_training_in_short_numbers_learns_and_goes_on_as_in_float32(
    training_data, model_folder, tiny_recipe, tmp_path, monkeypatch, number
):
    short = Compute(CPU.device, number)
    training_code(training_data, tmp_path / "whole", tiny_recipe, short)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt_after(1, patch)
        training_code(training_data, tmp_path / "interrupted", tiny_recipe, short)
    training_code(training_data, tmp_path / "interrupted", tiny_recipe, short)
    assert_same_weights(tmp_path / "whole", tmp_path / "interrupted")
    models = [json.loads((folder / "model.json").read_text()) for folder in (tmp_path / "whole", model_folder)]
    losses, expected = ([epoch["loss"] for fold in model["folds"] for epoch in fold["history"]] for model in models)
    np.testing.assert_allclose(losses, expected, rtol=0.02)
    assert losses != expected


def test_a_model_stays_whole_until_the_next_one_is(training_data, model_copy, tiny_recipe, monkeypatch):
    before = weights_of(model_copy)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt_after(3, patch)
        training_code(training_data, model_copy, replace(tiny_recipe, seed=5), CPU)
    after = weights_of(model_copy)
    assert all(torch.equal(before[name], after[name]) for name in before)
    load_model(model_copy)
    shutil.rmtree(model_copy / ".training")
    training_code(training_data, model_copy, replace(tiny_recipe, folds=3, epochs=1), CPU)
    training_code(training_data, model_copy, replace(tiny_recipe, epochs=1), CPU)
    assert len(load_model(model_copy).networks) == len(list(model_copy.glob("fold-*"))) == 2


def test_what_a_killed_training_had_half_written_is_removed(training_data, model_copy, tiny_recipe):
    names = sorted(path.name for path in model_copy.iterdir())
    for name in set(names) - {EPOCH_LOG}:  # which is written in the work_dir, and moved when it is whole
        (model_copy / f".{name}.4711").write_text("half")
    (model_copy / ".a user's own.4711").write_text("whole")
    training_code(training_data, model_copy, replace(tiny_recipe, epochs=1), CPU)
    assert sorted(path.name for path in model_copy.iterdir()) == [".a user's own.4711", *names]


def killed(arguments, seconds: float) -> bool:
    """Trains in a forked process, which has all loaded already, and kills it after so long; False if it was done."""
    child = os.fork()
    if child == 0:
        try:
            training_code(*arguments)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(1)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            assert status == 0
            return False
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


@pytest.mark.parametrize("wanted", [5, pytest.param(30, marks=pytest.mark.long)])
def test_a_training_killed_at_any_moment_ends_with_the_same_weights(training_data, tiny_recipe, tmp_path, wanted):
    """SIGKILL, at random moments of all its life: of reading, of a batch, of a checkpoint's write, of the end."""
    started = time.monotonic()
    training_code(training_data, tmp_path / "whole", tiny_recipe, CPU)
    whole = time.monotonic() - started
    random, kills, moments = np.random.default_rng(0), 0, set()
    while kills < wanted:
        arguments = (training_data, tmp_path / "model", tiny_recipe, CPU)
        while killed(arguments, random.uniform(0, whole)):
            kills += 1
            work_dir = tmp_path / "model/.training"
            moments.add(tuple(sorted(path.name.split(".")[0] for path in work_dir.rglob("*"))))
        assert_same_weights(tmp_path / "whole", tmp_path / "model")
        names = [sorted(path.name for path in (tmp_path / name).iterdir()) for name in ("whole", "model")]
        assert names[0] == names[1]
        shutil.rmtree(tmp_path / "model")
    assert len(moments) > wanted / 10 + 1  # they were killed in different states


def test_a_training_cut_short_as_it_ends_is_ended_by_the_next(training_data, tiny_recipe, tmp_path, monkeypatch):
    """Killed when the log is in the model folder already, and the model is not."""
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(team_code, "save_model", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        training_code(training_data, tmp_path / "model", tiny_recipe, CPU)
    log = (tmp_path / "model" / EPOCH_LOG).read_text()
    training_code(training_data, tmp_path / "model", tiny_recipe, CPU)
    assert (tmp_path / "model" / EPOCH_LOG).read_text() == log and len(load_model(tmp_path / "model").networks) == 2


@pytest.mark.parametrize("gone", ["names.jsonl", "rows.bin", "signals.i16", "index.json"])
def test_a_training_killed_while_it_removes_its_store_is_ended_by_the_next(
    training_data, tiny_recipe, tmp_path, monkeypatch, gone
):
    remove = shutil.rmtree

    def cut_short(folder):
        if (folder / "index.json").exists():  # it is whole, and not one that is to be built
            raise KeyboardInterrupt
        remove(folder)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shutil, "rmtree", cut_short)
        training_code(training_data, tmp_path / "model", tiny_recipe, CPU)
    (tmp_path / "model/.training/store" / gone).unlink()
    training_code(training_data, tmp_path / "model", tiny_recipe, CPU)
    assert len(load_model(tmp_path / "model").networks) == 2 and not (tmp_path / "model/.training").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_and_sigterm_write_a_checkpoint_and_say_how_to_go_on(training_data, tmp_path, number, code):
    command = [sys.executable, ROOT / "train_model.py", training_data, tmp_path / "model"]
    command += ["--recipe", "small", "--simulated", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if "fold 1/3  epoch  2/" in line:
                break
        process.send_signal(number)
        _, errors = process.communicate()
    assert process.returncode == code
    assert errors.startswith("interrupted in fold 1/3, after epoch") and "the same command resumes" in errors
    assert errors.count("\n") == 1 and str(tmp_path / "model/.training") in errors
    assert (tmp_path / "model/.training/fold-1.safetensors").exists()


@pytest.mark.parametrize("steps", [1, 3, 6, 7, 11])  # of a fold's ten those on simulated recordings are 1 and 2
def test_a_training_interrupted_between_two_batches_goes_on_there(
    training_data, model_folder, tiny_recipe, tmp_path, monkeypatch, capsys, steps
):
    """SIGTERM in the middle of a batch: it is done whole, kept, and not done again."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    install_handlers()
    step, done = torch.optim.Adam.step, []

    def interrupted(*arguments):
        done.append(1)
        if len(done) == steps:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(*arguments)

    with monkeypatch.context() as patch, pytest.raises(Interrupted, match="the same command resumes"):
        patch.setattr(torch.optim.Adam, "step", interrupted)
        training_code(training_data, tmp_path / "model", tiny_recipe, CPU)
    for number, handler in before.items():
        signal.signal(number, handler)
    assert len(done) == steps
    monkeypatch.setattr(torch.optim.Adam, "step", lambda *a: done.append(1) or step(*a))
    training_code(training_data, tmp_path / "model", tiny_recipe, CPU)
    assert "resuming after epoch" in capsys.readouterr().out
    assert len(done) == 2 * (2 + 2 * 4)  # folds: batches of simulated recordings; epochs, batches
    assert_same_weights(model_folder, tmp_path / "model")


def test_an_interruption_waits_for_what_is_to_be_done_whole():
    done = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # started in the background, Python ignores it
    try:
        with pytest.raises(KeyboardInterrupt), uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            done.append("whole")
    finally:
        signal.signal(signal.SIGINT, before)
    assert done == ["whole"]


def test_an_unfinished_training_of_something_else_is_left_alone(training_data, tiny_recipe, tmp_path, monkeypatch):
    data = shutil.copytree(training_data, tmp_path / "data")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt_after(2, patch)
        training_code(data, tmp_path / "model", tiny_recipe, CPU)
    kept = (tmp_path / "model/.training/fold-1.safetensors").read_bytes()
    with pytest.raises(EntryError, match="with seed 2020 instead of 5; .* remove this folder to start a new one"):
        training_code(data, tmp_path / "model", replace(tiny_recipe, seed=5), CPU)
    moved = data / "g1/HR00000.mat"
    moved.rename(tmp_path / "elsewhere.mat")
    with pytest.raises(EntryError, match="other recordings, or other versions of their files"):
        training_code(data, tmp_path / "model", tiny_recipe, CPU)
    assert (tmp_path / "model/.training/fold-1.safetensors").read_bytes() == kept
    (tmp_path / "elsewhere.mat").rename(moved)
    training_code(data, tmp_path / "model", tiny_recipe, CPU)
    training_code(data, tmp_path / "whole", tiny_recipe, CPU)
    assert_same_weights(tmp_path / "whole", tmp_path / "model")


def test_a_second_training_into_the_same_folder_is_refused(training_data, tiny_recipe, tmp_path, monkeypatch):
    refused = []

    def second(*_):
        with pytest.raises(EntryError, match="another training is running there"):
            training_code(training_data, tmp_path / "model", tiny_recipe, CPU)
        refused.append(1)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(team_code, "train_epoch", second)
        training_code(training_data, tmp_path / "model", tiny_recipe, CPU)
    assert refused
    training_code(training_data, tmp_path / "model", tiny_recipe, CPU)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MB; as root alone."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("free", [0, 300_000, 800_000])
def test_a_full_disk_is_a_clear_error_and_leaves_nothing_half(training_data, small_disk, free):
    """Full while the recordings are stored, or while a checkpoint is written: what is there is whole."""
    filler = small_disk / "filler"
    with open(filler, "wb") as file:
        file.write(bytes(2**20 - 4096 - free))
    arguments = (
        "train_model.py",
        training_data,
        small_disk / "model",
        "--recipe",
        "small",
        "--simulated",
        0,
        "--epochs",
        1,
    )
    result = run_script(*arguments)
    assert result.returncode == 2 and "Traceback" not in result.stderr, result.stderr
    assert "cannot be written" in result.stderr and str(small_disk / "model") in result.stderr
    assert not (small_disk / "model/model.json").exists()
    assert not list(small_disk.rglob("fold-*"))


def test_a_model_folder_that_cannot_be_written_is_a_clear_error(training_data, small_disk):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    result = run_script("train_model.py", training_data, small_disk / "model", "--recipe", "small", "--simulated", 0)
    assert result.returncode == 2 and "cannot be written (Read-only file system)" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_full_disk_ends_the_driver_and_resume_goes_on(model_folder, training_data, small_disk):
    with open(small_disk / "filler", "wb") as file:
        file.write(bytes(2**20 - 12 * 4096))
    result = run_script("driver.py", model_folder, training_data, small_disk / "out")
    assert result.returncode == 2 and "cannot be written (No space left on device)" in result.stderr
    written = sorted((small_disk / "out").glob("[!.]*.csv"))
    assert 0 < len(written) < 20 and list((small_disk / "out").glob(".*")) == [small_disk / "out" / driver.MODEL_NOTE]
    assert all(parse_outputs(path.read_text()) for path in written)
    (small_disk / "filler").unlink()
    assert run_script("driver.py", model_folder, training_data, small_disk / "out", "--resume").returncode == 0
    assert len(list((small_disk / "out").glob("*.csv"))) == 20


def test_a_model_folder_that_vanishes_is_a_clear_error(training_data, tiny_recipe, tmp_path, monkeypatch):
    train_epoch = team_code.train_epoch

    def vanishing(*arguments):
        shutil.rmtree(tmp_path / "model")
        return train_epoch(*arguments)

    monkeypatch.setattr(team_code, "train_epoch", vanishing)
    with pytest.raises(EntryError, match="simulated-1.safetensors: cannot be written"):
        training_code(training_data, tmp_path / "model", tiny_recipe, CPU)


def test_the_driver_goes_on_where_it_was(model_folder, tmp_path, monkeypatch):
    """Interrupted, and with --resume: nothing is done twice but what failed."""
    for i in range(9):
        write_recording(tmp_path / "data", f"A{i}", noise(1000 + i, seed=i))
    (tmp_path / "data/A2.mat").write_bytes(b"")
    model, headers = load_model(model_folder, compute=CPU), find_headers(tmp_path / "data")
    run_inputs, runs = driver.run_inputs, []

    def interrupted(model, views):
        if len(runs) == 1:
            raise KeyboardInterrupt
        runs.append(len(views))
        return run_inputs(model, views)

    out = tmp_path / "out"
    driver.prepare_outputs(out, model_folder, resume=False)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(driver, "run_inputs", interrupted)
        driver.write_outputs(model, headers, out)
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.csv")}
    assert 0 < len(before) < 9
    (tmp_path / "data/A2.mat").write_bytes((tmp_path / "data/A1.mat").read_bytes())
    result = run_script("driver.py", model_folder, tmp_path / "data", out, "--resume")
    assert result.returncode == 0, result.stderr
    after = {path.name: path.stat().st_mtime_ns for path in out.glob("*.csv")}
    assert len(after) == 9 and [name for name in before if after[name] != before[name]] == ["A2.csv"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_driver_interrupted_says_how_to_go_on(model_folder, tmp_path, number):
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
    assert run_script(*command[1:], "--resume").returncode == 0
    assert len(list((tmp_path / "out").glob("*.csv"))) == 300


def in_wfdb_form(folder: Path, name: str) -> None:
    """Its signal in NAME.dat, as the WFDB's own files are, and no NAME.mat."""
    (folder / f"{name}.mat").unlink()
    (folder / f"{name}.dat").write_bytes(noise().astype("<i2").tobytes(order="F"))
    header = folder / f"{name}.hea"
    header.write_text(header.read_text().replace(f"{name}.mat 16+24", f"{name}.dat 16"))


def test_resume_does_again_what_another_model_did_or_what_has_changed(model_copy, tmp_path):
    for name in ("A1", "A2", "A3"):
        write_recording(tmp_path / "data", name)
    in_wfdb_form(tmp_path / "data", "A3")
    run_script("driver.py", model_copy, tmp_path / "data", tmp_path / "out")

    def done_again() -> set[str]:
        before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.csv")}
        assert run_script("driver.py", model_copy, tmp_path / "data", tmp_path / "out", "--resume").returncode == 0
        return {path.stem for path, time_ns in before.items() if path.stat().st_mtime_ns != time_ns}

    assert done_again() == set()
    os.utime(tmp_path / "data/A2.mat")
    assert done_again() == {"A2"}
    os.utime(tmp_path / "data/A3.dat")
    assert done_again() == {"A3"}
    os.utime(model_copy / "model.json")  # the same model
    assert done_again() == set()
    description = model_copy / "model.json"
    description.write_text(description.read_text() + " ")
    os.utime(description, (0, 0))  # another one, and older than the outputs
    assert done_again() == {"A1", "A2", "A3"}
    assert done_again() == set()


def test_resume_does_again_what_was_there_before_the_model_changed_and_it_was_interrupted(model_copy, tmp_path):
    """Outputs of the model before, which the run of this one had not reached yet."""
    write_recording(tmp_path / "data", "A1")
    out = tmp_path / "out"
    run_script("driver.py", model_copy, tmp_path / "data", out)
    (model_copy / "fold-1.safetensors").write_bytes((model_copy / "fold-2.safetensors").read_bytes())
    driver.prepare_outputs(out, model_copy, resume=False)
    before = (out / "A1.csv").read_text()
    assert run_script("driver.py", model_copy, tmp_path / "data", out, "--resume").returncode == 0
    assert (out / "A1.csv").read_text() != before


def test_a_recording_called_failures_is_refused_and_the_others_done(model_folder, tmp_path):
    for name in ("A1", "failures"):
        write_recording(tmp_path / "data", name)
    result = run_script("driver.py", model_folder, tmp_path / "data", tmp_path / "out")
    assert result.returncode == 1 and "1 of 2 recordings done" in result.stdout
    assert "its output would overwrite the list of failures" in (tmp_path / "out/failures.csv").read_text()
