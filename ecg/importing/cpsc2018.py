"""CPSC 2018 in its published form (Liu et al., J Med Imaging Health Inform 2018, doi 10.1166/jmihi.2018.2442).

REFERENCE.csv lists up to three of nine labels for each recording. The signal is a MATLAB struct ``ECG`` with the fields
``sex``, ``age`` and ``data``: mV, 12 leads, 500 Hz. CODES maps the labels to the codes of the Challenge's A records,
where they occur 918, 1221, 722, 236, 1857, 616, 700, 869 and 220 times. Ventricular ectopics, ST depression and ST
elevation are not scored.
"""

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from ecg.data.comments import parse_sex
from ecg.data.formats.physical import PhysicalRecording
from ecg.data.lead_names import LEADS
from ecg.data.matlab import read_struct
from ecg.data.wfdb_files import LARGEST_SIGNAL
from ecg.errors import EntryError, RecordError
from ecg.files import LARGEST_TEXT, is_inside, read_bytes, read_csv
from ecg.importing.importer import SourceRecording, refuse, to_wfdb_name
from ecg.progress import print_line

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


def cpsc2018_sources(folder: Path) -> list[SourceRecording]:
    """List the recordings that REFERENCE.csv in ``folder`` names.

    Their .mat files are in the same folder or below it, as in TrainingSet1 to 3 of the download. Without a table in
    ``folder``, the tables of its subfolders count, and a recording counts once. One with other labels in another table,
    or with two files, fails when it is read. The number of files that no table names is printed. Raises EntryError if
    there is no table, or one has other columns.
    """
    everything = sorted(folder.rglob("*"))
    tables = [path for path in everything if path.name.casefold() == TABLE.casefold()]
    tables = [path for path in tables if path.parent == folder][:1] or tables or [folder / TABLE]
    signals: dict[str, list[Path]] = {}
    for path in everything:
        if path.suffix.lower() == ".mat":
            signals.setdefault(path.stem, []).append(path)
    sources: list[SourceRecording] = []
    first: dict[str, tuple[Path, Sequence[str]]] = {}  # table and row of each recording
    for table in tables:
        rows = read_csv(table, LARGEST_TEXT, ";\t,")
        if not rows or [cell.strip().casefold() for cell in rows[0][:4]] != [name.casefold() for name in COLUMNS]:
            raise EntryError(f"{table}: the first columns are not {','.join(COLUMNS)}; give the folder of CPSC 2018")
        for row in rows[1:]:
            if not (name := _name(row)):
                continue
            known_table, known_row = first.setdefault(name, (table, row))
            if known_table != table and _labels(row) == _labels(known_row):
                continue
            file = table.parent / f"{name:.100}.mat"
            files = [file] if not is_inside(f"{name}.mat") or file.exists() else signals.get(name, [file])
            read = partial(_read_recording, table, files[0], row)
            if known_table != table:
                message = f"{table}: {name:.100} has other labels than in {known_table}; correct one"
                read = partial(refuse, RecordError(message))
            elif len(files) > 1:
                message = f"{files[1]}: {files[0]} has the same name; remove one of them"
                read = partial(refuse, RecordError(message))
            is_twice = known_table != table  # without a name, so that it is read and refused
            sources.append(SourceRecording("" if is_twice else to_wfdb_name(name), str(files[0]), read))
    if unlisted := sorted(signals.keys() - first.keys()):
        print_line(f"{len(unlisted):,} .mat files are in no table and are not imported: {unlisted[0]} ...")
    return sources


def _labels(row: Sequence[str]) -> list[str]:
    labels = [cell.strip().removesuffix(".0") for cell in row[1:4]]
    return [label for label in labels if label.lower() not in ("", "nan")]


def _name(row: Sequence[str]) -> str:
    """Of the recording; some tables name its file."""
    name = row[0].strip() if row else ""
    return name[:-4] if name.lower().endswith(".mat") else name


def _read_recording(table: Path, path: Path, row: Sequence[str]) -> PhysicalRecording:
    file = f"{_name(row)}.mat"
    if not is_inside(file):
        raise RecordError(f"{table}: {file!r:.100} is not a path inside the folder")
    try:
        ecg = read_struct(read_bytes(path, LARGEST_SIGNAL), "ECG", LARGEST_SIGNAL)
    except ValueError as error:
        raise RecordError(f"{path}: {error}") from error
    millivolts = ecg.get("data")
    if not isinstance(millivolts, np.ndarray) or millivolts.shape[0] != len(LEADS):
        raise RecordError(f"{path}: ECG.data is not a matrix of {len(LEADS)} leads")
    labels = _labels(row)
    if unknown := [label for label in labels if label not in CODES]:
        raise RecordError(f"{table}: {row[0]:.100} has the label {unknown[0]:.20}; labels are 1 to 9")
    return PhysicalRecording(
        leads=LEADS,
        rate=RATE,
        microvolts=millivolts * 1000.0,
        age=_parse_age(ecg.get("age")),
        sex=_parse_sex(ecg.get("sex")),
        diagnoses=[CODES[label] for label in labels],
    )


def _parse_age(value: np.ndarray | str | None) -> float | None:
    age = float(value[0, 0]) if isinstance(value, np.ndarray) else math.nan
    return age if age >= 0 else None


def _parse_sex(value: np.ndarray | str | None) -> str | None:
    return parse_sex(value) if isinstance(value, str) else None
