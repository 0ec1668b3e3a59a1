#!/usr/bin/env python
"""Does the explanation point at what carries the diagnosis?  python benchmarks/pointing.py models/open

In simulated recordings it is known which wave that is. Of the relevance that ecg/explanation.py finds for a class the
share on that wave, in all leads, beside the share of the time the wave takes; and the same with a network of random
weights: what its map finds too, the training has not taught.
"""

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ecg import progress
from ecg.cli import ALL_WELL, Arguments, run
from ecg.compute import pick_compute
from ecg.explanation import relevance
from ecg.model_folder import build_network
from ecg.network import SEResNet
from ecg.qrs import qrs_middles
from ecg.records import LEADS, Header, Record
from ecg.scoring import find_class
from ecg.simulation import recording
from team_code import Model, load_model

RATE, SECONDS, RECORDINGS = 500, 10, 8
BEFORE, QRS, AFTER = (-0.36, -0.05), (-0.08, 0.10), (0.12, 0.42)  # s from the middle of the QRS: P and PR, QRS, T
CARRIED_BY = {
    "IAVB": BEFORE, "CRBBB": QRS, "LBBB": QRS, "LAnFB": QRS, "LAD": QRS, "RAD": QRS, "QAb": QRS,
    "TInv": AFTER, "TAb": AFTER,
}  # fmt: skip


def example(label: str, seed: int) -> Record:
    counts = recording([label], 60, "male", RATE, SECONDS, np.random.default_rng([9, seed]))
    header = Header("X1", float(RATE), counts.shape[1], (), 60.0, "male", ())
    return Record(header, counts, np.ones(len(LEADS), bool))


def on_the_wave(record: Record, wave: tuple[float, float]) -> np.ndarray:
    """Boolean (samples,): in the stretch that ``wave`` says, of any QRS."""
    inside = np.zeros(record.counts.shape[1], bool)
    for middle in qrs_middles(record.counts, RATE):
        inside[max(middle + round(wave[0] * RATE), 0) : max(middle + round(wave[1] * RATE), 0)] = True
    return inside


def shares(networks: list[SEResNet], model: Model, label: str, recordings: int = RECORDINGS) -> tuple[float, float]:
    """The shares of the relevance, and of the time, that are on the wave that carries ``label``."""
    k, found, times = find_class(model.classes, label), [], []
    for seed in range(recordings):
        record = example(label, seed)
        inside = on_the_wave(record, CARRIED_BY[label])
        speaks = np.maximum(relevance(networks, record, k, model.recipe), 0).sum(axis=0)
        found.append(speaks[inside].sum() / speaks.sum())
        times.append(inside.mean())
    return float(np.mean(found)), float(np.mean(times))


def randomised(recipe, classes: int) -> list[SEResNet]:
    torch.manual_seed(0)
    return [build_network(recipe, classes)]


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("model", type=Path, help="a model folder")
    given = arguments.parse()
    model = load_model(given.model, compute=pick_compute("cpu", float32=True))
    networks = [member.network for member in model.members]
    others = randomised(model.recipe, len(model.classes))
    rows = []
    for label in progress.bar(CARRIED_BY, len(CARRIED_BY), "explaining", "classes"):
        (there, time), (by_chance, _) = (shares(some, model, label) for some in (networks, others))
        rows.append(f"| {label} | {time:.2f} | {there:.2f} | {there / time:.1f}x | {by_chance / time:.1f}x |")
    print(
        "| class | the wave's share of the time | of the relevance | ratio | random networks |\n|---|---|---|---|---|"
    )
    print("\n".join(rows))
    return ALL_WELL


if __name__ == "__main__":
    run(main)
