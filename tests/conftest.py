"""Helpers and fixtures of all tests: recordings on disk, calls of the scripts, and a small trained model."""

import contextlib
import io
import os
import runpy
import shutil
import signal
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ecg.interruption import SIGNALS
from ecg.model.compute import pick_compute
from ecg.recipe import RECIPES, Recipe
from team_code import training_code

ROOT = Path(__file__).resolve().parent.parent
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")

CPU = pick_compute("cpu", float32=True)

os.environ["OMP_NUM_THREADS"] = "1"  # for the processes of the tests; the networks are too small for more threads
torch.set_num_threads(1)


def noise(samples: int = 2500, leads: int = 12, seed: int = 0) -> np.ndarray:
    """Uniform noise in ADC counts, int16 (leads, samples)."""
    return np.random.default_rng(seed).integers(-500, 500, (leads, samples)).astype(np.int16)


def write_mat(path: Path, counts: np.ndarray) -> None:
    """Write a MATLAB v4 file with the Challenge's bytes: a header of 24 bytes, then int16 in column order."""
    header = np.array([30, *counts.shape, 0, 4], "<i4").tobytes() + b"val\0"
    path.write_bytes(header + counts.astype("<i2").tobytes(order="F"))


def header_text(
    name: str,
    counts: np.ndarray,
    rate="500",
    leads=LEADS,
    gain="1000/mV",
    form="16+24",
    comments=("#Age: 60", "#Sex: Female", "#Dx: 426783006"),
) -> str:
    lines = [f"{name} {len(leads)} {rate} {counts.shape[1]}"]
    lines += [f"{name}.mat {form} {gain} 16 0 {counts[i, 0]} 0 0 {lead}" for i, lead in enumerate(leads)]
    return "\n".join([*lines, *comments]) + "\n"


def write_recording(folder: Path, name: str, counts: np.ndarray | None = None, **header) -> Path:
    """Write NAME.hea and NAME.mat to ``folder``; return the path of the header."""
    counts = noise() if counts is None else counts
    folder.mkdir(parents=True, exist_ok=True)
    write_mat(folder / f"{name}.mat", counts)
    path = folder / f"{name}.hea"
    path.write_bytes(header_text(name, counts, **header).encode("utf-8", "surrogateescape"))
    return path


def replace_text(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))


def run_script(script: str, *arguments, folder: Path = ROOT) -> subprocess.CompletedProcess:
    """Run one of the project's scripts in a process of its own, in ``folder``, as a user does."""
    command = [sys.executable, str(ROOT / script), *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def call_script(script: str, *arguments, folder: Path = ROOT) -> subprocess.CompletedProcess:
    """Do what run_script does in this process, which saves the seconds of importing PyTorch."""
    command = [str(ROOT / script), *map(str, arguments)]
    stdout, stderr, exit_code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        patch.setattr(sys, "argv", command)
        patch.setattr(sys, "path", [str((ROOT / script).parent), *sys.path])
        patch.chdir(folder)
        for number in SIGNALS:
            stack.callback(signal.signal, number, signal.getsignal(number))
        stack.enter_context(contextlib.redirect_stdout(stdout))
        stack.enter_context(contextlib.redirect_stderr(stderr))
        try:
            runpy.run_path(command[0], run_name="__main__")
        except SystemExit as end:
            exit_code = end.code
    return subprocess.CompletedProcess(command, exit_code, stdout.getvalue(), stderr.getvalue())


def weights_of(folder) -> dict[str, torch.Tensor]:
    """The tensors of all networks in ``folder``, by file and name."""
    weights = {}
    for path in sorted(folder.glob("*.safetensors")):
        for name, tensor in load_file(path).items():
            weights[f"{path.name} {name}"] = tensor
    return weights


def assert_same_weights(a, b):
    """Assert that the networks in the folders ``a`` and ``b`` are equal bit for bit."""
    a, b = weights_of(a), weights_of(b)
    assert a.keys() == b.keys() and a
    assert all(torch.equal(a[name], b[name]) for name in a)


# The files that take longest, for the workers to begin with: none of them then starts last and runs alone.
LONGEST = ("explanation", "distributed", "validation", "export", "training_interrupted", "review", "hostile", "watch")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = [f"test_{name}.py" for name in LONGEST]
    items.sort(key=lambda item: order.index(item.path.name) if item.path.name in order else len(order))


@pytest.fixture(scope="session")
def golden(tmp_path_factory) -> Path:
    """The folder of golden labels, outputs and figures."""
    folder = tmp_path_factory.mktemp("golden")
    with tarfile.open(ROOT / "tests/data/golden.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "golden"


@pytest.fixture(scope="session")
def training_data(tmp_path_factory) -> Path:
    """20 recordings of two sources with three scored classes, in subfolders."""
    folder = tmp_path_factory.mktemp("training_data")
    codes = ("426783006", "164889003", "426783006,39732003", "270492004")
    for i in range(14):
        comments = (f"#Age: {30 + i}", "#Sex: Male", f"#Dx: {codes[i % 4]}")
        write_recording(folder / "g1", f"HR{i:05d}", noise(1000 + 100 * i, seed=i), comments=comments)
    for i in range(6):
        comments = ("#Age: NaN", "#Sex: Unknown", f"#Dx: {codes[i % 3]},12345")
        write_recording(folder / "g2", f"A{i:04d}", noise(4000, seed=90 + i), rate="1000", comments=comments)
    return folder


@pytest.fixture(scope="session")
def tiny_recipe() -> Recipe:
    """A recipe that trains in seconds."""
    network = {"width": 4, "reduction": 2}
    windows = {"window": 512, "shortest_window": 256, "overlap": 64}
    simulated = {"simulated": 6, "simulated_epochs": 1, "replay": 0.3}
    return replace(RECIPES["small"], **network, **windows, **simulated, folds=2, epochs=2, batch=4)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory, training_data, tiny_recipe) -> Path:
    """The model that training_code trains on ``training_data``."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    training_code(training_data, folder, tiny_recipe, CPU)
    return folder


@pytest.fixture
def model_copy(model_folder, tmp_path) -> Path:
    """A copy of ``model_folder`` to change."""
    return Path(shutil.copytree(model_folder, tmp_path / "model"))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MB; only root can mount it."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", place], check=True)
