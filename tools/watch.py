#!/usr/bin/env python
"""Watch a training, or look back at one:  python tools/watch.py MODEL training.html

Writes a page with the curves of every network, epoch by epoch. Losses in pretraining on simulated recordings have a
chart of their own. While the training runs, the page shows the time left and reloads every half minute, and this
command rewrites it until the training ends. After the training it also shows the scores and thresholds of the folds.
Ctrl-C ends this command without harm to the training. --once writes the page once.
"""

import re
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the project's root, so that any folder can call it

from ecg.classes import abbreviation, clinical_rank, full_name
from ecg.cli import ALL_WELL, Arguments, run
from ecg.model.description import read_description
from ecg.training.epoch_log import EPOCH_LOG, EpochFigures, read_epoch_log
from ecg.training.time_left import format_time_left, read_time_left
from ecg.training.work_dir import is_training, work_dir_of

RELOAD_SECONDS = 30
CHARTS = (  # the kind of network in the epoch log, its column, title and note
    (
        "fold",
        "challenge_metric",
        "Challenge metric on the held-out fold",
        "One threshold for all classes. It shows how the training progresses; as an estimate of the score it may be "
        "too high or too low.",
    ),
    (
        "fold",
        "loss",
        "Loss on the training recordings",
        "Binary cross-entropy, mean over an epoch. It includes the simulated recordings that the recipe replays.",
    ),
    (
        "simulated",
        "loss",
        "Loss in pretraining, on simulated recordings only",
        "Binary cross-entropy, mean over an epoch. These losses are not comparable with those on real recordings.",
    ),
)


def main() -> int:
    parser = Arguments(__doc__)
    parser.add_argument("model", type=Path, help="the model folder of the training")
    parser.add_argument("page", type=Path, help="the page to write")
    parser.add_argument("--once", action="store_true", help="write the page once, even if the training is running")
    args = parser.parse()
    while write_training_page(args.model, args.page) and not args.once:
        time.sleep(RELOAD_SECONDS)
    print(args.page)
    return ALL_WELL


def write_training_page(model: Path, page: Path) -> bool:
    """Write the page of the training in ``model`` as it is now. Returns True if the training is running."""
    from ecg.report.page import write_page  # needs requirements-report.txt

    running, unfinished_log = is_training(model), work_dir_of(model) / EPOCH_LOG
    description: dict[str, Any] = {
        "folds": [],
        "cross_validation": {},
        "classes": [],
        "recipe": {"challenge_labels": "vote"},
    }
    if running or unfinished_log.exists():
        history = read_epoch_log(unfinished_log) if unfinished_log.exists() else {}
    else:
        description = read_description(model).as_json()
        history = {f"fold-{number}": fold.get("history", []) for number, fold in enumerate(description["folds"], 1)}
        if (model / EPOCH_LOG).exists():
            history = read_epoch_log(model / EPOCH_LOG)
    time_left = read_time_left(work_dir_of(model)) if running else None
    classes = description["classes"]
    write_page(
        page,
        "training.html",
        model=model.name,
        state="running" if running else "interrupted" if unfinished_log.exists() else "done",
        time_left=None if time_left is None else format_time_left(time_left),
        now=time.strftime("%H:%M"),
        reload_seconds=RELOAD_SECONDS,
        history=history,
        charts=[chart for chart in (make_chart(history, *kind) for kind in CHARTS) if chart["networks"]],
        classes=[
            (full_name(classes[k]), abbreviation(classes[k]), k)
            for k in sorted(range(len(classes)), key=lambda k: clinical_rank(classes[k]))
        ],
        decides_by_thresholds=description["recipe"]["challenge_labels"] == "vote",
        folds=description["folds"],
        cross_validation=description["cross_validation"],
    )
    return running


def make_chart(history: dict[str, list[EpochFigures]], kind: str, column: str, title: str, note: str) -> dict[str, Any]:
    """The curves of ``column`` over the epochs of all networks of one kind, and the ranges of the axes."""
    networks = {}
    for name, epochs in history.items():
        network = re.fullmatch(rf"{kind}-(\d+)", name)
        points = [(epoch["epoch"], epoch[column]) for epoch in epochs if column in epoch]
        if network and points:
            networks[int(network[1])] = points
    values = [value for points in networks.values() for _, value in points]
    return {
        "title": title,
        "note": note,
        "networks": dict(sorted(networks.items())),
        "last_epoch": max((points[-1][0] for points in networks.values()), default=1),
        "lowest": min(0.0, *values, 0.0),
        "highest": max(*values, 1e-9, 0.0),
    }


if __name__ == "__main__":
    run(main)
