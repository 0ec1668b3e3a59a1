"""A library for the benchmarks: recordings of noise, label sets as frequent as the Challenge's, untrained networks."""

from pathlib import Path

import numpy as np
import torch

from ecg.classes import ABBREVIATIONS, load_weights
from ecg.data.challenge_files import mat_content
from ecg.data.listing import find_recordings
from ecg.model.compute import Compute
from ecg.model.description import Description
from ecg.model.folder import Model, build_network, save_model
from ecg.recipe import Recipe
from ecg.simulation.cases import Case, draw_case
from ecg.simulation.dataset import header_text
from team_code import load_model

WEIGHTS = load_weights()


def write_recordings(folder: Path, number: int, seconds: float = 10) -> list[Path]:
    """Write recordings of noise, 500 Hz, 12 leads, with the labels of one source; return their headers."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for i in range(number):
        labels = draw_case(i, random).labels
        counts = random.integers(-500, 500, (12, round(500 * seconds))).astype(np.int16)
        (folder / f"HR{i:05d}.mat").write_bytes(mat_content(counts))
        case = Case("HR", labels, 60, "female", 500, seconds)
        (folder / f"HR{i:05d}.hea").write_text(header_text(f"HR{i:05d}", case, counts))
    return find_recordings(folder)


def link_recordings(originals: list[Path], folder: Path, number: int) -> None:
    """Fill ``folder`` with ``number`` hard links to the ``originals`` in turn. Names begin with their source."""
    folder.mkdir()
    for i in range(number):
        original = originals[i % len(originals)]
        name = original.stem.rstrip("0123456789") + f"{i:06d}"
        for suffix in (".hea", ".mat"):
            (folder / name).with_suffix(suffix).hardlink_to(original.with_suffix(suffix))


def draw_labels(number: int) -> np.ndarray:
    """Labels, bool (recordings, classes), as frequent as in the Challenge's training data."""
    random = np.random.default_rng(0)
    codes = {abbreviation: code for code, abbreviation in ABBREVIATIONS.items()}
    drawn = [WEIGHTS.encode(codes[label] for label in draw_case(i, random).labels) for i in range(2000)]
    return np.array(drawn)[random.integers(0, len(drawn), number)]


def write_headers(folder: Path, labels: np.ndarray) -> list[Path]:
    """Write headers without signals for ``labels``, bool (recordings, classes); return them."""
    folder.mkdir()
    counts = np.zeros((12, 5000), np.int16)
    for i, row in enumerate(labels):
        diagnoses = tuple(ABBREVIATIONS[WEIGHTS.classes[k]] for k in np.flatnonzero(row))
        text = header_text(f"E{i:05d}", Case("E", diagnoses, 60, "male", 500, 10), counts)
        (folder / f"E{i:05d}.hea").write_text(text)
    return find_recordings(folder)


def write_model(folder: Path, recipe: Recipe, compute: Compute) -> Model:
    """Write and load five untrained networks, whose batch normalisations have seen a batch of noise."""
    torch.manual_seed(0)
    networks = []
    for _ in range(5):
        network = build_network(recipe, len(WEIGHTS.classes)).train()
        network(300 * torch.randn(8, 12, 1024), torch.rand(8, 5))
        networks.append(network.eval())
    folder.mkdir()
    thresholds = np.full((5, len(WEIGHTS.classes)), 0.2)
    save_model(folder, Description(recipe, WEIGHTS.classes, WEIGHTS.matrix, thresholds), networks)
    return load_model(folder, compute=compute)
