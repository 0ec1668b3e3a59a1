#!/usr/bin/env python
"""Measure how time and memory grow with the size of a folder:  python benchmarks/scale.py

Builds the store of the training, and opens it again, for up to 43,101 recordings of noise (10 s, 500 Hz; hard links to
2,000 different ones, 250 MB) and for recordings of 30 minutes, each in its own process. Memory is the peak of that
process and of the largest of its workers. Then runs the driver on a folder of mixed lengths, as a hidden test may be,
and on one recording of 24 hours; and trains for one epoch on the mixed folder.
"""

import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measuring import peak_memory, processor_name, time_call
from ecg.cli import ALL_WELL, Arguments, run
from ecg.data.listing import find_recordings
from ecg.recipe import RECIPES

NUMBERS = (1_000, 4_000, 16_000, 43_101)  # the last: all of the Challenge's training data
DIFFERENT = 2_000
LONG = 48  # recordings of 30 minutes
MIXED = {10: 1_800, 30: 100, 60: 80, 1800: 20}  # seconds: recordings; the Challenge's longest last 30 minutes
DAY = 24 * 3600  # seconds
HIDDEN = 16_630  # recordings of the Challenge's hidden test


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument(
        "--shrink", type=int, default=1, metavar="K", help="measure 1/K of the recordings, and 1/K of the 24 hours (1)"
    )
    shrink = arguments.parse().shrink
    from benchmarks.material import link_recordings, write_recordings  # after the arguments, so that --help is fast

    print(processor_name())
    columns = ("recordings", "built, s", "a second", "again, s", "MB", "worker, MB")
    print("{:10s} {:>12s} {:>9s} {:>9s} {:>9s} {:>5s} {:>11s}".format("recipe", *columns))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        originals = write_recordings(folder / "originals", DIFFERENT // shrink)
        data = []
        for number in NUMBERS:
            data.append(folder / str(number))
            link_recordings(originals, data[-1], number // shrink)
        write_recordings(folder / "long", max(LONG // shrink, 1), seconds=1800)
        for recipe in ("published", "best"):
            for recordings in (*data, folder / "long"):
                print_store(recordings, folder / "stores" / recipe / recordings.name, recipe)
        run_scripts(folder, originals, shrink)
    return ALL_WELL


def print_store(data: Path, store: Path, recipe: str) -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        number, built, again, memory, workers = process.submit(measure_store, data, store, recipe).result()
    title = f"{number} of 30 min" if data.name == "long" else f"{number:,}"
    figures = f"{built:9.1f} {number / built:9.0f} {again:9.2f} {memory:5.0f} {workers:11.0f}"
    print(f"{recipe:10s} {title:>12s} {figures}", flush=True)


def measure_store(data: Path, store: Path, recipe: str) -> tuple[int, float, float, float, float]:
    """The number of recordings; seconds to build the store and to open it; peak MB of this process and of a worker."""
    from joblib.externals.loky import get_reusable_executor

    from benchmarks.material import WEIGHTS
    from ecg.training.store import open_store

    headers = find_recordings(data)
    built, again = (time_call(lambda: open_store(headers, store, WEIGHTS, RECIPES[recipe])) for _ in range(2))
    get_reusable_executor().shutdown(wait=True)
    memory, workers = (
        resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return len(headers), built, again, memory, workers


def run_scripts(folder: Path, originals: list[Path], shrink: int) -> None:
    """Run the driver with an untrained ensemble of `best`, then an epoch of a training."""
    from benchmarks.material import link_recordings, write_model, write_recordings
    from ecg.model.compute import pick_compute

    write_model(folder / "model", RECIPES["best"], pick_compute())
    mixed = folder / "mixed"
    numbers = {seconds: max(number // shrink, 1) for seconds, number in MIXED.items()}
    link_recordings(originals, mixed, numbers.pop(10))
    for seconds, number in numbers.items():
        write_recordings(folder / f"{seconds} s", number, seconds=seconds)
        for path in (folder / f"{seconds} s").iterdir():
            path.rename(mixed / f"L{seconds}-{path.name}")
    write_recordings(folder / "day", 1, seconds=DAY / shrink)
    number = len(find_recordings(mixed))
    for title, data in (
        (f"{number:,} recordings of 10 s to 30 min", mixed),
        (f"1 recording of {DAY / shrink / 3600:.3g} hours", folder / "day"),
    ):
        started = time.monotonic()
        memory = peak_memory("driver.py", folder / "model", data, folder / f"{data.name} outputs")
        duration = time.monotonic() - started
        print(f"driver.py, best: {title}: {duration:.0f} s, {memory:.0f} MB at the peak", flush=True)
        if data is mixed:
            print(f"    {HIDDEN:,} such: {duration * HIDDEN / number / 3600:.1f} hours")
    training = ["train_model.py", mixed, folder / "trained", "--folds", 2, "--epochs", 1, "--simulated", 0]
    print(f"train_model.py, best, 2 folds of 1 epoch: {peak_memory(*training):.0f} MB at the peak")


if __name__ == "__main__":
    run(main)
