#!/usr/bin/env python
"""The whole entry on one folder of recordings:  python tools/demo.py FOLDER [--data RECORDINGS]

Simulates recordings, or takes yours, and deals them into a training folder and a hidden-test-style folder without
diagnoses, a fifth of every source; what has no header that can be read is named and left out. Then it runs the official
commands, each shown before it runs: train, run, score. Your recordings are only read; FOLDER gets links to them.
"""

import argparse
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from ecg.classes import load_weights  # noqa: E402
from ecg.cli import ALL_WELL, SOME_FAILED, run  # noqa: E402
from ecg.data.header import Header, read_header  # noqa: E402
from ecg.data.listing import find_headers  # noqa: E402
from ecg.errors import EntryError, RecordError  # noqa: E402
from ecg.files import read_text  # noqa: E402
from ecg.training.folds import assign_folds  # noqa: E402

DIAGNOSES = re.compile(r"#\s*dx\s*:", re.IGNORECASE)
HIDDEN = 5  # a fifth of the recordings is hidden


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=Path, help="the folder for all the demo makes; an earlier demo's is replaced")
    arguments.add_argument("--data", type=Path, help="your folder of recordings (else they are simulated)")
    arguments.add_argument("--records", type=int, default=500, help="how many to simulate (500)")
    arguments.add_argument("--recipe", default="small", help="the recipe of the training (small)")
    given = arguments.parse_args()

    if given.data and given.data.resolve().is_relative_to(given.folder.resolve()):
        raise EntryError(f"{given.data}: lies in {given.folder}, which the demo empties; give another folder")
    start_afresh(given.folder)
    data = given.data or given.folder / "recordings"
    if given.data is None:
        command("tools/simulate.py", data, "--records", given.records, "--seed", 1)
    training, hidden, labels = (given.folder / name for name in ("training_data", "test_data", "test_labels"))
    deal(data, training, hidden, labels)
    model, outputs, scores = (given.folder / name for name in ("model", "test_outputs", "scores.csv"))
    command("train_model.py", training, model, "--recipe", given.recipe)
    command("driver.py", model, hidden, outputs)
    command("evaluate_model.py", labels, outputs, scores, given.folder / "class_scores.csv")
    print(f"\nThe model is in {model}, the outputs in {outputs}, the scores in {scores}.")
    return ALL_WELL


def start_afresh(folder: Path) -> None:
    """An empty ``folder``. Only a folder that an earlier demo made is emptied."""
    mark = folder / ".demo"
    if folder.exists() and any(folder.iterdir()) and not mark.exists():
        raise EntryError(f"{folder}: is not empty and not an earlier demo's; give another folder")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    mark.touch()


def deal(data: Path, training: Path, hidden: Path, labels: Path) -> None:
    """Links of the recordings of ``data``: four fifths in ``training``; the rest in ``hidden``, without diagnoses.

    ``labels`` gets the hidden recordings' headers as they are.
    """
    weights = load_weights()
    found = {path: header_of(path) for path in find_headers(data, refuse=leave_out)}
    headers = [path for path, header in found.items() if header]
    if not headers:
        raise EntryError(f"{data}: no header in it can be read; give the folder that holds the recordings")
    parsed = [found[path] for path in headers]
    known = np.stack([weights.encode(header.diagnoses) for header in parsed])
    fold_of = assign_folds(known, [header.source for header in parsed], HIDDEN, seed=0)
    for folder in (training, hidden, labels):
        folder.mkdir()
    for path, fold in zip(headers, fold_of):
        here = training if fold else hidden
        for signal in path.parent.glob(f"{path.stem}.*"):
            if signal != path:
                (here / signal.name).symlink_to(signal.resolve())
        (training if fold else labels).joinpath(path.name).symlink_to(path.resolve())
        if not fold:
            lines = read_text(path).splitlines(keepends=True)
            (hidden / path.name).write_text("".join(line for line in lines if not DIAGNOSES.match(line)))
    print(f"{np.count_nonzero(fold_of)} recordings to learn from, {np.count_nonzero(fold_of == 0)} hidden", flush=True)


def header_of(path: Path) -> Header | None:
    try:
        return read_header(path)
    except RecordError as error:
        leave_out(error)


def leave_out(error: RecordError) -> None:
    print(f"left out: {error}", file=sys.stderr)


def command(script: str, *arguments) -> None:
    """Runs one of the project's scripts and shows the command; ends the demo where it fails altogether."""
    words = ["python", script, *map(str, arguments)]
    print(f"\n$ {shlex.join(words)}", flush=True)
    code = subprocess.run([sys.executable, ROOT / script, *words[2:]], check=False).returncode
    if code not in (ALL_WELL, SOME_FAILED):
        raise EntryError(f"{script} ended with code {code}; its own message stands above")


if __name__ == "__main__":
    run(main)
