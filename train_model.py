#!/usr/bin/env python
"""Train the ensemble on a folder of recordings:  python train_model.py DATA MODEL

On several GPUs, or on several machines that share the two folders, start it by torchrun, which comes with PyTorch:
torchrun --nproc-per-node 4 train_model.py DATA MODEL. The networks are the same but for rounding.
"""

from contextlib import ExitStack
from pathlib import Path

from ecg.cli import ALL_WELL, Arguments, run
from ecg.model.compute import Compute, pick_compute
from ecg.recipe import RECIPES, Recipe, changed, parse_recipe
from ecg.training import distributed
from ecg.training.checkpoint import training_lock
from team_code import prepare, pretrain, train_ensemble, train_fold, training_code


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_either("data", "-d", "the folder of recordings to learn from (read only)")
    arguments.add_either("model", "-m", "the folder for the trained model")
    arguments.add_argument(
        "--recipe",
        default="best",
        help=f"the numbers of the training (best): {', '.join(RECIPES)}; or NAME,number=value,... with other ones",
    )
    arguments.add_argument("--folds", type=int, help="networks to train, one a fold")
    arguments.add_argument("--epochs", type=int, help="passes over the recordings")
    arguments.add_argument("--simulated", type=int, help="simulated recordings to learn from first (0: none)")
    arguments.add_argument("--seed", type=int, help="of every random draw")
    arguments.add_argument(
        "--patients", help="a csv of recordings' names and patients, who are not torn apart by folds"
    )
    arguments.add_compute()
    given = arguments.parse()
    changes = {name: getattr(given, name) for name in ("folds", "epochs", "simulated", "seed")}
    train = train_over_ranks if distributed.several() else training_code
    compute = pick_compute(given.device, given.float32)
    train(given.data, given.model, changed(parse_recipe(given.recipe), **changes), compute, given.patients)
    return ALL_WELL


def train_over_ranks(data: str, model: str, recipe: Recipe, compute: Compute, patients: str | None) -> None:
    """What training_code does, by all ranks: each fold by its own team.

    The first one ends it as one process would: it finds each network trained.
    """
    with distributed.joined() as everyone, ExitStack() as until_the_end:

        def begin():
            if everyone.leads:
                until_the_end.enter_context(training_lock(Path(model)))
            return prepare(Path(data), Path(model), recipe, compute, patients)

        training = everyone.first_alone(begin)
        team, folds = distributed.teams(everyone, recipe.folds)
        for fold in folds:
            of_team = distributed.shared(training, team)
            train_fold(of_team, fold, pretrain(of_team, fold))
        everyone.wait()
        if everyone.leads:
            train_ensemble(training, Path(model))


if __name__ == "__main__":
    run(main)
