#!/usr/bin/env python
"""Train the ensemble on a folder of recordings:  python train_model.py DATA MODEL

To train on several GPUs, or on several machines that share both folders, start it with torchrun, which PyTorch
installs: torchrun --nproc-per-node 4 train_model.py DATA MODEL
"""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from ecg.cli import ALL_WELL, Arguments, run
from ecg.recipe import RECIPES, Recipe, changed, parse_recipe

if TYPE_CHECKING:
    from ecg.model.compute import Compute


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_either("data", "-d", "the folder of recordings to train on (read only)")
    arguments.add_either("model", "-m", "the folder for the trained model")
    arguments.add_argument(
        "--recipe",
        help=f"the settings of the training (best; with --start, those of fine-tuning): {', '.join(RECIPES)}; "
        "NAME,field=value,... changes some",
    )
    arguments.add_argument("--folds", type=int, help="the number of folds; each has one network")
    arguments.add_argument(
        "--epochs",
        type=int,
        help=f"epochs on the recordings (best: {RECIPES['best'].epochs}); the epochs of pretraining on simulated "
        f"recordings stay as they are (best: {RECIPES['best'].simulated_epochs}; --recipe best,simulated_epochs=N)",
    )
    arguments.add_argument("--simulated", type=int, help="simulated recordings for pretraining and replay (0: none)")
    arguments.add_argument("--seed", type=int, help="the seed of all random draws")
    arguments.add_argument("--patients", help="a csv of recordings and patients; keeps each patient in one fold")
    arguments.add_argument("--classes", help="own classes: a csv of name, what means it in #Dx, reward; or weights.csv")
    arguments.add_argument("--start", metavar="MODEL", help="fine-tune a model: start with its networks and recipe")
    arguments.add_argument("--pretrained", metavar="FOLDER", help="keep and reuse networks pretrained on simulations")
    arguments.add_compute()
    args = arguments.parse()
    recipe = parse_recipe(args.recipe or "best")

    # Imported here because PyTorch takes seconds: --help and a wrong recipe are answered before.
    from ecg.model.compute import pick_compute
    from ecg.model.description import read_description
    from ecg.training import distributed
    from ecg.training.starting import fine_tuning
    from team_code import training_code

    if args.start and not args.recipe:
        recipe = fine_tuning(read_description(Path(args.start)).recipe)
    recipe = changed(recipe, **{name: getattr(args, name) for name in ("folds", "epochs", "simulated", "seed")})
    train = train_distributed if distributed.is_distributed() else training_code
    compute = pick_compute(args.device, args.float32)
    train(args.data, args.model, recipe, compute, args.patients, args.classes, args.start, args.pretrained)
    return ALL_WELL


def train_distributed(
    data: str,
    model: str,
    recipe: Recipe,
    compute: "Compute",
    *options: str | None,
) -> None:
    """Run training_code in all processes: each team trains its folds, and the first process finishes the ensemble.

    ``options`` are the other arguments of training_code, in its order.
    """
    from ecg.training import distributed
    from ecg.training.setup import prepare
    from ecg.training.work_dir import training_lock
    from team_code import train_ensemble, train_fold

    with distributed.all_processes() as everyone, ExitStack() as until_the_end:

        def begin():
            if everyone.is_first:
                until_the_end.enter_context(training_lock(Path(model)))
            return prepare(Path(data), Path(model), recipe, compute, *options)

        training = everyone.first_then_others(begin)
        on_gpus = compute.device.type == "cuda"
        team, folds = distributed.split_into_teams(everyone, recipe.folds, share_batches=on_gpus)
        team_training = distributed.join_team(training, team)
        team_training.time_left.folds = folds
        for fold in folds:
            train_fold(team_training, fold)
        everyone.wait()
        if everyone.is_first:
            train_ensemble(training, Path(model))  # finds every network trained


if __name__ == "__main__":
    run(main)
