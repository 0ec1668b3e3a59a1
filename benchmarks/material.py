"""What the stages are timed on: recordings of noise, label sets as frequent as the Challenge's, untrained networks."""

from pathlib import Path

import numpy as np
import torch

from ecg.classes import ABBREVIATIONS, load_weights
from ecg.data.challenge_files import mat_content
from ecg.data.listing import find_headers
from ecg.model.compute import Compute
from ecg.model.description import Description
from ecg.model.folder import Model, build_network, save_model
from ecg.recipe import Recipe
from ecg.simulation.cases import Case, draw_case
from ecg.simulation.dataset import header_text
from team_code import load_model

CLASSES = load_weights()


def write_recordings(place: Path, records: int, seconds: float = 10) -> list[Path]:
    """Recordings of noise, 500 Hz, 12 leads, with labels of one source."""
    place.mkdir()
    random = np.random.default_rng(0)
    for i in range(records):
        labels = draw_case(i, random).labels
        counts = random.integers(-500, 500, (12, round(500 * seconds))).astype(np.int16)
        (place / f"HR{i:05d}.mat").write_bytes(mat_content(counts))
        case = Case("HR", labels, 60, "female", 500, seconds)
        (place / f"HR{i:05d}.hea").write_text(header_text(f"HR{i:05d}", case, counts))
    return find_headers(place)


def link(originals: list[Path], folder: Path, records: int) -> None:
    """``records`` recordings in ``folder``, in turn hard links to the ``originals``, of the same sources."""
    folder.mkdir()
    for i in range(records):
        original = originals[i % len(originals)]
        name = original.stem.rstrip("0123456789") + f"{i:06d}"
        for suffix in (".hea", ".mat"):
            (folder / name).with_suffix(suffix).hardlink_to(original.with_suffix(suffix))


def label_sets(records: int) -> np.ndarray:
    """Boolean (records, classes), as frequent as in the Challenge's training data."""
    random = np.random.default_rng(0)
    codes = {abbreviation: code for code, abbreviation in ABBREVIATIONS.items()}
    some = [CLASSES.encode(codes[label] for label in draw_case(i, random).labels) for i in range(2000)]
    return np.array(some)[random.integers(0, len(some), records)]


def write_headers(place: Path, labels: np.ndarray) -> list[Path]:
    """Headers alone, of ``labels`` (recordings, classes)."""
    place.mkdir()
    counts = np.zeros((12, 5000), np.int16)
    for i, row in enumerate(labels):
        diagnoses = tuple(ABBREVIATIONS[CLASSES.classes[k]] for k in np.flatnonzero(row))
        text = header_text(f"E{i:05d}", Case("E", diagnoses, 60, "male", 500, 10), counts)
        (place / f"E{i:05d}.hea").write_text(text)
    return find_headers(place)


def write_model(place: Path, recipe: Recipe, compute: Compute) -> Model:
    """Five untrained networks, whose batch normalisations have seen a batch of noise."""
    torch.manual_seed(0)
    networks = []
    for _ in range(5):
        network = build_network(recipe, len(CLASSES.classes)).train()
        network(300 * torch.randn(8, 12, 1024), torch.rand(8, 5))
        networks.append(network.eval())
    place.mkdir()
    thresholds = np.full((5, len(CLASSES.classes)), 0.2)
    save_model(place, Description(recipe, CLASSES.classes, CLASSES.matrix, thresholds), networks)
    return load_model(place, compute=compute)
