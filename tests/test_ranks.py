"""Under torchrun: the same networks and the same outputs as one process, and what happens when a rank dies."""

import csv
import json
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

from ecg.training.epoch_log import EPOCH_LOG, read_epoch_log
from tests.conftest import ROOT, run_script, weights_of, write_recording

RECIPE = ("--recipe", "small", "--folds", "2", "--epochs", "3", "--simulated", "16", "--float32", "--device", "cpu")
TOLERANCE = 0.03  # of a probability: what rounding, in another order, grows to in seven epochs of Adam


def torchrun(ranks: int, script: str, *arguments, options=()) -> list[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}", *options]
    return [*command, str(ROOT / script), *map(str, arguments)]


def done(ranks: int, script: str, *arguments, options=()) -> subprocess.CompletedProcess:
    command = torchrun(ranks, script, *arguments, options=options)
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(scope="module")
def by_one(training_data, tmp_path_factory) -> Path:
    """The model that one process trains."""
    model = tmp_path_factory.mktemp("by_one") / "model"
    result = run_script("train_model.py", training_data, model, *RECIPE)
    assert result.returncode == 0, result.stderr
    return model


def out_of_fold(model: Path) -> tuple[list, np.ndarray]:
    """Which recording is in which fold, and the probabilities."""
    rows = list(csv.reader((model / "out_of_fold.csv").read_text().splitlines()))[1:]
    return [row[:2] for row in rows], np.array([row[2:] for row in rows], float)


def assert_same_but_for_rounding(model: Path, other: Path) -> None:
    assert sorted(path.name for path in model.iterdir()) == sorted(path.name for path in other.iterdir())
    (folds, p), (other_folds, other_p) = out_of_fold(model), out_of_fold(other)
    assert folds == other_folds
    np.testing.assert_allclose(p, other_p, atol=TOLERANCE)
    logs = [read_epoch_log(folder / EPOCH_LOG) for folder in (model, other)]
    assert logs[0].keys() == logs[1].keys()
    for name in logs[0]:
        losses = [[epoch["loss"] for epoch in log[name]] for log in logs]
        np.testing.assert_allclose(losses[0], losses[1], rtol=0.02)
    recipes = [json.loads((folder / "model.json").read_text())["recipe"] for folder in (model, other)]
    assert recipes[0] == recipes[1]


@pytest.mark.parametrize("ranks", [2, 4])
def test_a_shared_batch_teaches_what_a_whole_one_does(tmp_path, ranks):
    """In float64, so that nothing is hidden by rounding; a batch may have fewer windows than there are ranks."""
    assert run_script("tests/team_of_ranks.py", tmp_path / "one.pt").returncode == 0
    result = done(ranks, "tests/team_of_ranks.py", tmp_path / "several.pt")
    assert result.returncode == 0, result.stderr
    one, several = torch.load(tmp_path / "one.pt"), torch.load(tmp_path / "several.pt")
    assert one.keys() == several.keys()
    for name in one:
        torch.testing.assert_close(several[name], one[name], rtol=1e-9, atol=1e-11, msg=lambda text, at=name: at + text)


@pytest.mark.parametrize("ranks", [2, 4])  # a fold each, two for each fold
def test_the_ensemble_is_that_of_one_process(training_data, by_one, tmp_path, ranks):
    result = done(ranks, "train_model.py", training_data, tmp_path / "model", *RECIPE)
    assert result.returncode == 0, result.stderr
    assert_same_but_for_rounding(tmp_path / "model", by_one)
    for line in ("recordings to learn from", "fold 1/2  epoch  3/3", "fold 2/2  epoch  3/3", "highest expected metric"):
        assert result.stdout.count(line) == 1, line


def wait_for_epoch(model: Path, network: str) -> None:
    log, end = model / ".training" / EPOCH_LOG, time.monotonic() + 120
    while not (log.exists() and network in log.read_text()):
        assert time.monotonic() < end
        time.sleep(0.02)


def ranks_of(launcher: int) -> list[int]:
    """The processes that torchrun has started."""
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    return [int(child) for child in children if b"train_model.py" in Path(f"/proc/{child}/cmdline").read_bytes()]


needs_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="asks Linux for a process's children")


@needs_proc
def test_a_rank_that_dies_is_started_again_and_all_goes_on(training_data, by_one, tmp_path):
    model = tmp_path / "model"
    command = torchrun(2, "train_model.py", training_data, model, *RECIPE, options=["--max-restarts=1"])
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_for_epoch(model, "fold-1,1")
        os.kill(ranks_of(process.pid)[1], signal.SIGKILL)
        said, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "fold 1/2: going on after epoch" in said
    assert_same_but_for_rounding(model, by_one)


@needs_proc
def test_another_number_of_ranks_goes_on(training_data, by_one, tmp_path):
    model = tmp_path / "model"
    command = torchrun(4, "train_model.py", training_data, model, *RECIPE)
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_for_epoch(model, "fold-2,1")
        for rank in [process.pid, *ranks_of(process.pid)]:
            os.kill(rank, signal.SIGKILL)
    assert not (model / "model.json").exists()
    result = run_script("train_model.py", training_data, model, *RECIPE)
    assert result.returncode == 0, result.stderr
    assert "fold 2/2: going on after epoch" in result.stdout
    assert "fold 2/2, simulated recordings  epoch" not in result.stdout
    assert_same_but_for_rounding(model, by_one)


def test_what_cannot_be_trained_is_said_once(tmp_path):
    result = done(2, "train_model.py", tmp_path / "none", tmp_path / "model", *RECIPE)
    assert result.returncode != 0 and result.stderr.count("no such folder") == 1


def test_the_driver_shares_a_folder(model_folder, training_data, tmp_path):
    data = shutil.copytree(training_data, tmp_path / "data")
    for name in ("A0000x", "HR00003x", "Z1"):
        write_recording(data, name).with_suffix(".mat").write_bytes(b"no signal")
    alone = run_script("driver.py", model_folder, data, tmp_path / "alone", "--device", "cpu")
    shared = done(2, "driver.py", model_folder, data, tmp_path / "shared", "--device", "cpu")
    assert alone.returncode == shared.returncode == 1
    outputs = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("alone", "shared")]
    assert outputs[0] == outputs[1] and len(outputs[0]) == 25  # one of them says which model's they are
    assert shared.stdout.splitlines() == [f"20 of 23 recordings done; their outputs are in {tmp_path / 'shared'}"]
    (tmp_path / "shared/HR00004.csv").unlink()
    assert done(2, "driver.py", model_folder, data, tmp_path / "shared", "--resume", "--device", "cpu").returncode == 1
    assert (tmp_path / "shared/HR00004.csv").read_bytes() == outputs[0]["HR00004.csv"]


def test_no_weights_differ_where_no_batch_is_shared(training_data, tmp_path):
    """Two ranks, two folds: each network is trained by one rank, so to the bit."""
    recipe = ("--recipe", "small", "--folds", "2", "--epochs", "1", "--simulated", "16", "--float32", "--device", "cpu")
    assert run_script("train_model.py", training_data, tmp_path / "one", *recipe).returncode == 0
    assert done(2, "train_model.py", training_data, tmp_path / "two", *recipe).returncode == 0
    one, two = weights_of(tmp_path / "one"), weights_of(tmp_path / "two")
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
