#!/usr/bin/env python
"""Watch a training, or look back at one:  python tools/watch.py MODEL training.html

Writes a page with the curves of every network, epoch by epoch. After the training the page also shows the scores and
thresholds of the folds. While the training runs, the page reloads every half minute, and this command rewrites it
until the training ends. Ctrl-C ends this command without harm to the training. --once writes the page once.
"""

import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the project's root, so that any folder can call it

from ecg.classes import abbreviation
from ecg.cli import ALL_WELL, Arguments, run
from ecg.model.folder import read_description
from ecg.training.checkpoint import is_training, work_dir_of
from ecg.training.epoch_log import EPOCH_LOG, read_epoch_log

RELOAD_SECONDS = 30


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
    description: dict[str, Any] = {"folds": [], "cross_validation": {}, "classes": []}
    if running or unfinished_log.exists():
        history = read_epoch_log(unfinished_log) if unfinished_log.exists() else {}
    else:
        description = read_description(model).as_json()
        history = {f"fold-{number}": fold.get("history", []) for number, fold in enumerate(description["folds"], 1)}
        if (model / EPOCH_LOG).exists():
            history = read_epoch_log(model / EPOCH_LOG)
    all_epochs = [epoch for epochs in history.values() for epoch in epochs]
    write_page(
        page,
        "training.html",
        model=model.name,
        state="running" if running else "interrupted" if unfinished_log.exists() else "done",
        reload_seconds=RELOAD_SECONDS,
        history={name: epochs for name, epochs in history.items() if epochs},
        highest={
            column: max((epoch[column] for epoch in all_epochs if column in epoch), default=1)
            for column in ("loss", "challenge_metric", "epoch")
        },
        names=[abbreviation(code) for code in description["classes"]],
        folds=description["folds"],
        cross_validation=description["cross_validation"],
    )
    return running


if __name__ == "__main__":
    run(main)
