"""The log of a training: a csv with a line an epoch, to be watched while it runs."""

import csv
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from ecg.errors import EntryError
from ecg.files import read_text, write_csv

EPOCH_LOG = "epochs.csv"
COLUMNS = ("network", "epoch", "learning_rate", "loss", "challenge_metric")

History = Sequence[dict[str, float]]  # of each epoch its number and the other columns, as far as it has them


def write_epoch_log(path: Path, network: str, history: History) -> None:
    """Puts the ``history`` of ``network`` into the log at ``path``, in the place of what it said of that before.

    Of a log that somebody has damaged nothing else is kept: it is to be looked at, and no training depends on it.
    """
    histories: dict[str, History] = {}
    with FileLock(path.with_suffix(".lock")):  # networks that are trained at the same time share it
        with suppress(EntryError):
            histories |= read_epoch_log(path)
        histories[network] = history
        rows = [
            (name, *(epoch.get(column, "") for column in COLUMNS[1:]))
            for name, epochs in histories.items()
            for epoch in epochs
        ]
        write_csv(path, [COLUMNS, *rows])


def read_epoch_log(path: Path) -> dict[str, list[dict[str, float]]]:
    """The history of each network in the log at ``path``; EntryError where it is none."""
    found: dict[str, list[dict[str, float]]] = {}
    rows = list(csv.reader(read_text(path).splitlines()))
    try:
        if tuple(rows[0]) != COLUMNS:
            raise ValueError(f"its first line is {rows[0]}")
        for name, *cells in rows[1:]:
            numbers = {column: float(cell) for column, cell in zip(COLUMNS[1:], cells, strict=True) if cell}
            found.setdefault(name, []).append(numbers | {"epoch": int(numbers["epoch"])})
    except (ValueError, IndexError, KeyError) as error:
        raise EntryError(f"{path}: is no log of a training ({error})") from error
    return found
