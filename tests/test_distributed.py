"""Under torchrun: the same networks and outputs as one process, and what happens when a process dies."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from ecg.data.windows import Windows
from ecg.training.distributed import Team, TeamCompute
from ecg.training.epoch_log import EPOCH_LOG
from ecg.training.work_dir import is_training
from tests.conftest import CPU, ROOT, assert_same_weights, call_script, write_recording
from tests.shared_batches import fit

RECIPE = ("--recipe", "small,width=4,reduction=2,simulated_epochs=1", "--folds", "2", "--epochs", "3")
OPTIONS = (*RECIPE, "--simulated", "8", "--float32", "--device", "cpu")


def torchrun(processes: int, script: str, *arguments, options=()) -> list[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return [*launcher, *options, str(ROOT / script), *map(str, arguments)]


def run_distributed(processes: int, script: str, *arguments, options=()) -> subprocess.CompletedProcess:
    command = torchrun(processes, script, *arguments, options=options)
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(scope="module")
def by_one(training_data, tmp_path_factory) -> Path:
    """The model that one process trains."""
    model = tmp_path_factory.mktemp("by_one") / "model"
    result = call_script("train_model.py", training_data, model, *OPTIONS)
    assert result.returncode == 0, result.stderr
    return model


def assert_same_model(model: Path, other: Path) -> None:
    assert sorted(path.name for path in model.iterdir()) == sorted(path.name for path in other.iterdir())
    assert_same_weights(model, other)
    for name in ("model.json", "out_of_fold.csv"):
        assert (model / name).read_bytes() == (other / name).read_bytes()


def test_three_processes_for_two_folds_train_the_networks_of_one_process(training_data, by_one, tmp_path):
    result = run_distributed(3, "train_model.py", training_data, tmp_path / "model", *OPTIONS)
    assert result.returncode == 0, result.stderr
    assert_same_model(tmp_path / "model", by_one)
    for line in (
        "recordings to train on",
        "network 1 of 2  epoch  3/3",
        "network 2 of 2  epoch  3/3",
        "highest expected metric",
    ):
        assert result.stdout.count(line) == 1, line
    assert result.stdout.count("3 processes for 2 folds: 1 has no fold to train") == 1


def test_shared_batches_give_the_weights_of_whole_ones(tmp_path):
    """What GPUs do with more processes than folds, here on CPUs: DistributedDataParallel over parts of each batch."""
    result = run_distributed(2, "tests/shared_batches.py", tmp_path / "two.pt")
    assert result.returncode == 0, result.stderr
    one, two = fit(CPU), torch.load(tmp_path / "two.pt")
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=1e-9, atol=1e-11, msg=lambda text, at=name: at + text)


@pytest.mark.parametrize(("windows", "processes"), [(8, 2), (7, 2), (1, 4), (5, 3)])
def test_a_team_shares_every_window_in_equal_parts(windows, processes):
    batch = Windows(10 + np.arange(windows), 20 + np.arange(windows), 64)
    teams = [Team(None, rank, processes) for rank in range(processes)]  # sharing needs no group
    parts = [TeamCompute(CPU.device, CPU.dtype, team).share(batch) for team in teams]
    assert {len(part.recording) for part in parts} == {-(-windows // processes)}
    assert set(np.concatenate([part.recording for part in parts])) == set(batch.recording)
    assert all((part.offset == part.recording + 10).all() for part in parts)


def wait_for_epoch(model: Path, network: str) -> None:
    log, end = model / ".training" / EPOCH_LOG, time.monotonic() + 120
    while not (log.exists() and network in log.read_text()):
        assert time.monotonic() < end
        time.sleep(0.02)


def processes_of(launcher: int) -> list[int]:
    """The processes that torchrun has started."""
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    return [int(child) for child in children if b"train_model.py" in Path(f"/proc/{child}/cmdline").read_bytes()]


needs_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="asks Linux for a process's children")


@needs_proc
def test_a_process_that_dies_is_restarted_and_the_training_resumes(training_data, by_one, tmp_path):
    model = tmp_path / "model"
    command = torchrun(2, "train_model.py", training_data, model, *OPTIONS, options=["--max-restarts=1"])
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as launcher:
        wait_for_epoch(model, "fold-1,1")
        os.kill(processes_of(launcher.pid)[1], signal.SIGKILL)
        printed, errors = launcher.communicate(timeout=300)
    assert launcher.returncode == 0, errors
    assert "network 1 of 2: resuming after epoch" in printed
    assert_same_model(model, by_one)


@needs_proc
def test_a_single_process_resumes_what_several_began(training_data, by_one, tmp_path):
    model = tmp_path / "model"
    command = torchrun(2, "train_model.py", training_data, model, *OPTIONS)
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as launcher:
        wait_for_epoch(model, "fold-2,1")
        for process in [launcher.pid, *processes_of(launcher.pid)]:
            os.kill(process, signal.SIGKILL)
    while is_training(model):  # killed processes take a moment to end and release the lock
        time.sleep(0.01)
    assert not (model / "model.json").exists()
    result = call_script("train_model.py", training_data, model, *OPTIONS)
    assert result.returncode == 0, result.stderr
    assert "network 2 of 2: resuming after epoch" in result.stdout
    assert "network 2 of 2, simulated recordings  epoch" not in result.stdout
    assert_same_model(model, by_one)


def test_an_error_is_printed_once(tmp_path):
    result = run_distributed(2, "train_model.py", tmp_path / "none", tmp_path / "model", *OPTIONS)
    assert result.returncode != 0 and result.stderr.count("no such folder") == 1


def test_two_drivers_share_a_folder_and_resume_it(model_folder, training_data, tmp_path):
    data = shutil.copytree(training_data, tmp_path / "data")
    for name in ("A0000x", "HR00003x", "Z1"):
        write_recording(data, name).with_suffix(".mat").write_bytes(b"no signal")
    alone = call_script("driver.py", model_folder, data, tmp_path / "alone", "--device", "cpu")
    shared = run_distributed(2, "driver.py", model_folder, data, tmp_path / "shared", "--device", "cpu")
    assert alone.returncode == shared.returncode == 1
    outputs = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("alone", "shared")]
    assert outputs[0] == outputs[1] and len(outputs[0]) == 26  # 23 recordings, failures.csv, notes.csv, .model
    done, noted, *_ = shared.stdout.splitlines()
    assert done == f"20 of 23 recordings done; their outputs are in {tmp_path / 'shared'}"
    assert noted.startswith("notes on 20 recordings are in")
    (tmp_path / "shared/HR00004.csv").unlink()
    resumed = run_distributed(2, "driver.py", model_folder, data, tmp_path / "shared", "--resume", "--device", "cpu")
    assert resumed.returncode == 1
    for name in ("HR00004.csv", "notes.csv"):
        assert (tmp_path / "shared" / name).read_bytes() == outputs[0][name]
