#!/usr/bin/env python
"""How accurate a model is with fewer leads:  python benchmarks/lead_sets.py MODEL DATA

MODEL is what train_model.py made of DATA. Each recording is answered for by the network that did not learn from it
(MODEL/out_of_fold.csv says which), with all of its leads and with the sets of the Challenge of 2021 alone. Intervals
(95 %) and differences are of a bootstrap over recordings.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ecg import progress
from ecg.classes import load_weights
from ecg.cli import ALL_WELL, Arguments, run
from ecg.data.listing import find_headers
from ecg.data.packed import pack
from ecg.data.preprocessing import network_input
from ecg.data.record import LEADS, Record, read_record
from ecg.decision.labels import decide_labels
from ecg.errors import EntryError
from ecg.evaluation.bootstrap import FIGURES, Predictions, bootstrap_figures, figures, interval
from ecg.evaluation.cross_validation import read_out_of_fold
from ecg.model.compute import pick_compute
from team_code import Model, load_model, predict

LEAD_SETS = {
    "12": LEADS,
    "8: I, II, V1 to V6": ("I", "II", *LEADS[6:]),
    "6: the limbs'": LEADS[:6],
    "4: I, II, III, V2": ("I", "II", "III", "V2"),
    "3: I, II, V2": ("I", "II", "V2"),
    "2: I, II": ("I", "II"),
}
SHOWN = ("Challenge metric", "AUROC", "AUPRC")


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("model", type=Path, help="the folder of the trained model, with its out_of_fold.csv")
    arguments.add_argument("data", type=Path, help="the folder it was trained on")
    arguments.add_compute()
    given = arguments.parse()
    model, weights = load_model(given.model, compute=pick_compute(given.device, given.float32)), load_weights()
    names, of_names, _ = read_out_of_fold(given.model / "out_of_fold.csv", weights)
    fold_of = dict(zip(names, of_names))
    headers = [path for path in find_headers(given.data, headers_only=True) if path.stem in fold_of]
    if len(headers) < len(fold_of):
        raise EntryError(f"{given.data}: {len(fold_of) - len(headers)} recordings of {given.model} are not in it")
    records = [read_record(path) for path in progress.bar(headers, len(headers), "reading", "recordings")]
    fold = np.array([fold_of[path.stem] for path in headers])
    labels = np.array([weights.encode(record.header.diagnoses) for record in records])
    sources = np.array([record.header.source for record in records])
    answers = []
    for leads in progress.bar(LEAD_SETS.values(), len(LEAD_SETS), "running", "sets of leads"):
        answers.append(
            Predictions(labels, sources, [answered(model, [fewer(record, leads) for record in records], fold)])
        )
    draws = bootstrap_figures(weights, answers)
    print(f"{len(records):,} recordings\n\n| leads | {' | '.join(SHOWN)} | {SHOWN[0]}, difference |")
    print("|---" * (len(SHOWN) + 2) + "|")
    metric = FIGURES.index(SHOWN[0])
    whole = figures(weights, answers[0])[metric]
    for i, (name, answer) in enumerate(zip(LEAD_SETS, answers)):
        values = dict(zip(FIGURES, zip(figures(weights, answer), draws[:, i].T)))
        cells = [cell(*values[figure]) for figure in SHOWN]
        difference = cell(values[SHOWN[0]][0] - whole, draws[:, i, metric] - draws[:, 0, metric])
        print(f"| {name} | {' | '.join(cells)} | {difference if i else ''} |")
    return ALL_WELL


def fewer(record: Record, leads: tuple[str, ...]) -> Record:
    """What would have been read of a recording of those ``leads`` alone."""
    mask = record.mask & np.isin(LEADS, leads)
    return replace(record, counts=np.where(mask[:, np.newaxis], record.counts, np.int16(0)), mask=mask)


def answered(model: Model, records: list[Record], fold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores (recordings, classes), each by the network of its ``fold``, alone."""
    recordings = pack(network_input(record, model.recipe) for record in records)
    p, thresholds = (np.zeros((len(records), len(model.classes))) for _ in range(2))
    for number, (network, row) in enumerate(zip(model.networks, model.description.thresholds), 1):
        here = np.flatnonzero(fold == number)
        p[here] = predict([network], recordings, here, model.recipe, model.compute)[0]
        thresholds[here] = row
    return decide_labels(model.recipe, model.description.rewards, p[np.newaxis], thresholds[np.newaxis])


def cell(value: float, drawn: np.ndarray) -> str:
    low, high = interval(drawn)
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    run(main)
