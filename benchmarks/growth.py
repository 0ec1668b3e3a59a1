#!/usr/bin/env python
"""Measure time, memory and disk use of whole folders, and extrapolate them:  python benchmarks/growth.py

Simulates 2,000 recordings of 6 s to 1 min and fills folders of 1,000 to 43,101 recordings with hard links to them. The
scripts train on each folder for one epoch, run it and score it. Memory is that of a script's processes without mapped
files. Disk use is that of the training while it runs, and that of the outputs. The last rows extrapolate the two
largest folders linearly.
"""

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measuring import processor_name, watch
from ecg.cli import ALL_WELL, Arguments, run
from ecg.simulation.dataset import simulate_folder

NUMBERS = (1_000, 8_000, 43_101)  # the last: all of the Challenge's training data
EXTRAPOLATED = (800_000, 10_000_000)  # the size of MIMIC-IV-ECG, and of ten hospitals like it
DIFFERENT = 2_000
TRAINING = ("--recipe", "small", "--folds", 2, "--epochs", 1, "--simulated", 0)
COLUMNS = ("recordings", "training, s", "MB", "on disk, MB", "running, s", "MB", "on disk, MB", "scoring, s", "MB")


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("--shrink", type=int, default=1, metavar="K", help="measure folders 1/K as large (1)")
    shrink = arguments.parse().shrink
    from benchmarks.material import link_recordings  # after the arguments, so that --help is fast

    print(processor_name())
    print_row(COLUMNS)
    print_row(["---"] * len(COLUMNS))
    measured = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        originals = simulate_folder(folder / "originals", DIFFERENT // shrink, seed=1)
        for number in NUMBERS:
            number //= shrink
            link_recordings(originals, folder / str(number), number)
            costs = measure(folder / str(number), folder / f"{number} model", folder / f"{number} outputs")
            measured.append([number, *costs])
            print_row(f"{value:,.0f}" for value in measured[-1])
    small, large = measured[-2:]
    for number in EXTRAPOLATED:
        factor = (number - large[0]) / (large[0] - small[0])
        print_row(f"{b + (b - a) * factor:,.0f}" for a, b in zip(small, large))
    return ALL_WELL


def measure(data: Path, model: Path, outputs: Path) -> list[float]:
    """Seconds, MB of memory and MB on disk of training and of running; seconds and MB of memory of scoring."""
    training = watch(["train_model.py", data, model, *TRAINING], model)
    running = watch(["driver.py", model, data, outputs], outputs)
    seconds, memory, _ = watch(["evaluate_model.py", data, outputs], outputs)
    return [*training, *running, seconds, memory]


def print_row(cells: Iterable[str]) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    run(main)
