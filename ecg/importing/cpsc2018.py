"""CPSC 2018 as it is published (Liu et al., J Med Imaging Health Inform 2018, doi 10.1166/jmihi.2018.2442).

REFERENCE.csv gives each recording up to three of nine labels. Its signal is a MATLAB struct ``ECG`` with the fields
``sex``, ``age`` and ``data``, mV, 12 leads at 500 Hz. The codes are those of the Challenge's A records, which
have 918, 1221, 722, 236, 1857, 616, 700, 869 and 220 of them; ventricular ectopics, ST depression and ST elevation
are not scored.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecg.data.matlab import read_struct
from ecg.data.record import LARGEST_SIGNAL, LEADS
from ecg.errors import EntryError, RecordError
from ecg.files import LARGEST_TEXT, is_inside, read_bytes, read_csv
from ecg.importing.importer import Recording, Source, plain_name

TABLE = "REFERENCE.csv"
COLUMNS = ("Recording", "First_label", "Second_label", "Third_label")
RATE = 500.0  # Hz
CODES = {
    "1": "426783006",  # normal
    "2": "164889003",  # atrial fibrillation
    "3": "270492004",  # 1st degree AV block
    "4": "164909002",  # left bundle branch block
    "5": "59118001",  # right bundle branch block, scored as the complete one
    "6": "284470004",  # premature atrial contraction
    "7": "164884008",  # ventricular ectopics
    "8": "429622005",  # ST depression
    "9": "164931005",  # ST elevation
}


def cpsc2018_sources(folder: Path) -> list[Source]:
    """The recordings that REFERENCE.csv in ``folder`` names, their .mat files beside it; EntryError without it."""
    table = folder / TABLE
    rows = read_csv(table, LARGEST_TEXT)
    if not rows or [cell.strip() for cell in rows[0][:4]] != list(COLUMNS):
        raise EntryError(f"{table}: does not begin with {','.join(COLUMNS)}; give the folder of CPSC 2018 itself")
    return [
        Source(plain_name(name), str(folder / f"{name:.100}.mat"), lambda row=row: _read(folder, row))
        for row in rows[1:]
        if row and (name := row[0].strip())
    ]


def _read(folder: Path, row: Sequence[str]) -> Recording:
    file = f"{row[0].strip()}.mat"
    if not is_inside(file):
        raise RecordError(f"{folder / TABLE}: names {file!r:.100}, no file below the folder")
    path = folder / file
    try:
        ecg = read_struct(read_bytes(path, LARGEST_SIGNAL), "ECG", LARGEST_SIGNAL)
    except ValueError as error:
        raise RecordError(f"{path}: {error}") from error
    data, sex = ecg.get("data"), ecg.get("sex")
    if not isinstance(data, np.ndarray) or data.shape[0] != len(LEADS):
        raise RecordError(f"{path}: its ECG.data is no matrix of {len(LEADS)} leads")
    labels = [label for cell in row[1:4] if (label := cell.strip().removesuffix(".0")).lower() not in ("", "nan")]
    if unknown := [label for label in labels if label not in CODES]:
        raise RecordError(f"{folder / TABLE}: {row[0]:.100} has the label {unknown[0]:.20}, none of 1 to 9")
    return Recording(
        leads=LEADS,
        rate=RATE,
        microvolts=data * 1000.0,
        age=_age(ecg.get("age")),
        sex=sex.strip().lower() if isinstance(sex, str) and sex.strip().lower() in ("female", "male") else None,
        diagnoses=[CODES[label] for label in labels],
    )


def _age(value: np.ndarray | str | None) -> float | None:
    age = float(value[0, 0]) if isinstance(value, np.ndarray) else math.nan
    return age if age >= 0 else None
