#!/usr/bin/env python
"""Compare fine-tuning with training from nothing:  python benchmarks/starting.py DATA RESULTS --hospital HR

The hospital's recordings, by the letters of their names, are new to a model of all other recordings in DATA. A part of
them is for testing. Of the others, so many as --numbers says are drawn --draws times. Compared are the model as it is,
a training from nothing on these recordings (pretrained on simulated ones, as always), and fine-tuning of the model on
them. Each model has two networks, calibrated on each other's halves. All figures are written to RESULTS/figures.csv.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ecg.cli import ALL_WELL, Arguments, run
from ecg.evaluation.bootstrap import Predictions
from ecg.evaluation.comparison import compare
from ecg.model.compute import pick_compute
from ecg.model.description import Description
from ecg.model.folder import Model
from ecg.recipe import Recipe, changed, parse_recipe
from ecg.training.folds import assign_folds
from ecg.training.setup import Training, prepare
from ecg.training.starting import fine_tuning, starting_weights
from ecg.training.time_left import TimeLeft
from team_code import fit, predict, pretrain, validate

FOLDS = 2
MOST_FOR_TRAINING = 0.5  # of the hospital's recordings


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("data", type=Path)
    arguments.add_argument("results", type=Path)
    arguments.add_argument("--hospital", required=True, help="letters of its recordings' names; several: A,Q")
    arguments.add_argument("--numbers", default="50,150,500")
    arguments.add_argument("--draws", type=int, default=2)
    arguments.add_argument("--recipe", default="best")
    arguments.add_argument("--fine", default="epochs=10", help="fields of fine-tuning: field=value,... several: ;")
    arguments.add_compute()
    args = arguments.parse()
    recipe = replace(parse_recipe(args.recipe), folds=FOLDS)
    training = prepare(args.data, args.results, recipe, pick_compute(args.device, args.float32))
    training = replace(training, time_left=TimeLeft())
    real, sources = training.real, training.store.sources.astype(str)
    hospital = real[np.isin(sources[real], args.hospital.split(","))]
    random = np.random.default_rng(0)
    hospital = random.permutation(hospital)
    test, pool = np.split(hospital, [len(hospital) - int(len(hospital) * MOST_FOR_TRAINING)])
    others = np.setdiff1d(real, hospital)
    start = train(training, "start", others, recipe, None)
    weights = training.weights
    found: dict[str, list] = {"the model as it is": [decided(training, start, test)]}
    for number in map(int, args.numbers.split(",")):
        for draw in range(args.draws):
            chosen = random.choice(pool, number, replace=False)
            place = f"{number}-{draw}"
            model = train(training, f"nothing-{place}", chosen, replace(recipe, seed=draw), None)
            found.setdefault(f"{number} from nothing", []).append(decided(training, model, test))
            for fine in args.fine.split(";"):
                fields = parse_recipe(f"best,{fine}") if fine else recipe
                names = [item.split("=")[0] for item in fine.split(",") if item]
                continued = changed(fine_tuning(recipe), seed=draw, **{name: getattr(fields, name) for name in names})
                model = train(training, f"tuned-{place}-{fine}", chosen, continued, start)
                found.setdefault(f"{number} fine-tuned {fine}", []).append(decided(training, model, test))
    labels = training.labels[test]
    kinds = {name: {"test": Predictions(labels, sources[test], runs)} for name, runs in found.items()}
    compare(args.results / "figures.csv", kinds, weights)
    return ALL_WELL


def train(training: Training, name: str, chosen: np.ndarray, recipe: Recipe, start: Model | None) -> Model:
    """A model of two networks, each trained on a half of ``chosen``; resumed from the folder ``name``."""
    fold_of = np.full(len(training.labels), -1)
    fold_of[chosen] = assign_folds(training.labels[chosen], training.store.sources[chosen], FOLDS, recipe.seed)
    work_dir = training.work_dir / name
    work_dir.mkdir(exist_ok=True)
    of_name = replace(training, recipe=recipe, fold_of=fold_of, work_dir=work_dir)
    networks = []
    for fold in range(FOLDS):
        task = of_name.fold_task(fold)
        if start is None:
            weights = pretrain(training, fold)  # shared by all trainings
        else:
            weights = starting_weights(start, fold, training.weights.classes, training.labels[task.train])
        networks.append(fit(of_name, task, weights)[0].eval())
    _, thresholds = validate(of_name, networks)
    description = Description(recipe, training.weights.classes, training.weights.matrix, thresholds)
    return Model(description, networks, training.compute)


def decided(training: Training, model: Model, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels for the Challenge metric, and probabilities, both (test, classes)."""
    p = predict(model.networks, training.recordings, test, model.recipe, training.compute)
    labels, scores, _ = model.description.decide(p, "challenge")
    return labels, scores


if __name__ == "__main__":
    run(main)
