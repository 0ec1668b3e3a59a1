"""Recordings on disk and a small trained model, for all tests."""

import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ecg.model.compute import pick_compute
from ecg.recipe import RECIPES
from team_code import training_code

ROOT = Path(__file__).resolve().parent.parent
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")

CPU = pick_compute("cpu", float32=True)

os.environ["OMP_NUM_THREADS"] = "1"  # of the scripts the tests start; the networks are too small for more
torch.set_num_threads(1)


def noise(samples: int = 2500, leads: int = 12, seed: int = 0) -> np.ndarray:
    """Counts (leads, samples) with nothing to see in them."""
    return np.random.default_rng(seed).integers(-500, 500, (leads, samples)).astype(np.int16)


def write_mat(path: Path, counts: np.ndarray) -> None:
    """MATLAB v4, byte by byte as the Challenge's files are: 24 bytes, then int16 column by column."""
    head = np.array([30, *counts.shape, 0, 4], "<i4").tobytes() + b"val\0"
    path.write_bytes(head + counts.astype("<i2").tobytes(order="F"))


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
    """NAME.hea and NAME.mat in ``folder``; the header's path."""
    counts = noise() if counts is None else counts
    folder.mkdir(parents=True, exist_ok=True)
    write_mat(folder / f"{name}.mat", counts)
    path = folder / f"{name}.hea"
    path.write_bytes(header_text(name, counts, **header).encode("utf-8", "surrogateescape"))
    return path


def run_script(script: str, *arguments, folder: Path = ROOT) -> subprocess.CompletedProcess:
    """One of the project's scripts as a user runs it, from ``folder``."""
    command = [sys.executable, str(ROOT / script), *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def weights_of(folder) -> dict[str, torch.Tensor]:
    return {
        f"{path.name} {name}": t for path in sorted(folder.glob("*.safetensors")) for name, t in load_file(path).items()
    }


def assert_same_weights(a, b):
    a, b = weights_of(a), weights_of(b)
    assert a.keys() == b.keys() and a
    assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="session")
def golden(tmp_path_factory) -> Path:
    """The folder of the golden labels, outputs and figures."""
    folder = tmp_path_factory.mktemp("golden")
    with tarfile.open(ROOT / "tests/data/golden.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "golden"


@pytest.fixture(scope="session")
def training_data(tmp_path_factory) -> Path:
    """20 recordings of two sources, in subfolders, with few classes: what the smallest training must do with."""
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
def tiny_recipe():
    network = {"width": 4, "reduction": 2}
    windows = {"window": 512, "shortest_window": 256, "overlap": 64}
    simulated = {"simulated": 6, "simulated_epochs": 1, "replay": 0.3}
    return replace(RECIPES["small"], **network, **windows, **simulated, folds=2, epochs=2, batch=4)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory, training_data, tiny_recipe) -> Path:
    """What training_code makes of ``training_data``."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    training_code(training_data, folder, tiny_recipe, CPU)
    return folder


@pytest.fixture
def model_copy(model_folder, tmp_path) -> Path:
    return Path(shutil.copytree(model_folder, tmp_path / "model"))
