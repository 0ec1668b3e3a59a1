#!/usr/bin/env python
"""Compare labels for an unknown hospital with other decisions:  python benchmarks/elsewhere.py DATA PREDICTIONS

PREDICTIONS is the folder of a recipe that tools/validate.py DATA RESULTS RECIPE --by source has left in RESULTS: the
probabilities of each source, by a model that was not trained on it and knows nothing of its frequencies. The rows are
temperatures, and probabilities that a recording comes from another hospital (the recipe's ``elsewhere``). The columns
are the Challenge metric at the sources left out, and on held-out recordings of sources that the model knows. Brackets
hold the difference to the first row and its 95 % interval, over random weights of the recordings.
"""

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.adapting import read_hospitals
from ecg.classes import load_weights
from ecg.cli import ALL_WELL, Arguments, run
from ecg.decision.labels import decide_labels
from ecg.evaluation.bootstrap import interval
from ecg.evaluation.metrics import metric_parts
from ecg.recipe import Recipe, changed

RESAMPLES = 1000
RULES = [{"elsewhere": 0.0}, *({"elsewhere": 0.0, "temperature": value} for value in (1.0, 1.1, 1.3, 1.4, 1.5))]
RULES += [{"elsewhere": value} for value in (0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)]


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("data", type=Path, help="the folder of recordings that was validated on")
    arguments.add_argument("predictions", type=Path, help="RESULTS/RECIPE of tools/validate.py --by source")
    args = arguments.parse()
    weights = load_weights()
    recipe = Recipe.from_json(json.loads((args.predictions / "validation.json").read_text())["recipe"])
    first: dict[str, np.ndarray] = {}
    for number, fields in enumerate(RULES):
        rule = changed(recipe, **fields)
        hospitals = read_hospitals(args.data, args.predictions, rule, weights)
        if not number:
            print("| Temperature | Elsewhere | " + " | ".join(f"{n} ({len(h.labels):,})" for n, h in hospitals.items()))
            print("|---" * (len(hospitals) + 2) + "|")
        cells = []
        for name, hospital in hospitals.items():
            outputs, _ = decide_labels(rule, weights.matrix, hospital.p, hospital.thresholds, hospital.likely)
            gained, possible = metric_parts(weights, hospital.labels, outputs)
            before = first.setdefault(name, gained)
            chosen = np.random.default_rng(0).standard_exponential((RESAMPLES, len(gained)))
            difference = (gained - before).sum() / possible.sum()
            low, high = interval(difference, chosen @ (gained - before) / (chosen @ possible))
            change = f" ({difference:+.3f}, {low:+.3f} to {high:+.3f})" if number else ""
            cells.append(f"{gained.sum() / possible.sum():.3f}{change}")
        print(f"| {rule.temperature} | {rule.elsewhere} | " + " | ".join(cells) + " |", flush=True)
    return ALL_WELL


if __name__ == "__main__":
    run(main)
