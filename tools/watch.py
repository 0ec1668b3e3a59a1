#!/usr/bin/env python
"""Watch a training, or look back at one:  python tools/watch.py MODEL training.html

Writes a page with the curves of every network, epoch by epoch, and of a training that is done the folds' scores and
thresholds. While the training runs the page loads itself anew every half minute; this command writes it until the
training is done (Ctrl-C ends it, and harms nothing), or once with --once.
"""

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the project's root, for a call from anywhere

from ecg.checkpoint import workplace
from ecg.cli import ALL_WELL, Arguments, run
from ecg.errors import EntryError
from ecg.history import LOG, read_log
from ecg.records import read_text
from ecg.scoring import ABBREVIATIONS

EVERY = 30  # s


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("model", type=Path, help="the model folder that is trained into")
    arguments.add_argument("page", type=Path, help="the page to write")
    arguments.add_argument("--once", action="store_true", help="write it once, though the training goes on")
    given = arguments.parse()
    while not look(given.model, given.page) and not given.once:
        time.sleep(EVERY)
    print(given.page)
    return ALL_WELL


def look(model: Path, page: Path) -> bool:
    """Writes the page of the training in ``model`` as it stands; whether it is done."""
    from ecg.report.page import write_page

    running = workplace(model) / LOG
    log = running if running.exists() else model / LOG
    if not log.exists():
        raise EntryError(f"{model}: no training to be seen there ({LOG} is missing); give its model folder")
    done = log != running
    told = json.loads(read_text(model / "model.json")) if done else {"folds": [], "cross_validation": {}}
    history = {name: epochs for name, epochs in read_log(log).items() if epochs}
    write_page(
        page,
        "training.html",
        model=model.name,
        every=None if done else EVERY,
        history=history,
        highest={
            column: max(
                (epoch[column] for epochs in history.values() for epoch in epochs if column in epoch), default=1
            )
            for column in ("loss", "challenge_metric", "epoch")
        },
        names=[ABBREVIATIONS.get(code, code) for code in told.get("classes", [])],
        folds=told["folds"],
        ways=told["cross_validation"],
    )
    return done


if __name__ == "__main__":
    run(main)
