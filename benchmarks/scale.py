#!/usr/bin/env python
"""How time and memory grow with the folder:  python benchmarks/scale.py

The store: of up to 43,101 recordings of noise (10 s, 500 Hz; hard links to 2,000 different ones, 250 MB), and of
recordings of 30 minutes; each built in a process of its own, and opened again. The memory is the peak of that process
and of the largest of its workers. Then the driver on a folder as mixed as a hidden test may be, an epoch of a training
on it, and one recording of 24 hours, each as its script.
"""

import resource
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from joblib.externals.loky import get_reusable_executor

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.material import CLASSES, link, write_model, write_recordings  # noqa: E402
from benchmarks.measuring import peak_memory, processor_name, timed  # noqa: E402
from ecg.data.listing import find_headers  # noqa: E402
from ecg.model.compute import pick_compute  # noqa: E402
from ecg.recipe import RECIPES  # noqa: E402
from ecg.training.store import open_store  # noqa: E402

RECORDINGS = (1_000, 4_000, 16_000, 43_101)  # the last: all of the Challenge's training data
DIFFERENT = 2_000
LONG = 48  # recordings of 30 minutes
MIXED = {
    10: 1_800,
    30: 100,
    60: 80,
    1800: 20,
}  # seconds, and recordings so long; the Challenge's longest are 30 minutes
HIDDEN = 16_630  # recordings of the Challenge's hidden test


def main() -> None:
    print(processor_name())
    heads = ("recordings", "built, s", "a second", "again, s", "MB", "worker, MB")
    print(f"{'recipe':10s} {'{:>12s} {:>9s} {:>9s} {:>9s} {:>5s} {:>11s}'.format(*heads)}")
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        originals = write_recordings(place / "originals", DIFFERENT)
        for records in RECORDINGS:
            link(originals, place / str(records), records)
        write_recordings(place / "long", LONG, seconds=1800)
        for recipe in ("published", "best"):
            for folder in (*map(str, RECORDINGS), "long"):
                print(f"{recipe:10s} {line(place / folder, place / 'store' / recipe / folder, recipe)}", flush=True)
        scripts(place)


def line(data: Path, store: Path, recipe: str) -> str:
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        records, built, again, own, workers = process.submit(measure, data, store, recipe).result()
    what = f"{records} of 30 min" if data.name == "long" else f"{records:,}"
    return f"{what:>12s} {built:9.1f} {records / built:9.0f} {again:9.2f} {own:5.0f} {workers:11.0f}"


def measure(data: Path, store: Path, recipe: str) -> tuple[int, float, float, float, float]:
    """Recordings; seconds to build the store and to open it again; peak memory here and in a worker, in MB."""
    headers = find_headers(data)
    built, again = (timed(lambda: open_store(headers, store, CLASSES, RECIPES[recipe])) for _ in range(2))
    get_reusable_executor().shutdown(wait=True)
    own, workers = (
        resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return len(headers), built, again, own, workers


def scripts(place: Path) -> None:
    """The driver, with an untrained ensemble of `best`, and the training's first epoch of its first fold."""
    write_model(place / "model", RECIPES["best"], pick_compute())
    mixed = place / "mixed"
    link(find_headers(place / "originals")[: sum(MIXED.values())], mixed, MIXED[10])
    for seconds, records in list(MIXED.items())[1:]:
        write_recordings(place / f"{seconds} s", records, seconds=seconds)
        for path in (place / f"{seconds} s").iterdir():
            path.rename(mixed / f"L{seconds}-{path.name}")
    write_recordings(place / "day", 1, seconds=24 * 3600)
    records = sum(MIXED.values())
    for what, data in (
        (f"{records:,} recordings of 10 s to 30 min", mixed),
        ("1 recording of 24 hours", place / "day"),
    ):
        megabytes = 0.0

        def work(data=data) -> None:
            nonlocal megabytes
            megabytes = peak_memory(script=["driver.py", place / "model", data, place / f"{data.name} outputs"])

        seconds = timed(work)
        print(f"driver.py, best: {what}: {seconds:.0f} s, {megabytes:.0f} MB at the peak", flush=True)
        if data is mixed:
            print(f"    {HIDDEN:,} such: {seconds * HIDDEN / records / 3600:.1f} hours")
    training = ["train_model.py", mixed, place / "trained", "--folds", 2, "--epochs", 1, "--simulated", 0]
    print(f"train_model.py, best, 2 folds of 1 epoch: {peak_memory(script=training):.0f} MB at the peak")


if __name__ == "__main__":
    main()
