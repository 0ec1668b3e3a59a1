#!/usr/bin/env python
"""Watch a training, or look back at one:  python tools/watch.py MODEL training.html

Writes a page with the curves of every network, epoch by epoch, and of a training that is done the folds' scores and
thresholds. While the training runs the page loads itself anew every half minute; this command writes it until the
training is done (Ctrl-C ends it, and harms nothing), or once with --once.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the project's root, for a call from anywhere

from ecg.classes import abbreviation
from ecg.cli import ALL_WELL, Arguments, run
from ecg.model.folder import read_description
from ecg.training.checkpoint import is_training, work_dir_of
from ecg.training.epoch_log import EPOCH_LOG, read_epoch_log

EVERY = 30  # s


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("model", type=Path, help="the model folder that is trained into")
    arguments.add_argument("page", type=Path, help="the page to write")
    arguments.add_argument("--once", action="store_true", help="write it once, though the training goes on")
    given = arguments.parse()
    while look(given.model, given.page) and not given.once:
        time.sleep(EVERY)
    print(given.page)
    return ALL_WELL


def look(model: Path, page: Path) -> bool:
    """Writes the page of the training in ``model`` as it stands; whether one is running there."""
    from ecg.report.page import write_page

    running, unfinished = is_training(model), work_dir_of(model) / EPOCH_LOG
    told: dict = {"folds": [], "cross_validation": {}, "classes": []}
    if running or unfinished.exists():
        history = read_epoch_log(unfinished) if unfinished.exists() else {}
    else:
        told = read_description(model).as_json()
        history = {f"fold-{fold}": one.get("history", []) for fold, one in enumerate(told["folds"], 1)}
        if (model / EPOCH_LOG).exists():
            history = read_epoch_log(model / EPOCH_LOG)
    every_epoch = [epoch for epochs in history.values() for epoch in epochs]
    write_page(
        page,
        "training.html",
        model=model.name,
        state="running" if running else "interrupted" if unfinished.exists() else "done",
        every=EVERY,
        history={name: epochs for name, epochs in history.items() if epochs},
        highest={
            column: max((epoch[column] for epoch in every_epoch if column in epoch), default=1)
            for column in ("loss", "challenge_metric", "epoch")
        },
        names=[abbreviation(code) for code in told["classes"]],
        folds=told["folds"],
        ways=told["cross_validation"],
    )
    return running


if __name__ == "__main__":
    run(main)
