#!/usr/bin/env python
"""Make a trained model small enough to distribute:  python tools/release.py MODEL RELEASE

RELEASE gets the model's weights in half precision, its model.json and weights.csv, and nothing else: no recording's
name and no predictions. It is a model folder like any other: python driver.py RELEASE DATA OUTPUTS. Write a model card
beside it, as models/open/MODEL_CARD.md is one: training data, figures, licence, and what the model must not be used
for.
"""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the project's root, for a call from anywhere

from ecg.classes import write_weights
from ecg.cli import ALL_WELL, Arguments, run
from ecg.errors import EntryError
from ecg.files import write_errors, write_json
from ecg.model.compute import pick_compute
from ecg.model.description import DESCRIPTION
from ecg.model.folder import MODEL_WEIGHTS, network_file, read_model, read_weights
from ecg.model.tensors import save_tensors
from ecg.progress import print_line


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("model", type=Path, metavar="MODEL", help="the folder of the trained model (read only)")
    arguments.add_argument("release", type=Path, metavar="RELEASE", help="the folder for the small model")
    args = arguments.parse()
    release(args.model, args.release)
    size = sum(path.stat().st_size for path in args.release.iterdir())
    print_line(f"{size / 1e6:.1f} MB in {args.release}")
    return ALL_WELL


def release(source: Path, folder: Path) -> None:
    """Write the ensemble in ``source`` to ``folder`` in half precision.

    Raises EntryError if ``source`` is not a model, or ``folder`` is not empty: a release must hold nothing else.
    """
    compute = pick_compute("cpu", float32=True)
    model = read_model(source, compute)
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise EntryError(f"{folder}: is not empty; give a new folder")
    for fold, network in enumerate(model.networks):
        tensors = {name: to_half_precision(name, tensor) for name, tensor in network.state_dict().items()}
        save_tensors(network_file(folder, fold), tensors)
    if (source / MODEL_WEIGHTS).exists():
        write_weights(folder / MODEL_WEIGHTS, read_weights(source, model.classes))
    write_json(folder / DESCRIPTION, model.description.as_json())
    read_model(folder, compute)  # refuses weights that are too large for half precision


def to_half_precision(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """``tensor`` as float16. Integers and the running statistics of batch normalisation, few but large, stay."""
    return tensor if "running" in name or not tensor.is_floating_point() else tensor.half()


if __name__ == "__main__":
    run(main)
