#!/usr/bin/env python
"""Measure what a recipe is worth on recordings and hospitals it has not seen:

    python tools/validate.py DATA RESULTS --by fold|source published best,width=32,epochs=10 ...

DATA is split into parts: folds, or sources (the letters at the start of a record's name). For each part, a model is
trained on the other parts, just as train_model.py trains it, and predicts the part. The tables show the official
figures of these predictions: all together, by source, and as the mean of the sources, where small sources count as much
as large ones. Beside them stand the figures of single networks on their held-out folds: if epochs and thresholds were
chosen there, the difference is optimism. Several recipes are compared with the first one. (Networks are calibrated on
each other's folds. With --members 1 there is no other network, so the network is calibrated on its own fold.) A last
table compares the labels of the two decisions, challenge and clinical.

Simulated recordings have the label sets and ages of all of the Challenge's sources. So of a source that is left out, a
model knows these, but no signal.

RESULTS keeps the predictions of every part, and the same command resumes with the missing ones. Intervals (95 %) are of
a bootstrap over the recordings, or with --patients over the patients of DATA; without it they are too narrow if
patients have several recordings. Each of several seeds trains new models on new folds, from the same simulated
recordings; the figures are means over the seeds.
"""

import json
import shutil
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the project's root, for a call from anywhere

from ecg.classes import WEIGHTS_FILE, load_weights
from ecg.cli import ALL_WELL, Arguments, run
from ecg.decision.labels import decide_labels
from ecg.errors import EntryError
from ecg.evaluation.bootstrap import Predictions
from ecg.evaluation.comparison import compare
from ecg.evaluation.decisions import print_decisions
from ecg.files import file_digest, write_arrays, write_json
from ecg.model.compute import Compute, pick_compute
from ecg.progress import print_line
from ecg.recipe import CHOICES, Recipe, parse_recipe
from ecg.training.left_out import LEFT_OUT, PartPredictions, ValidationData, read_validation_data
from ecg.training.time_left import TimeLeft
from ecg.training.work_dir import training_lock, work_dir_of
from team_code import fit, predict, pretrain, validate


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("data", type=Path, help="a folder of recordings with labels")
    arguments.add_argument("results", type=Path, help="a folder for the predictions and the tables")
    arguments.add_argument("recipes", nargs="+", metavar="RECIPE", help="NAME or NAME,field=value,...")
    arguments.add_argument("--by", choices=("fold", "source"), default="fold", help="what a part is (fold)")
    arguments.add_argument("--parts", type=int, default=5, help="by fold: the number of parts (5)")
    arguments.add_argument("--only", type=int, help="predict only the first so many parts, to save time")
    arguments.add_argument("--seeds", type=int, default=1, help="how many trainings of each part (1)")
    arguments.add_argument("--members", type=int, help="networks of each model (the recipe's folds)")
    arguments.add_argument("--unseen", type=Path, action="append", default=[], help="a folder that no model trains on")
    arguments.add_argument("--patients", type=Path, help="a csv of recordings and patients; keeps patients together")
    arguments.add_argument("--classes", type=Path, default=WEIGHTS_FILE, help="own classes, or another weights.csv")
    arguments.add_compute()
    args = arguments.parse()
    numbers = [args.seeds, args.parts - 1, args.only, args.members]
    if any(number is not None and number < 1 for number in numbers):
        raise EntryError("--seeds, --only and --members must be 1 or more, --parts 2 or more")
    recipes = {name: parse_recipe(name) for name in args.recipes}
    if len({folder.name for folder in args.unseen}) < len(args.unseen):
        raise EntryError("two --unseen folders have the same name; rename one of them")
    compute, weights = pick_compute(args.device, args.float32), load_weights(args.classes)
    with training_lock(args.results):
        validated = {name: validate_recipe(args, name, recipe, compute) for name, recipe in recipes.items()}
        predictions = {name: of["challenge"] for name, of in validated.items()}
        compare(args.results / "figures.csv", predictions, weights)
        for name, of in validated.items():
            print(f"\nThe decisions of {name}:")
            print_decisions(args.results / name / "decisions.csv", weights, of)
        write_json(args.results / "recipes.json", {name: recipe.as_json() for name, recipe in recipes.items()})
        print(f"\nAll official figures are in {args.results / 'figures.csv'}.")
        draw_reliability(args.results / "reliability.png", {name: of[LEFT_OUT] for name, of in predictions.items()})
        shutil.rmtree(work_dir_of(args.results))
    return ALL_WELL


def validate_recipe(args: Namespace, name: str, recipe: Recipe, compute: Compute) -> dict[str, dict[str, Predictions]]:
    """Train and predict what is missing in RESULTS; return the predictions by decision and kind of recordings."""
    work_dir = work_dir_of(args.results) / name
    data = read_validation_data(args.data, args.unseen, args.patients, args.classes, work_dir, recipe, compute)
    claim_results(args, args.results / name / "validation.json", data, recipe)
    parts = data.parts_by_source() if args.by == "source" else data.parts_by_fold(args.parts)
    seeds: list[list[PartPredictions]] = []
    for seed in range(args.seeds):
        seeds.append([])
        for part, test in list(parts.items())[: args.only]:
            file = args.results / name / f"seed {seed} {part}.npz"
            if not file.exists():
                print_line(f"\n{name}, seed {seed}: training on the other parts, to predict {part}")
                predictions = predict_part(data, test, seed, args.members or recipe.folds, work_dir / file.stem)
                write_arrays(file, predictions)
            with np.load(file) as stored:
                seeds[seed].append(dict(stored))
    return {decision: data.gather(seeds, decision) for decision in CHOICES["decide"]}


def claim_results(args: Namespace, file: Path, data: ValidationData, recipe: Recipe) -> None:
    """Note what is validated; EntryError if the predictions beside ``file`` are of something else."""
    this = {
        "recordings": [data.training.store.fingerprint, *(store.fingerprint for store, _ in data.unseen.values())],
        "by": args.by,
        "parts": args.parts,
        "members": args.members,
        "unseen": list(data.unseen),
        "patients": file_digest(args.patients) if args.patients else None,
        "recipe": recipe.as_json(),
    }
    try:
        found = json.loads(file.read_text()) if file.exists() else this
    except ValueError as error:
        raise EntryError(f"{file}: damaged ({error}); give another folder, or remove this one") from error
    if found != this:
        raise EntryError(
            f"{file}: the predictions beside it are of other recordings, parts or recipe fields; give another folder"
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, this)


def predict_part(data: ValidationData, test: np.ndarray, seed: int, members: int, work_dir: Path) -> PartPredictions:
    """Train a model of ``members`` networks on all recordings except ``test``, and predict these.

    The pretrained networks are kept beside ``work_dir``, because all parts share them.
    """
    recipe = replace(data.training.recipe, seed=seed)
    # the estimate of the time left is for a single model, not for a validation
    shared = replace(data.training, recipe=recipe, work_dir=work_dir.parent / f"seed {seed}", time_left=TimeLeft())
    training = replace(shared, fold_of=data.folds_without(test, recipe), work_dir=work_dir)
    for folder in (shared.work_dir, work_dir):
        folder.mkdir(parents=True, exist_ok=True)
    folds = range(min(members, recipe.folds))
    networks = [fit(training, training.fold_task(fold), pretrain(shared, fold))[0] for fold in folds]
    p, thresholds = validate(training, networks)
    held_out = [training.held_out(fold) for fold in folds]
    outputs = []  # of single networks, because the ensemble has no held-out recordings
    for rows, of_network in zip(held_out, thresholds):
        alone = p[np.newaxis, rows], of_network[np.newaxis]
        outputs.append(decide_labels(recipe, training.weights.matrix, *alone, data.hospitals(test))[0])
    rows = np.concatenate(held_out)
    predictions = {
        "test": test,
        "p": predict(networks, training.recordings, test, recipe, training.compute),
        "thresholds": thresholds,
        "held_out": rows,
        "held_out_p": p[rows],
        "held_out_outputs": np.concatenate(outputs),
    }
    for name, (store, recordings) in data.unseen.items():
        predictions[f"unseen {name}"] = predict(networks, recordings, np.arange(len(store)), recipe, training.compute)
    shutil.rmtree(work_dir)
    return predictions


def draw_reliability(path: Path, predictions: dict[str, Predictions]) -> None:
    try:
        from ecg.report import reliability
    except ImportError:
        print("For a picture of the calibration: pip install -r requirements-report.txt")
        return
    reliability.draw_reliability(path, predictions)
    print(f"The calibration of the probabilities is drawn in {path}.")


if __name__ == "__main__":
    run(main)
