#!/usr/bin/env python
"""Run the whole entry on one folder of recordings:  python tools/demo.py FOLDER [--data RECORDINGS]

Simulates recordings, or takes those of --data, and splits them: four fifths of every source into a training folder, one
fifth into a folder without diagnoses, as in a hidden test. Recordings with an unreadable header are named and left out.
Then it runs the official commands, and shows each before it runs: train, run, score. Your recordings are only read;
FOLDER gets links to them.
"""

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
from ecg.cli import ALL_WELL, SOME_FAILED, Arguments, run  # noqa: E402
from ecg.data.formats.opening import find_format  # noqa: E402
from ecg.data.header import Header, read_header  # noqa: E402
from ecg.data.listing import find_recordings  # noqa: E402
from ecg.errors import EntryError, RecordError  # noqa: E402
from ecg.files import read_text  # noqa: E402
from ecg.training.folds import assign_folds  # noqa: E402

DIAGNOSES = re.compile(r"#.*\b(dx|diagnos[ei]s)\b", re.IGNORECASE)
FOLDS = 5  # the first of them is hidden


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("folder", type=Path, help="the folder for all results; an earlier demo there is replaced")
    arguments.add_argument("--data", type=Path, help="your folder of recordings (default: simulated recordings)")
    arguments.add_argument("--records", type=int, default=500, help="number of recordings to simulate (500)")
    arguments.add_argument("--recipe", default="small", help="the recipe of the training (small)")
    args = arguments.parse()

    if args.data and args.data.resolve().is_relative_to(args.folder.resolve()):
        raise EntryError(f"{args.data}: lies in {args.folder}, which the demo empties; give another folder")
    start_afresh(args.folder)
    data = args.data or args.folder / "recordings"
    if args.data is None:
        run_script("tools/simulate.py", data, "--records", args.records, "--seed", 1)
    training, hidden, labels = (args.folder / name for name in ("training_data", "test_data", "test_labels"))
    deal(data, training, hidden, labels)
    model, outputs, scores = (args.folder / name for name in ("model", "test_outputs", "scores.csv"))
    run_script("train_model.py", training, model, "--recipe", args.recipe)
    run_script("driver.py", model, hidden, outputs)
    run_script("evaluate_model.py", labels, outputs, scores, args.folder / "class_scores.csv")
    print(f"\nThe model is in {model}, the outputs in {outputs}, the scores in {scores}.")
    return ALL_WELL


def start_afresh(folder: Path) -> None:
    """Create ``folder``, or empty it if an earlier demo made it. Any other folder with content is an EntryError."""
    mark = folder / ".demo"
    if folder.exists() and any(folder.iterdir()) and not mark.exists():
        raise EntryError(f"{folder}: is not empty and not an earlier demo's; give another folder")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    mark.touch()


def deal(data: Path, training: Path, hidden: Path, labels: Path) -> None:
    """Link four fifths of the recordings of ``data`` into ``training``, the others into ``hidden`` without diagnoses.

    ``labels`` gets links to the unchanged headers of the hidden recordings.
    """
    weights = load_weights()
    headers = read_headers(data)
    if not headers:
        raise EntryError(f"{data}: no header in it can be read; give the folder that holds the recordings")
    classes = np.stack([weights.encode(header.diagnoses) for header in headers.values()])
    sources = [header.source for header in headers.values()]
    is_hidden = assign_folds(classes, sources, FOLDS, seed=0) == 0
    for folder in (training, hidden, labels):
        folder.mkdir()
    for path, hide in zip(headers, is_hidden):
        for signal in path.parent.glob(f"{path.stem}.*"):
            if signal != path:
                ((hidden if hide else training) / signal.name).symlink_to(signal.resolve())
        ((labels if hide else training) / path.name).symlink_to(path.resolve())
        if hide:
            lines = read_text(path).splitlines(keepends=True)
            (hidden / path.name).write_text("".join(line for line in lines if not DIAGNOSES.match(line)))
    print(f"{np.sum(~is_hidden)} recordings to train on, {np.sum(is_hidden)} hidden", flush=True)


def read_headers(data: Path) -> dict[Path, Header]:
    """The headers of ``data`` by their path. Unreadable ones are named on stderr and left out."""
    headers = {}
    for path in find_recordings(data, refuse=leave_out):
        try:
            if find_format(path):
                raise RecordError(f"{path}: has no header with labels")
            headers[path] = read_header(path)
        except RecordError as error:
            leave_out(error)
    return headers


def leave_out(error: RecordError) -> None:
    print(f"skipped: {error}", file=sys.stderr)


def run_script(script: str, *arguments: object) -> None:
    """Show and run one of the project's scripts. Raises EntryError if it fails as a whole."""
    words = ["python", script, *map(str, arguments)]
    print(f"\n$ {shlex.join(words)}", flush=True)
    code = subprocess.run([sys.executable, ROOT / script, *words[2:]], check=False).returncode
    if code not in (ALL_WELL, SOME_FAILED):
        raise EntryError(f"{script} ended with code {code}; see its message above")


if __name__ == "__main__":
    run(main)
