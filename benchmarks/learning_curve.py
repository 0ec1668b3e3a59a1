#!/usr/bin/env python
"""Measure recipes by the number of training recordings:

    python benchmarks/learning_curve.py DATA RESULTS best best,width=48 best,width=64 --unseen OTHERS --seeds 3

Each seed keeps another part of DATA for testing. Of the other recordings, so many as --numbers says are drawn; a larger
number contains the smaller ones. On each number one network is trained, from the same pretraining. The tables compare
the recipes on the parts together, each predicted by the networks of its seed, and on the folder OTHERS, as the mean of
the networks. The networks are not calibrated, because no recordings are left for that; labels have the highest expected
metric. The recipes differ in fields that leave the store as it is: not in the sampling rate or the trimming.

Each recipe of each seed is a job of its own process; --processes of them run at a time, on one GPU too. RESULTS keeps
the predictions, and the same command resumes with the missing ones. All figures are written to RESULTS/NUMBER.csv.
"""

import multiprocessing
import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ecg.classes import WEIGHTS_FILE
from ecg.cli import ALL_WELL, Arguments, run
from ecg.decision.labels import highest_expected_metric
from ecg.errors import EntryError
from ecg.evaluation.bootstrap import Predictions
from ecg.evaluation.comparison import Kinds, compare
from ecg.files import write_arrays
from ecg.model.compute import pick_compute
from ecg.recipe import Recipe, parse_recipe
from ecg.training.left_out import PartPredictions, ValidationData, read_validation_data
from ecg.training.setup import FitTask
from ecg.training.time_left import TimeLeft
from ecg.training.work_dir import training_lock, work_dir_of
from team_code import fit, predict

PARTS = 5
TEST, OTHERS = "recordings of the same hospital", "recordings of other hospitals"

shared: ValidationData


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("data", type=Path, help="a folder of recordings with labels")
    arguments.add_argument("results", type=Path, help="a folder for the predictions and the table")
    arguments.add_argument("recipes", nargs="+", metavar="RECIPE", help="NAME or NAME,field=value,...")
    arguments.add_argument("--unseen", type=Path, required=True, help="a folder that no network trains on")
    arguments.add_argument("--numbers", type=int, nargs="+", default=[300, 600, 1200, 2300], help="training recordings")
    arguments.add_argument("--seeds", type=int, default=3, help=f"at most {PARTS}")
    arguments.add_argument("--processes", type=int, default=1)
    arguments.add_compute()
    args = arguments.parse()
    if not 1 <= args.seeds <= PARTS:
        raise EntryError(f"--seeds must be from 1 to {PARTS}, because each seed has its own part")
    recipes = {name: parse_recipe(name) for name in args.recipes}
    first = next(iter(recipes.values()))
    most = replace(first, simulated=max(recipe.simulated for recipe in recipes.values()))
    work_dir = work_dir_of(args.results)
    with training_lock(args.results):
        # The GPU is first used in the workers, because a process that uses it cannot be forked.
        cpu = pick_compute("cpu", float32=True)
        data = read_validation_data(args.data, [args.unseen], None, WEIGHTS_FILE, work_dir / "data", most, cpu)
        jobs = [(name, seed) for seed in range(args.seeds) for name in recipes]
        fork = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(args.processes, fork, initializer=share, initargs=(data,)) as executor:
            futures = [
                executor.submit(measure, args.results, name, recipes[name], seed, args.numbers, args.device)
                for name, seed in jobs
            ]
            for future in futures:
                future.result()
        for number in args.numbers:
            kinds: dict[str, Kinds] = {}
            for name, recipe in recipes.items():
                parts = [dict(np.load(file_of(args.results, name, seed, number))) for seed in range(args.seeds)]
                kinds[name] = gather(data, recipe, parts)
            print(f"\n{number} training recordings:")
            compare(args.results / f"{number}.csv", kinds, data.training.weights)
        shutil.rmtree(work_dir)
    return ALL_WELL


def file_of(results: Path, name: str, seed: int, number: int) -> Path:
    return results / f"{name} seed {seed} {number}.npz"


def share(data: ValidationData) -> None:
    """Keep the data of a forked worker, so that they need not be sent with each job."""
    global shared
    shared = data


def measure(results: Path, name: str, recipe: Recipe, seed: int, numbers: Sequence[int], device: str | None) -> None:
    """Train a network on each of the ``numbers`` of recordings, and write its predictions."""
    data = shared
    missing = [number for number in numbers if not file_of(results, name, seed, number).exists()]
    if not missing:
        return
    compute = pick_compute(device)
    work_dir = work_dir_of(results) / f"{name} seed {seed}"
    work_dir.mkdir(exist_ok=True)
    training = replace(
        data.training,
        recipe=replace(recipe, seed=seed),
        compute=compute,
        recordings=data.training.recordings.to(compute.device),
        work_dir=work_dir,
        time_left=TimeLeft(),
    )
    ((store, unseen),) = data.unseen.values()
    unseen = unseen.to(compute.device)
    part = data.parts_by_fold(PARTS)[f"part {seed + 1}"]
    rest = np.random.default_rng(seed).permutation(np.setdiff1d(training.real, part))
    simulated, nothing = training.simulated[: recipe.simulated], np.zeros(0, int)
    start = None
    if recipe.simulated:
        pretraining = replace(training.pretraining_task(0), train=simulated, title=f"{name} seed {seed}, simulated")
        start = fit(training, pretraining)[0].state_dict()
    for number in missing:
        title = f"{name} seed {seed}, {number}"
        task = FitTask(str(number), title, 0, training.recipe, rest[:number], simulated, nothing)
        network = fit(training, task, start)[0]
        predictions = {
            "test": part,
            "p": predict([network], training.recordings, part, training.recipe, compute),
            "unseen": predict([network], unseen, np.arange(len(store)), training.recipe, compute),
        }
        write_arrays(file_of(results, name, seed, number), predictions)
    shutil.rmtree(work_dir)


def gather(data: ValidationData, recipe: Recipe, parts: Sequence[PartPredictions]) -> Kinds:
    """The labels and probabilities of a recipe's networks, one for each seed."""
    training, ((store, _),) = data.training, data.unseen.values()
    matrix, test = training.weights.matrix, np.concatenate([part["test"] for part in parts])

    def decided(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return highest_expected_metric(recipe, matrix, p, None), p

    of_test = decided(np.concatenate([part["p"][0] for part in parts]))
    of_unseen = [decided(part["unseen"][0]) for part in parts]
    return {
        TEST: Predictions(training.labels[test], training.store.sources[test], [of_test]),
        OTHERS: Predictions(store.labels, store.sources, of_unseen),
    }


if __name__ == "__main__":
    run(main)
