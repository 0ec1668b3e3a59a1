#!/usr/bin/env python
"""Does the relevance lie on the wave that carries the diagnosis?  python benchmarks/pointing.py models/open

In simulated recordings that wave is known. For each class this prints the wave's share of the time, its share of the
relevance in all leads (see ecg.explanation.attribution), the ratio of the two, and the same ratio for a network of
random weights: what that network shows too does not come from the training. The last columns give what each wave adds
to the logit of the class.
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
from ecg.data.lead_names import LEADS
from ecg.data.record import Record
from ecg.explanation.attribution import relevance
from ecg.explanation.counterfactual import WAVES, wave_masks
from ecg.model.compute import pick_compute
from ecg.model.folder import build_network
from ecg.model.network import SEResNet
from ecg.recipe import Recipe
from ecg.simulation.signal import simulate_signal
from team_code import load_model

RATE, SECONDS, RECORDINGS = 500, 10, 8
P, QRS, T = WAVES
DIAGNOSTIC_WAVE = {
    "IAVB": P, "LPR": P, "CRBBB": QRS, "IRBBB": QRS, "LBBB": QRS, "NSIVCB": QRS, "LAnFB": QRS, "LAD": QRS, "RAD": QRS,
    "QAb": QRS, "TInv": T, "TAb": T, "LQT": T,
}  # fmt: skip


def simulated_record(label: str, seed: int) -> Record:
    """A simulated recording of a man of 60 with the diagnosis ``label``."""
    counts = simulate_signal([label], 60, "male", RATE, SECONDS, np.random.default_rng([9, seed]))
    header = Header("X1", float(RATE), counts.shape[1], (), 60.0, "male", ())
    return Record(header, counts, np.ones(len(LEADS), bool))


def wave_figures(
    networks: list[SEResNet], recipe: Recipe, label: str, class_: int, recordings: int = RECORDINGS
) -> np.ndarray:
    """(3, WAVES): each wave's share of the time, its share of the positive relevance, and what it adds to the logit.

    The mean over ``recordings`` simulated recordings with the diagnosis ``label``, whose column is ``class_``.
    """
    rows = []
    for seed in range(recordings):
        record = simulated_record(label, seed)
        relevant = relevance(networks, record, class_, recipe)
        positive = np.maximum(relevant, 0)
        masks = wave_masks(record).values()
        time_shares = [mask.mean() for mask in masks]
        relevance_shares = [positive[:, mask].sum() / positive.sum() for mask in masks]
        rows.append([time_shares, relevance_shares, [relevant[:, mask].sum() for mask in masks]])
    return np.mean(rows, axis=0)


def random_network(recipe: Recipe, classes: int) -> SEResNet:
    torch.manual_seed(0)
    return build_network(recipe, classes)


def main() -> int:
    parser = Arguments(__doc__)
    parser.add_argument("model", type=Path, help="a model folder")
    args = parser.parse()
    model = load_model(args.model, compute=pick_compute("cpu", float32=True))
    networks = model.networks
    untrained = [random_network(model.recipe, len(model.classes))]
    print(f"| class | wave | time | relevance | ratio | random network | {' | '.join(WAVES)} |")
    print("|---" * (6 + len(WAVES)) + "|")
    for label, wave in progress.bar(DIAGNOSTIC_WAVE.items(), len(DIAGNOSTIC_WAVE), "explaining", "classes"):
        class_, column = find_class(model.classes, label), WAVES.index(wave)
        time, share, added = wave_figures(networks, model.recipe, label, class_)
        _, random_share, _ = wave_figures(untrained, model.recipe, label, class_)
        ratio, random_ratio = share[column] / time[column], random_share[column] / time[column]
        shares = f"{time[column]:.2f} | {share[column]:.2f} | {ratio:.1f} | {random_ratio:.1f}"
        print(f"| {label} | {wave} | {shares} | {' | '.join(f'{value:.1f}' for value in added)} |")
    return ALL_WELL


if __name__ == "__main__":
    run(main)
