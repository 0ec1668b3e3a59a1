"""The epoch log: a csv with one line per epoch, readable while the training runs."""

import csv
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from ecg.errors import EntryError
from ecg.files import read_text, write_csv
from ecg.recipe import Recipe

EPOCH_LOG = "epochs.csv"
COLUMNS = ("network", "epoch", "learning_rate", "loss", "challenge_metric")

EpochFigures = dict[str, float]  # an epoch's number and its values of the other columns, as far as they exist


def write_epoch_log(path: Path, network: str, history: Sequence[EpochFigures]) -> None:
    """Replace the lines of ``network`` in the log at ``path`` by ``history``.

    A damaged log is overwritten, because no training depends on it.
    """
    histories: dict[str, Sequence[EpochFigures]] = {}
    with FileLock(path.with_suffix(".lock")):  # processes that train at the same time share the log
        with suppress(EntryError):
            histories |= read_epoch_log(path)
        histories[network] = history
        rows = [
            (name, *(epoch.get(column, "") for column in COLUMNS[1:]))
            for name, epochs in histories.items()
            for epoch in epochs
        ]
        write_csv(path, [COLUMNS, *rows])


def read_epoch_log(path: Path) -> dict[str, list[EpochFigures]]:
    """The history of each network in the log at ``path``; EntryError if it is damaged."""
    histories: dict[str, list[EpochFigures]] = {}
    rows = list(csv.reader(read_text(path).splitlines()))
    try:
        if tuple(rows[0]) != COLUMNS:
            raise ValueError(f"its first line is {rows[0]}")
        for name, *cells in rows[1:]:
            numbers = {column: float(cell) for column, cell in zip(COLUMNS[1:], cells, strict=True) if cell}
            histories.setdefault(name, []).append(numbers | {"epoch": int(numbers["epoch"])})
    except (ValueError, IndexError, KeyError) as error:
        raise EntryError(f"{path}: is not the log of a training ({error}); remove the file") from error
    return histories


def format_epoch(title: str, recipe: Recipe, history: Sequence[EpochFigures], rate: float) -> str:
    """The line about the last epoch of ``history``, which ran at ``rate`` recordings/s.

    The best Challenge metric so far is named only if the recipe keeps the network of the best epoch.
    """
    figures = history[-1]
    parts = [title, f"epoch {figures['epoch']:2d}/{recipe.epochs}", f"loss {figures['loss']:.4f}"]
    if "challenge_metric" in figures:
        best = f" (best {max(epoch['challenge_metric'] for epoch in history):.3f})" if recipe.keep == "best" else ""
        parts.append(f"Challenge metric {figures['challenge_metric']:6.3f}{best}")
    return "  ".join([*parts, f"{rate:.0f} recordings/s"])
