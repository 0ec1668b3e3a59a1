#!/usr/bin/env python
"""Recipes beside each other on recordings held out:  python benchmarks/accuracy.py DATA published best,width=16

Each seed deals the recordings into three folds, and each recipe trains the first fold's network on the other two. The
held-out third chooses the best epoch, so its figures are a little optimistic, the more so the more epochs there are.
Its thresholds are searched on one half of it and scored on the other. Means over the seeds with 95 % intervals (of
dealing and training anew, as the recordings are the same), and the differences from the first recipe in pairs.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import stats

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import team_code  # noqa: E402
from ecg import scoring  # noqa: E402
from ecg.cli import ALL_WELL, Arguments, run  # noqa: E402
from ecg.compute import Compute, pick_compute  # noqa: E402
from ecg.errors import EntryError  # noqa: E402
from ecg.recipe import RECIPES, Recipe  # noqa: E402

FIGURES = ("Challenge metric", "AUROC", "AUPRC")


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("data", type=Path, help="a folder of recordings with labels")
    arguments.add_argument("recipes", nargs="+", metavar="RECIPE", help="NAME or NAME,number=value,...")
    arguments.add_argument("--seeds", type=int, default=3, help="how many (3)")
    arguments.add_compute()
    given = arguments.parse()
    if given.seeds < 1:
        raise EntryError("--seeds must be 1 or more")
    compute = pick_compute(given.device, given.float32)
    recipes = {text: parse_recipe(text) for text in given.recipes}
    figures = {
        text: np.array([held_out_figures(given.data, recipe, seed, compute) for seed in range(given.seeds)])
        for text, recipe in recipes.items()
    }
    print(f"\n{'':44s}" + "".join(f"{name:>26s}" for name in FIGURES))
    first, *others = figures
    for text, rows in figures.items():
        print(f"{text:44s}" + "".join(f"{interval(column):>26s}" for column in rows.T))
    for text in others:
        print(f"{text} - {first}")
        print(f"{'':44s}" + "".join(f"{interval(column):>26s}" for column in (figures[text] - figures[first]).T))
    return ALL_WELL


def parse_recipe(text: str) -> Recipe:
    """``NAME,number=value,...``: a recipe with other numbers."""
    name, *changes = text.split(",")
    if name not in RECIPES:
        raise EntryError(f"no recipe {name!r}; there are {', '.join(RECIPES)}")
    numbers = RECIPES[name].as_dict()
    try:
        changed = dict(change.split("=") for change in changes)
        return replace(RECIPES[name], **{key: type(numbers[key])(value) for key, value in changed.items()})
    except (ValueError, KeyError) as error:
        raise EntryError(f"{text}: is not NAME,number=value,... with numbers of a recipe ({error})") from error


def held_out_figures(data: Path, recipe: Recipe, seed: int, compute: Compute) -> tuple[float, float, float]:
    with tempfile.TemporaryDirectory() as place:
        training = team_code.prepare(data, Path(place), replace(recipe, folds=3, seed=seed), compute)
        network, _ = team_code.train_fold(training, fold=0)
        p = team_code.held_out_probabilities(training, 0, network)
    weights, labels = training.weights, training.labels[training.held_out(0)]
    auroc, auprc = map(scoring.mean, scoring.auroc_auprc(labels, p))
    half = np.random.default_rng(seed).permutation(len(p)) % 2 == 0
    outputs = np.zeros_like(labels)
    for here in (half, ~half):
        outputs[~here] = team_code.decide(p[~here], team_code.search_grid(weights, labels[here], p[here]))
    return scoring.challenge_metric(weights, labels, outputs), auroc, auprc


def interval(values: np.ndarray) -> str:
    """Mean and 95 % interval (Student's t)."""
    if len(values) < 2:
        return f"{values[0]:.3f}"
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():.3f} ({values.mean() - half:.3f} to {values.mean() + half:.3f})"


if __name__ == "__main__":
    run(main)
