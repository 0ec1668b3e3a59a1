#!/usr/bin/env python
"""Does the explanation point at what carries the diagnosis?  python benchmarks/pointing.py models/open

In simulated recordings it is known which wave that is. Of the relevance that ecg.explanation finds for a class the
share on that wave, in all leads, beside the share of the time the wave takes; the same with a network of random
weights: what its map finds too, the training has not taught. And what each wave adds to the class's logit.
"""

import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ecg import progress
from ecg.classes import find_class
from ecg.cli import ALL_WELL, Arguments, run
from ecg.data.header import Header
from ecg.data.record import LEADS, Record
from ecg.explanation.attribution import relevance
from ecg.explanation.counterfactual import WAVES, stretches
from ecg.model.compute import pick_compute
from ecg.model.folder import build_network
from ecg.model.network import SEResNet
from ecg.simulation.signal import simulate_signal
from team_code import Model, load_model

RATE, SECONDS, RECORDINGS = 500, 10, 8
P, QRS, T = WAVES
CARRIED_BY = {
    "IAVB": P, "LPR": P, "CRBBB": QRS, "IRBBB": QRS, "LBBB": QRS, "NSIVCB": QRS, "LAnFB": QRS, "LAD": QRS, "RAD": QRS,
    "QAb": QRS, "TInv": T, "TAb": T, "LQT": T,
}  # fmt: skip


def example(label: str, seed: int) -> Record:
    counts = simulate_signal([label], 60, "male", RATE, SECONDS, np.random.default_rng([9, seed]))
    header = Header("X1", float(RATE), counts.shape[1], (), 60.0, "male", ())
    return Record(header, counts, np.ones(len(LEADS), bool))


def pointed(networks: list[SEResNet], model: Model, label: str, recordings: int = RECORDINGS) -> np.ndarray:
    """(3, waves): of each wave its share of the time, its share of the relevance, what it adds to the logit."""
    k, found = find_class(model.classes, label), []
    for seed in range(recordings):
        record = example(label, seed)
        relevant = relevance(networks, record, k, model.recipe)
        speaks = np.maximum(relevant, 0)
        waves = stretches(record).values()
        found.append(
            [
                [inside.mean() for inside in waves],
                [speaks[:, inside].sum() / speaks.sum() for inside in waves],
                [relevant[:, inside].sum() for inside in waves],
            ]
        )
    return np.mean(found, axis=0)


def randomised(recipe, classes: int) -> list[SEResNet]:
    torch.manual_seed(0)
    return [build_network(recipe, classes)]


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("model", type=Path, help="a model folder")
    given = arguments.parse()
    model = load_model(given.model, compute=pick_compute("cpu", float32=True))
    networks = model.networks
    others = randomised(model.recipe, len(model.classes))
    print(f"| class | wave | time | relevance | ratio | random network | {' | '.join(WAVES)} |")
    print("|---" * (6 + len(WAVES)) + "|")
    for label, wave in progress.bar(CARRIED_BY.items(), len(CARRIED_BY), "explaining", "classes"):
        at = WAVES.index(wave)
        (time, share, adds), (_, by_chance, _) = (pointed(some, model, label) for some in (networks, others))
        figures = f"{time[at]:.2f} | {share[at]:.2f} | {share[at] / time[at]:.1f} | {by_chance[at] / time[at]:.1f}"
        print(f"| {label} | {wave} | {figures} | {' | '.join(f'{value:.1f}' for value in adds)} |")
    return ALL_WELL


if __name__ == "__main__":
    run(main)
