#!/usr/bin/env python
"""Measure what a recipe is worth on recordings and hospitals it has not seen:

    python tools/validate.py DATA RESULTS --by fold|source published best,width=32,epochs=10 ...

DATA is split into parts: folds, or sources (the letters at the start of a record's name). For each part, a model is
trained on the other parts, just as train_model.py trains it, and predicts the part. The tables show the official
figures of these predictions: all together, by source, and as the mean of the sources, where small sources count as much
as large ones. Beside them stand the figures of single networks on their held-out folds: if epochs and thresholds were
chosen there, the difference is optimism. Several recipes are compared with the first one. (Networks are calibrated on
each other's folds. With --members 1 there is no other network, so the network is calibrated on its own fold.)

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
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the project's root, for a call from anywhere

from ecg.classes import load_weights
from ecg.cli import ALL_WELL, Arguments, run
from ecg.data.packed import PackedRecordings
from ecg.decision.labels import decide_labels
from ecg.errors import EntryError
from ecg.evaluation.bootstrap import Predictions
from ecg.evaluation.comparison import FEWEST, HELD_OUT, compare
from ecg.files import file_digest, write_json, write_whole
from ecg.model.compute import Compute, pick_compute
from ecg.progress import print_line
from ecg.recipe import Recipe, parse_recipe
from ecg.training.checkpoint import training_lock, work_dir_of
from ecg.training.folds import assign_folds, read_patients
from ecg.training.setup import Training, list_recordings, prepare, read_recordings
from ecg.training.store import Store
from team_code import fit, predict, pretrain, validate

TEST_PARTS = "recordings not seen in training"

Part = dict[str, np.ndarray]  # the stored predictions of one part, as predict_part makes them


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("data", type=Path, help="a folder of recordings with labels")
    arguments.add_argument("results", type=Path, help="a folder for the predictions and the tables")
    arguments.add_argument("recipes", nargs="+", metavar="RECIPE", help="NAME or NAME,number=value,...")
    arguments.add_argument("--by", choices=("fold", "source"), default="fold", help="what a part is (fold)")
    arguments.add_argument("--parts", type=int, default=5, help="by fold: the number of parts (5)")
    arguments.add_argument("--only", type=int, help="predict only the first so many parts, to save time")
    arguments.add_argument("--seeds", type=int, default=1, help="how many trainings of each part (1)")
    arguments.add_argument("--members", type=int, help="networks of each model (the recipe's folds)")
    arguments.add_argument("--unseen", type=Path, action="append", default=[], help="a folder that no model trains on")
    arguments.add_argument("--patients", type=Path, help="a csv of recordings and patients; keeps patients together")
    arguments.add_compute()
    args = arguments.parse()
    numbers = [args.seeds, args.parts - 1, args.only, args.members]
    if any(number is not None and number < 1 for number in numbers):
        raise EntryError("--seeds, --only and --members must be 1 or more, --parts 2 or more")
    recipes = {name: parse_recipe(name) for name in args.recipes}
    if len({folder.name for folder in args.unseen}) < len(args.unseen):
        raise EntryError("two --unseen folders have the same name; rename one of them")
    compute, weights = pick_compute(args.device, args.float32), load_weights()
    with training_lock(args.results):
        predictions = {name: validate_recipe(args, name, recipe, compute) for name, recipe in recipes.items()}
        compare(args.results / "figures.csv", predictions, weights)
        write_json(args.results / "recipes.json", {name: recipe.as_json() for name, recipe in recipes.items()})
        print(f"\nAll official figures are in {args.results / 'figures.csv'}.")
        draw_reliability(args.results / "reliability.png", {name: of[TEST_PARTS] for name, of in predictions.items()})
        shutil.rmtree(work_dir_of(args.results))
    return ALL_WELL


@dataclass(frozen=True)
class Datasets:
    """The recordings of DATA with their patients, if known, and those of the --unseen folders."""

    training: Training
    patients: np.ndarray | None  # str (recordings,)
    unseen: dict[str, tuple[Store, PackedRecordings]]


def validate_recipe(args: Namespace, name: str, recipe: Recipe, compute: Compute) -> dict[str, Predictions]:
    """Train and predict what is missing in RESULTS; return the recipe's predictions by the kind of recordings."""
    data = read_datasets(args, name, recipe, compute)
    claim_results(args, args.results / name / "validation.json", data, recipe)
    seeds: list[list[Part]] = []
    for seed in range(args.seeds):
        seeds.append([])
        for part_name, test in list_parts(args, data):
            file = args.results / name / f"seed {seed} {part_name}.npz"
            if not file.exists():
                print_line(f"\n{name}, seed {seed}: training on the other parts, to predict {part_name}")
                work_dir = work_dir_of(args.results) / name / f"seed {seed}"
                part = predict_part(data, test, seed, args.members or recipe.folds, work_dir / file.stem)
                write_whole(file, partial(save_arrays, part))
            with np.load(file) as stored:
                seeds[seed].append(dict(stored))
    return gather(data, seeds)


def read_datasets(args: Namespace, name: str, recipe: Recipe, compute: Compute) -> Datasets:
    work_dir = work_dir_of(args.results)
    training = prepare(args.data, work_dir / name, recipe, compute)
    unseen = {}
    for folder in args.unseen:
        store = work_dir / f"{name} {folder.name}"
        unseen[folder.name] = read_recordings(list_recordings(folder), store, training.weights, recipe, compute)
    patients = None
    if args.patients:
        patients = np.array(list(training.store.names()), object)
        patients[training.real] = read_patients(patients[training.real].tolist(), args.patients)
    return Datasets(training, patients, unseen)


def claim_results(args: Namespace, file: Path, data: Datasets, recipe: Recipe) -> None:
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
    if file.exists() and json.loads(file.read_text()) != this:
        raise EntryError(
            f"{file}: the predictions beside it are of other recordings, parts or numbers; give another folder"
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, this)


def list_parts(args: Namespace, data: Datasets) -> Iterator[tuple[str, np.ndarray]]:
    """The name and the recordings (indices) of every part."""
    real = data.training.real
    sources = data.training.store.sources[real]
    if args.by == "source":
        names, counts = np.unique(sources.astype(str), return_counts=True)
        parts = [(name or "no letters", real[sources == name]) for name in names[counts >= FEWEST]]
    else:
        patients = None if data.patients is None else data.patients[real]
        part_of = assign_folds(data.training.labels[real], sources, args.parts, 0, patients)
        parts = [(f"part {part + 1}", real[part_of == part]) for part in range(args.parts)]
    if not parts:
        raise EntryError(f"{args.data}: no source has {FEWEST} recordings; validate by fold")
    yield from parts[: args.only]


def predict_part(data: Datasets, test: np.ndarray, seed: int, members: int, work_dir: Path) -> Part:
    """Train a model of ``members`` networks on all recordings except ``test``, and predict these.

    The pretrained networks are kept beside ``work_dir``, because all parts share them.
    """
    training, recipe = data.training, replace(data.training.recipe, seed=seed)
    rest = np.setdiff1d(training.real, test)
    fold_of = np.full(len(training.labels), -1)
    patients = None if data.patients is None else data.patients[rest]
    fold_of[rest] = assign_folds(training.labels[rest], training.store.sources[rest], recipe.folds, seed, patients)
    work_dir.mkdir(parents=True, exist_ok=True)
    inner = replace(training, recipe=recipe, fold_of=fold_of, work_dir=work_dir)
    shared = replace(training, recipe=recipe, work_dir=work_dir.parent)
    folds = range(min(members, recipe.folds))
    networks = [fit(inner, inner.fold_task(fold), pretrain(shared, fold))[0] for fold in folds]
    p, thresholds = validate(inner, networks)
    held_out = [inner.held_out(fold) for fold in folds]
    outputs = []  # of single networks, because the ensemble has no held-out recordings
    for rows, of_network in zip(held_out, thresholds):
        outputs.append(decide_labels(recipe, training.weights.matrix, p[np.newaxis, rows], of_network[np.newaxis])[0])
    rows = np.concatenate(held_out)
    part = {
        "test": test,
        "p": predict(networks, training.recordings, test, recipe, training.compute),
        "thresholds": thresholds,
        "held_out": rows,
        "held_out_p": p[rows],
        "held_out_outputs": np.concatenate(outputs),
    }
    for name, (store, recordings) in data.unseen.items():
        part[f"unseen {name}"] = predict(networks, recordings, np.arange(len(store)), recipe, training.compute)
    shutil.rmtree(work_dir)
    return part


def save_arrays(arrays: Part, path: Path) -> None:
    with open(path, "wb") as opened:  # NumPy would add a suffix to a name
        np.savez_compressed(opened, **arrays)  # type: ignore[arg-type]  # NumPy's own stub has one name for two things


def gather(data: Datasets, seeds: list[list[Part]]) -> dict[str, Predictions]:
    """The predictions of all parts and seeds, by the kind of recordings."""
    training = data.training
    labels, sources = training.labels, training.store.sources
    decide = partial(decide_labels, training.recipe, training.weights.matrix)
    runs = []
    for parts in seeds:
        order = np.argsort(np.concatenate([part["test"] for part in parts]))
        decided = [decide(part["p"], part["thresholds"]) for part in parts]
        outputs, scores = (np.concatenate(column)[order] for column in zip(*decided))
        runs.append((outputs, scores))
    every_part = [part for parts in seeds for part in parts]
    held_out, outputs, p = (
        np.concatenate([part[name] for part in every_part]) for name in ("held_out", "held_out_outputs", "held_out_p")
    )
    test = np.sort(np.concatenate([part["test"] for part in seeds[0]]))
    patients = None if data.patients is None else data.patients[test]
    gathered = {
        HELD_OUT: Predictions(labels[held_out], sources[held_out], [(outputs, p)]),
        TEST_PARTS: Predictions(labels[test], sources[test], runs, patients),
    }
    for name, (store, _) in data.unseen.items():
        runs = [decide(part[f"unseen {name}"], part["thresholds"]) for part in every_part]
        gathered[f"recordings of {name}"] = Predictions(store.labels, store.sources, runs)
    return gathered


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
