#!/usr/bin/env python
"""Measure the accuracy of a model with fewer leads:  python benchmarks/lead_sets.py MODEL DATA

MODEL is the folder that train_model.py wrote for DATA. The network that was not trained on a recording (see
MODEL/out_of_fold.csv) classifies it with all of its leads and with each lead set of the Challenge of 2021. The 95 %
intervals, also those of the differences, are from a bootstrap over recordings.
"""

from __future__ import annotations  # so that --help needs no PyTorch

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ecg import progress
from ecg.classes import load_weights
from ecg.cli import ALL_WELL, Arguments, run
from ecg.data.lead_names import LEADS
from ecg.data.listing import find_recordings
from ecg.data.preprocessing import network_input
from ecg.data.record import Record, read_record
from ecg.decision.labels import decide_labels
from ecg.errors import EntryError
from ecg.evaluation.bootstrap import FIGURES, Predictions, bootstrap_figures, figures, interval
from ecg.evaluation.cross_validation import read_out_of_fold

if TYPE_CHECKING:
    from ecg.model.folder import Model

LEAD_SETS = {
    "12": LEADS,
    "8: I, II, V1 to V6": ("I", "II", *LEADS[6:]),
    "6: limb leads": LEADS[:6],
    "4: I, II, III, V2": ("I", "II", "III", "V2"),
    "3: I, II, V2": ("I", "II", "V2"),
    "2: I, II": ("I", "II"),
}
SHOWN = ("Challenge metric", "AUROC", "AUPRC")


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("model", type=Path, help="the folder of the trained model, with out_of_fold.csv")
    arguments.add_argument("data", type=Path, help="the folder that the model was trained on")
    arguments.add_compute()
    args = arguments.parse()
    from ecg.model.compute import pick_compute  # after the arguments, so that --help is fast
    from team_code import load_model

    model, weights = load_model(args.model, compute=pick_compute(args.device, args.float32)), load_weights()
    names, folds, _ = read_out_of_fold(args.model / "out_of_fold.csv", weights)
    fold_of = dict(zip(names, folds))
    headers = [path for path in find_recordings(args.data, headers_only=True) if path.stem in fold_of]
    if len(headers) < len(fold_of):
        raise EntryError(f"{args.data}: {len(fold_of) - len(headers)} recordings of {args.model} are missing")
    records = [read_record(path) for path in progress.bar(headers, len(headers), "reading", "recordings")]
    fold = np.array([fold_of[path.stem] for path in headers])
    labels = np.array([weights.encode(record.header.diagnoses) for record in records])
    sources = np.array([record.header.source for record in records])
    predictions = []
    for leads in progress.bar(LEAD_SETS.values(), len(LEAD_SETS), "running", "lead sets"):
        run = predict_held_out(model, [keep_leads(record, leads) for record in records], fold)
        predictions.append(Predictions(labels, sources, [run]))
    estimates = np.array([figures(weights, lead_set) for lead_set in predictions])
    resamples = bootstrap_figures(weights, predictions)
    differences, resampled_differences = estimates - estimates[0], resamples - resamples[:, :1]
    print(f"{len(records):,} recordings\n\n| leads | {' | '.join(SHOWN)} | {SHOWN[0]}, difference |")
    print("|---" * (len(SHOWN) + 2) + "|")
    metric = FIGURES.index(SHOWN[0])
    columns = [FIGURES.index(name) for name in SHOWN]
    for i, name in enumerate(LEAD_SETS):
        cells = [cell(estimates[i, column], resamples[:, i, column]) for column in columns]
        cells.append(cell(differences[i, metric], resampled_differences[:, i, metric]) if i else "")
        print(f"| {name} | {' | '.join(cells)} |")
    return ALL_WELL


def keep_leads(record: Record, leads: tuple[str, ...]) -> Record:
    """The record as it would be read from a recording of only these leads."""
    mask = record.mask & np.isin(LEADS, leads)
    return replace(record, counts=np.where(mask[:, np.newaxis], record.counts, np.int16(0)), mask=mask)


def predict_held_out(model: Model, records: list[Record], fold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Outputs and scores (recordings, classes). The network of the ``fold`` of a recording classifies it alone."""
    from ecg.data.packed import pack
    from team_code import predict

    recordings = pack(network_input(record, model.recipe) for record in records)
    p, thresholds = (np.zeros((len(records), len(model.classes))) for _ in range(2))
    for number, (network, row) in enumerate(zip(model.networks, model.description.thresholds), 1):
        rows = np.flatnonzero(fold == number)
        p[rows] = predict([network], recordings, rows, model.recipe, model.compute)[0]
        thresholds[rows] = row
    facts = model.recipe, model.description.rewards
    return decide_labels(*facts, p[np.newaxis], thresholds[np.newaxis], model.description.hospitals)


def cell(estimate: float, resamples: np.ndarray) -> str:
    low, high = interval(estimate, resamples)
    return f"{estimate:.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    run(main)
