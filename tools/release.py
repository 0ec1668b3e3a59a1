#!/usr/bin/env python
"""Make a trained model small enough to hand on:  python tools/release.py MODEL RELEASE

RELEASE gets the model's weights in half precision and its model.json, and nothing else: no recording's name or
probabilities. It is a model folder like any other: `python driver.py RELEASE DATA OUTPUTS`. Write a model card beside
it, as models/open/MODEL_CARD.md is one: what it learned from, its figures, its licence, what it must not be used for.
"""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the project's root, for a call from anywhere

from ecg.cli import ALL_WELL, Arguments, run
from ecg.errors import EntryError
from ecg.files import read_bytes, write_errors, write_whole
from ecg.model import folder as model_folder
from ecg.progress import print_line


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("model", type=Path, metavar="MODEL", help="the folder of the trained model (read only)")
    arguments.add_argument("release", type=Path, metavar="RELEASE", help="the folder for the small one")
    given = arguments.parse()
    release(given.model, given.release)
    size = sum(path.stat().st_size for path in given.release.iterdir())
    print_line(f"{size / 1e6:.1f} MB in {given.release}")
    return ALL_WELL


def release(model: Path, folder: Path) -> None:
    """The ensemble of ``model`` in half precision in ``folder``; EntryError where ``model`` is not one.

    ``folder`` must be new or empty: what is handed on is to hold nothing else.
    """
    _, _, _, members = model_folder.load_model(model)
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise EntryError(f"{folder}: is not empty; give a new folder")
    for fold, member in enumerate(members):
        tensors = {name: in_half_precision(name, tensor) for name, tensor in member.network.state_dict().items()}
        model_folder.save_tensors(model_folder.weights_file(folder, fold), tensors)
    description = read_bytes(model / "model.json", model_folder.LARGEST_DESCRIPTION)
    write_whole(folder / "model.json", lambda temporary: temporary.write_bytes(description))
    model_folder.load_model(folder)  # which refuses weights that are too large for half precision


def in_half_precision(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """``tensor`` as float16; the batch normalisations' running figures, few but large, and whole numbers stay."""
    return tensor if "running" in name or not tensor.is_floating_point() else tensor.half()


if __name__ == "__main__":
    run(main)
