#!/usr/bin/env python
"""Train the ensemble on a folder of recordings:  python train_model.py DATA MODEL"""

from ecg.cli import ALL_WELL, Arguments, run
from ecg.compute import pick_compute
from ecg.recipe import RECIPES, recipe
from team_code import training_code


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_either("data", "-d", "the folder of recordings to learn from (read only)")
    arguments.add_either("model", "-m", "the folder for the trained model")
    arguments.add_argument("--recipe", choices=RECIPES, default="best", help="the numbers of the training (best)")
    arguments.add_argument("--folds", type=int, help="networks to train, one a fold")
    arguments.add_argument("--epochs", type=int, help="passes over the recordings")
    arguments.add_argument("--simulated", type=int, help="simulated recordings to learn from first (0: none)")
    arguments.add_argument("--seed", type=int, help="of every random draw")
    arguments.add_compute()
    given = arguments.parse()
    changes = {name: getattr(given, name) for name in ("folds", "epochs", "simulated", "seed")}
    training_code(given.data, given.model, recipe(given.recipe, **changes), pick_compute(given.device, given.float32))
    return ALL_WELL


if __name__ == "__main__":
    run(main)
