"""The table of a hospital's known frequencies: one line for each class, its name and frequency."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecg.classes import find_class, full_name
from ecg.errors import EntryError
from ecg.files import read_cells

LARGEST = 1 << 20  # bytes
PERCENT = re.compile(r"%|per ?cent|prozent|pour ?cent|por ?cento|por ciento", re.IGNORECASE)
NUMBER = re.compile(r"([-+]?[\d.,]+(?:e-?\d+)?)\s*(%?)", re.IGNORECASE)


def read_frequencies(path: Path, classes: Sequence[str]) -> np.ndarray:
    """The frequency of each class (classes,), NaN if the csv does not name it.

    Semicolons, tabs or commas separate the cells. A frequency is 0.08, 0,08 (in its own cell) or 8 %. A first line that
    names the columns is skipped; if it says percent, 8 means 0.08. Raises EntryError for other content.
    """
    frequencies = np.full(len(classes), np.nan)
    unit = 1
    for number, row in enumerate(read_cells(path, LARGEST, ";\t,")):
        line = ",".join(row)
        if len(row) > 2 and any(row[2:]):
            advice = "write 0.08, or separate by semicolons" if len(row) == 3 else "write lines such as AF,0.08"
            raise EntryError(f"{path}: {line:.100}: has more than a class and a frequency; {advice}")
        value = _frequency(row[1]) if len(row) > 1 else None
        if value is None:
            if number == 0 and len(row) > 1 and not _is_class(row[0], classes):  # the names of the columns
                unit = 100 if PERCENT.search(row[1]) else 1
                continue
            raise EntryError(f"{path}: {line:.100}: is not class,frequency")
        if "%" not in row[1]:
            value /= unit
        if not 0 <= value <= 1:
            raise EntryError(f"{path}: {row[0]}: {value:g} is no frequency from 0 to 1 (0.08 or 8 % for 8 %)")
        try:
            column = find_class(classes, row[0])
        except EntryError as error:
            raise EntryError(f"{path}: {error}") from error
        if not np.isnan(frequencies[column]):
            raise EntryError(f"{path}: names {full_name(classes[column])} twice")
        frequencies[column] = value
    if np.isnan(frequencies).all():
        raise EntryError(f"{path}: names no class; write lines such as AF,0.08")
    return frequencies


def _is_class(name: str, classes: Sequence[str]) -> bool:
    try:
        find_class(classes, name)
    except EntryError:
        return False
    return True


def _frequency(text: str) -> float | None:
    """ "0.08", "0,08" or "8 %"; None for other text."""
    match = NUMBER.fullmatch(text)
    try:
        value = float(match.group(1).replace(",", ".")) if match else float(text)
    except ValueError:
        return None
    return value / 100 if match and match.group(2) else value
