#!/usr/bin/env python
"""How the store's time and memory grow with the folder:  python benchmarks/scale.py

Folders of up to 43,101 recordings of noise (10 s, 500 Hz; hard links to 2,000 different ones, 250 MB), and one of
recordings of 30 minutes. Each store is built in a process of its own, and opened again. The memory is the peak of that
process and of the largest of its workers.
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

from benchmarks.material import CLASSES, write_recordings  # noqa: E402
from benchmarks.measuring import processor_name, timed  # noqa: E402
from ecg.recipe import RECIPES  # noqa: E402
from ecg.records import find_records  # noqa: E402
from ecg.store import open_store  # noqa: E402

RECORDINGS = (1_000, 4_000, 16_000, 43_101)  # the last: all of the Challenge's training data
DIFFERENT = 2_000
LONG = 48  # recordings of 30 minutes


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


def link(originals: list[Path], folder: Path, records: int) -> None:
    """``records`` recordings in ``folder``, in turn hard links to the ``originals``."""
    folder.mkdir()
    for i in range(records):
        for suffix in (".hea", ".mat"):
            (folder / f"HR{i:06d}{suffix}").hardlink_to(originals[i % len(originals)].with_suffix(suffix))


def line(data: Path, store: Path, recipe: str) -> str:
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        records, built, again, own, workers = process.submit(measure, data, store, recipe).result()
    what = f"{records} of 30 min" if data.name == "long" else f"{records:,}"
    return f"{what:>12s} {built:9.1f} {records / built:9.0f} {again:9.2f} {own:5.0f} {workers:11.0f}"


def measure(data: Path, store: Path, recipe: str) -> tuple[int, float, float, float, float]:
    """Recordings; seconds to build the store and to open it again; peak memory here and in a worker, in MB."""
    headers = find_records(data)
    built, again = (timed(lambda: open_store(headers, store, CLASSES, RECIPES[recipe])) for _ in range(2))
    get_reusable_executor().shutdown(wait=True)
    own, workers = (
        resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return len(headers), built, again, own, workers


if __name__ == "__main__":
    main()
