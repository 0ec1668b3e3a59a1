"""Trainings that are interrupted, killed, or out of disk space: the same command resumes, and nothing is lost."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import replace

import numpy as np
import pytest
import torch

import team_code
from ecg.errors import EntryError
from ecg.interruption import Interrupted, install_handlers, uninterrupted
from ecg.model.compute import Compute
from ecg.recipe import RECIPES
from ecg.training.epoch_log import EPOCH_LOG
from ecg.training.work_dir import claim_work_dir
from team_code import load_model, training_code
from tests.conftest import CPU, ROOT, assert_same_weights, run_script, weights_of


def interrupt_after(epochs: int, monkeypatch):
    """Let ``epochs`` epochs run, then raise KeyboardInterrupt in the next one."""
    train_epoch, done = team_code.train_epoch, []

    def interrupted(*arguments):
        if len(done) == epochs:
            raise KeyboardInterrupt
        done.append(1)
        return train_epoch(*arguments)

    monkeypatch.setattr(team_code, "train_epoch", interrupted)


@pytest.mark.parametrize("epochs_before", range(6))  # each of two folds: one of pretraining, two on the recordings
def test_an_interrupted_training_resumes(
    training_data, model_folder, tiny_recipe, tmp_path, monkeypatch, capsys, epochs_before
):
    """A training that is interrupted in any epoch of any fold ends with the weights of an uninterrupted one."""
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt_after(epochs_before, patch)
        training_code(training_data, tmp_path / "model", tiny_recipe, CPU)
    capsys.readouterr()
    training_code(training_data, tmp_path / "model", tiny_recipe, CPU)
    assert capsys.readouterr().out.count("loss") == 6 - epochs_before
    assert_same_weights(model_folder, tmp_path / "model")
    assert (tmp_path / "model/model.json").read_text() == (model_folder / "model.json").read_text()


@pytest.mark.parametrize("number", [torch.bfloat16, torch.float16])
def test_a_16_bit_training_learns_and_resumes_as_in_float32(
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


def test_a_model_stays_whole_until_the_next_one_is_trained(training_data, model_copy, tiny_recipe, monkeypatch):
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


def test_temporary_files_of_a_killed_training_are_removed(training_data, model_copy, tiny_recipe):
    names = sorted(path.name for path in model_copy.iterdir())
    for name in set(names) - {EPOCH_LOG}:  # the log is written in the work folder and moved
        (model_copy / f".{name}.4711").write_text("half")
    (model_copy / ".a user's own.4711").write_text("whole")
    training_code(training_data, model_copy, replace(tiny_recipe, epochs=1), CPU)
    assert sorted(path.name for path in model_copy.iterdir()) == [".a user's own.4711", *names]


def killed_after(arguments, seconds: float) -> bool:
    """Train in a forked process and kill it after ``seconds``; False if it finished before."""
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
    """SIGKILL at random moments: while it reads, trains, writes a checkpoint, or ends."""
    training_code(training_data, tmp_path / "whole", tiny_recipe, CPU)  # loads all packages for the forked processes
    started = time.monotonic()
    assert not killed_after((training_data, tmp_path / "timed", tiny_recipe, CPU), 120)
    whole = time.monotonic() - started
    random, kills, starts, moments = np.random.default_rng(0), 0, 0, set()
    while kills < wanted:
        arguments = (training_data, tmp_path / "model", tiny_recipe, CPU)
        # each start is killed in the next quarter of the training, so that few kills hit different states too
        while killed_after(arguments, whole * ((starts := starts + 1) % 4 + random.random()) / 4):
            kills += 1
            work_dir = tmp_path / "model/.training"
            moments.add(tuple(sorted(path.name.split(".")[0] for path in work_dir.rglob("*"))))
        assert_same_weights(tmp_path / "whole", tmp_path / "model")
        names = [sorted(path.name for path in (tmp_path / name).iterdir()) for name in ("whole", "model")]
        assert names[0] == names[1]
        shutil.rmtree(tmp_path / "model")
    assert len(moments) > wanted / 10 + 1  # the kills hit different states


def test_a_training_killed_as_it_ends_is_finished_by_the_next(training_data, tiny_recipe, tmp_path, monkeypatch):
    """The log is already in the model folder, the model is not."""
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(team_code, "save_model", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        training_code(training_data, tmp_path / "model", tiny_recipe, CPU)
    log = (tmp_path / "model" / EPOCH_LOG).read_text()
    training_code(training_data, tmp_path / "model", tiny_recipe, CPU)
    assert (tmp_path / "model" / EPOCH_LOG).read_text() == log and len(load_model(tmp_path / "model").networks) == 2


@pytest.mark.parametrize("gone", ["names.jsonl", "rows.bin", "signals.i16", "index.json"])
def test_a_training_killed_while_it_removes_its_store_is_finished_by_the_next(
    training_data, tiny_recipe, tmp_path, monkeypatch, gone
):
    remove = shutil.rmtree

    def interrupted_removal(folder):
        if (folder / "index.json").exists():  # a finished store, not one under construction
            raise KeyboardInterrupt
        remove(folder)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shutil, "rmtree", interrupted_removal)
        training_code(training_data, tmp_path / "model", tiny_recipe, CPU)
    (tmp_path / "model/.training/store" / gone).unlink()
    training_code(training_data, tmp_path / "model", tiny_recipe, CPU)
    assert len(load_model(tmp_path / "model").networks) == 2 and not (tmp_path / "model/.training").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_and_sigterm_write_a_checkpoint_and_say_how_to_resume(training_data, tmp_path, number, code):
    command = [sys.executable, ROOT / "train_model.py", training_data, tmp_path / "model"]
    command += ["--recipe", "small", "--simulated", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if "network 1 of 3  epoch  2/" in line:
                break
        process.send_signal(number)
        _, errors = process.communicate()
    assert process.returncode == code
    assert errors.startswith("interrupted in network 1 of 3, after epoch") and "the same command resumes" in errors
    assert errors.count("\n") == 1 and str(tmp_path / "model/.training") in errors
    assert (tmp_path / "model/.training/fold-1.safetensors").exists()


@pytest.mark.parametrize("steps", [1, 3, 6, 11])  # a fold has ten batches; the first two are of pretraining
def test_a_training_interrupted_in_a_batch_resumes_with_the_next_batch(
    training_data, model_folder, tiny_recipe, tmp_path, monkeypatch, capsys, steps
):
    """SIGTERM in a batch: the batch is finished, saved, and not repeated."""
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
    assert len(done) == 2 * (2 + 2 * 4)  # folds x (batches of pretraining + epochs x batches)
    assert_same_weights(model_folder, tmp_path / "model")


def test_a_signal_waits_for_the_end_of_an_uninterrupted_block():
    done = []
    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # Python ignores SIGINT if it was started in the background
    try:
        with pytest.raises(KeyboardInterrupt), uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            done.append("whole")
    finally:
        signal.signal(signal.SIGINT, before)
    assert done == ["whole"]


def test_an_unfinished_training_of_something_else_is_kept(training_data, tiny_recipe, tmp_path, monkeypatch):
    data = shutil.copytree(training_data, tmp_path / "data")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt_after(2, patch)
        training_code(data, tmp_path / "model", tiny_recipe, CPU)
    kept = (tmp_path / "model/.training/fold-1.safetensors").read_bytes()
    with pytest.raises(EntryError, match="with seed 2020 instead of 5; .* remove this folder to start a new one"):
        training_code(data, tmp_path / "model", replace(tiny_recipe, seed=5), CPU)
    moved = data / "g1/HR00000.mat"
    moved.rename(tmp_path / "elsewhere.mat")
    with pytest.raises(EntryError, match="other recordings, other versions of their files, or other classes"):
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


@pytest.mark.parametrize("free", [0, 300_000, 800_000])
def test_a_full_disk_is_a_clear_error_and_leaves_no_half_written_file(training_data, small_disk, free):
    """The disk is full while the store or a checkpoint is written."""
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


def test_a_model_folder_that_vanishes_is_a_clear_error(training_data, tiny_recipe, tmp_path, monkeypatch):
    train_epoch = team_code.train_epoch

    def vanishing(*arguments):
        shutil.rmtree(tmp_path / "model")
        return train_epoch(*arguments)

    monkeypatch.setattr(team_code, "train_epoch", vanishing)
    with pytest.raises(EntryError, match="simulated-1.safetensors: cannot be written"):
        training_code(training_data, tmp_path / "model", tiny_recipe, CPU)


def test_an_unfinished_training_of_another_version_is_refused(tmp_path):
    """Its checkpoints cannot be resumed, and are not overwritten."""
    (tmp_path / "fold-1.safetensors").write_bytes(b"")
    for other in ({"recipe": {}}, ["old"], {"format": 0, "recipe": {}, "recordings": "", "patients": None}):
        (tmp_path / "training.json").write_text(json.dumps(other))
        with pytest.raises(EntryError, match="another version of this entry; remove this folder"):
            claim_work_dir(tmp_path, RECIPES["small"], "recordings")
