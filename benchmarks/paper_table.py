#!/usr/bin/env python
"""The paper's table of single networks at the paper's own size, of as many folds as there is time for:

    python benchmarks/paper_table.py DATA WORK --networks 2

The recipe is ``published``: five folds, full width, 50 epochs, about an hour for each network on two cores. The first
--networks of them are trained, and each predicts its own held-out fold. The rows are those that train_model.py prints
after all five. The same command resumes, and so does train_model.py, which completes the ensemble in the folder WORK.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ecg.cli import ALL_WELL, Arguments, run
from ecg.errors import EntryError
from ecg.evaluation.cross_validation import cross_validate, format_table
from ecg.model.compute import pick_compute
from ecg.recipe import parse_recipe
from ecg.training.setup import prepare
from ecg.training.work_dir import training_lock
from team_code import search_common, search_exact, search_grid, train_fold, validate


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("data", type=Path, help="a folder of recordings with labels")
    arguments.add_argument("work", type=Path, help="the folder of the training, unfinished or new")
    arguments.add_argument("--networks", type=int, default=2, metavar="N", help="2 or more (default: 2)")
    arguments.add_argument("--recipe", type=parse_recipe, default="published", help="NAME or NAME,field=value,...")
    arguments.add_compute()
    args = arguments.parse()
    if not 2 <= args.networks <= args.recipe.folds:
        raise EntryError(f"--networks {args.networks}: must be from 2 to {args.recipe.folds}, the folds")
    with training_lock(args.work):
        training = prepare(args.data, args.work, args.recipe, pick_compute(args.device, args.float32))
        networks = [train_fold(training, fold)[0] for fold in range(args.networks)]
        p, _ = validate(training, networks)
    chosen = np.isin(training.fold_of, range(args.networks))
    searches = {"step 1": search_common, "steps 1 and 2": search_grid, "exact": search_exact}
    rows = (training.labels[chosen], p[chosen], training.fold_of[chosen])
    print(f"{chosen.sum():,} recordings of {args.networks} of {training.recipe.folds} folds")
    print(format_table(cross_validate(training.recipe, training.weights, *rows, searches, training.hospitals)))
    return ALL_WELL


if __name__ == "__main__":
    run(main)
