#!/usr/bin/env python
"""What a whole folder costs, from 1,000 recordings to 43,101, and so to millions:  python benchmarks/growth.py

Simulated recordings (2,000 different ones, of 6 s to 1 min; hard links to them) are trained on for one epoch, run and
scored, each by its script. Time, the memory that is the processes' own and the disk that a training takes for itself
are measured; the straight line through the two largest folders says what more recordings would take.
"""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.material import link  # noqa: E402
from benchmarks.measuring import processor_name, watched  # noqa: E402
from ecg.simulation.dataset import simulate_folder  # noqa: E402

RECORDINGS = (1_000, 8_000, 43_101)  # the last: all of the Challenge's training data
MORE = (800_000, 10_000_000)  # as MIMIC-IV-ECG has, and ten hospitals like it
DIFFERENT = 2_000
TRAINING = ("--recipe", "small", "--folds", 2, "--epochs", 1, "--simulated", 0)
HEADS = ("recordings", "training, s", "MB", "on disk, MB", "running, s", "MB", "on disk, MB", "scoring, s", "MB")


def main() -> None:
    print(processor_name())
    print(row("{}", HEADS) + "\n" + row("{}", ["---"] * len(HEADS)))
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        originals = simulate_folder(place / "originals", DIFFERENT, seed=1)
        measured = []
        for records in RECORDINGS:
            link(originals, place / str(records), records)
            measured.append(
                [records, *costs(place / str(records), place / f"{records} model", place / f"{records} out")]
            )
            print(row("{:,.0f}", measured[-1]), flush=True)
    small, large = measured[-2:]
    for records in MORE:
        further = (records - large[0]) / (large[0] - small[0])
        print(row("{:,.0f}", [b + (b - a) * further for a, b in zip(small, large)]))


def costs(data: Path, model: Path, outputs: Path) -> list[float]:
    """Of training, running and scoring the seconds and the MB; of the first two also the MB on disk."""
    trained = watched(["train_model.py", data, model, *TRAINING], model)
    ran = watched(["driver.py", model, data, outputs], outputs)
    scored = watched(["evaluate_model.py", data, outputs], outputs)
    return [*trained, *ran, *scored[:2]]


def row(form: str, cells: list) -> str:
    return "| " + " | ".join(form.format(cell) for cell in cells) + " |"


if __name__ == "__main__":
    main()
