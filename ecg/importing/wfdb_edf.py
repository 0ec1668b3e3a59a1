"""WFDB files (.hea with .dat or any other signal that wfdb reads) and EDF files, with their own gains and units.

The Challenge's own folders must not be imported: the gain in their headers is not always the gain of the samples. Age,
sex and diagnoses come from a WFDB header's comments. Age and sex come from an EDF+ file's sex, birth date and recording
date. pyedflib reads EDF because wfdb's reader is off by one digital unit, and because it averages all leads down to the
rate of the annotations if a file has annotations.
"""

import importlib
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np

from ecg.data.header import read_header
from ecg.data.listing import segment_names
from ecg.data.record import MICROVOLTS, join_segments, read_microvolts
from ecg.data.wfdb_files import LARGEST_SIGNAL
from ecg.errors import EntryError, RecordError
from ecg.importing.importer import ImportedRecording, SourceRecording, require_leads, to_wfdb_name


def signal_sources(folder: Path) -> list[SourceRecording]:
    """List the .hea and .edf files of ``folder`` and its subfolders, sorted.

    Raises EntryError if there is none, and ModuleNotFoundError if there are .edf files but pyedflib is not installed.
    """
    if not folder.is_dir():
        raise EntryError(f"{folder}: no such folder; give the folder that holds the recordings")
    readers = {".hea": read_wfdb, ".edf": read_edf}
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in readers and path.name[0] != ".")
    parts = {path.with_name(name) for path in files if path.suffix.lower() == ".hea" for name in segment_names(path)}
    files = [path for path in files if path.with_suffix("") not in parts]
    if not files:
        raise EntryError(f"{folder}: no recording in it (no .hea or .edf file)")
    if any(path.suffix.lower() == ".edf" for path in files):
        importlib.import_module("pyedflib")  # if it is missing, nothing has been written yet
    return [
        SourceRecording(to_wfdb_name(path.stem), str(path), partial(readers[path.suffix.lower()], path))
        for path in files
    ]


def read_wfdb(path: Path) -> ImportedRecording:
    """Read the recording whose header is at ``path``. Raises RecordError if it is damaged or its unit is no voltage."""
    header, microvolts = join_segments(path, read_header(path), read_microvolts)
    leads = header.leads
    _check_units(path, [header.signals[row].unit for row in require_leads(leads, str(path)).values()])
    return ImportedRecording(leads, header.rate, microvolts, header.age, header.sex, header.diagnoses)


def read_edf(path: Path) -> ImportedRecording:
    """Read the leads of an EDF or EDF+ file.

    Raises RecordError if it is damaged, a lead's unit is no voltage, or the leads have different sampling rates.
    """
    from pyedflib import EdfReader

    if not path.is_file():  # EdfReader would wait for the other end of a pipe
        raise RecordError(f"{path}: is not an ordinary file")
    if path.stat().st_size > LARGEST_SIGNAL:
        raise RecordError(f"{path}: has {path.stat().st_size:,} bytes, more than any such file ({LARGEST_SIGNAL:,})")
    try:
        with EdfReader(str(path)) as file:
            names = file.getSignalLabels()
            leads = require_leads(names, str(path))
            rates = {file.getSampleFrequency(row) for row in leads.values()}
            units = [file.getPhysicalDimension(row).strip() for row in leads.values()]
            signals = [file.readSignal(row) for row in leads.values()]
            sex = file.getSex().strip().lower()
            born = file.getBirthdate(string=False) if file.getBirthdate() else None
            recorded = file.getStartdatetime()
    except OSError as error:  # its message names the file
        raise RecordError(str(error)) from error
    _check_units(path, units)
    if len(rates) > 1:
        raise RecordError(f"{path}: its leads have different rates ({', '.join(f'{rate:g}' for rate in rates)} Hz)")
    return ImportedRecording(
        leads=list(leads),
        rate=rates.pop(),
        microvolts=np.array(signals) * [[MICROVOLTS[unit.lower()]] for unit in units],
        age=_age_in_years(born, recorded) if isinstance(born, datetime) else None,
        sex=sex if sex in ("female", "male") else None,
        diagnoses=(),
    )


def _check_units(path: Path, units: list[str]) -> None:
    if unknown := [unit for unit in units if unit.lower() not in MICROVOLTS]:
        raise RecordError(f"{path}: a lead's unit {unknown[0]:.20} is not a voltage; correct the header")


def _age_in_years(born: datetime, recorded: datetime) -> float | None:
    """Whole years. None if the dates give no age: anonymised files replace one or both of them."""
    years = recorded.year - born.year - ((recorded.month, recorded.day) < (born.month, born.day))
    return years if years >= 0 else None
