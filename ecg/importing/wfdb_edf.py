"""Recordings as WFDB files (.hea beside .dat, or what else wfdb reads) and EDF files, with their own gains and units.

The Challenge's own folders need no import, and would suffer from it: there a header's gain is not always that of its
samples. Age, sex and diagnoses are taken where they are stated: in a header's comments; in an EDF+ file's sex, and its
date of birth beside that of the recording. EDF is read by pyedflib: wfdb's own reader is off by a digital unit, and
averages all leads down to the annotations' rate where a file has annotations.
"""

import re
from datetime import date
from pathlib import Path

import numpy as np

from ecg.data.header import read_header
from ecg.data.record import LARGEST_SIGNAL, MICROVOLTS, read_microvolts
from ecg.errors import EntryError, RecordError
from ecg.importing.importer import Recording, Source, plain_name, some_leads

PREFIX = re.compile(r"(ecg|ekg|lead)[ _-]+", re.IGNORECASE)  # as EDF+ writes a lead: ECG V1


def signal_sources(folder: Path) -> list[Source]:
    """The .hea and .edf files of ``folder`` and its subfolders, sorted; EntryError where there is none."""
    if not folder.is_dir():
        raise EntryError(f"{folder}: no such folder; give the folder that holds the recordings")
    readers = {".hea": read_wfdb, ".edf": read_edf}
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in readers and path.name[0] != ".")
    if not files:
        raise EntryError(f"{folder}: no recording in it (no .hea or .edf file)")
    return [
        Source(plain_name(path.stem), str(path), lambda path=path: readers[path.suffix.lower()](path)) for path in files
    ]


def read_wfdb(path: Path) -> Recording:
    """The recording whose header is at ``path``; RecordError where it is broken, or its unit no voltage."""
    header = read_header(path)
    leads = _plain(header.leads)
    _check_units(path, [header.signals[row].unit for row in some_leads(leads, str(path)).values()])
    microvolts = read_microvolts(path, header)
    return Recording(leads, header.rate, microvolts, header.age, header.sex, header.diagnoses)


def read_edf(path: Path) -> Recording:
    """The EDF or EDF+ file at ``path``: those of its signals that are leads; RecordError where their rates differ."""
    from pyedflib import EdfReader

    if not path.is_file():  # it would wait for the other end of a pipe
        raise RecordError(f"{path}: is no ordinary file")
    if path.stat().st_size > LARGEST_SIGNAL:
        raise RecordError(f"{path}: has {path.stat().st_size:,} bytes, more than any such file ({LARGEST_SIGNAL:,})")
    try:
        with EdfReader(str(path)) as file:
            names = _plain(file.getSignalLabels())
            leads = some_leads(names, str(path))
            rates = {file.getSampleFrequency(row) for row in leads.values()}
            units = [file.getPhysicalDimension(row).strip() for row in leads.values()]
            signals = [file.readSignal(row) for row in leads.values()]
            sex = file.getSex().strip().lower()
            born = file.getBirthdate(string=False).date() if file.getBirthdate() else None
            taken = file.getStartdatetime().date()
    except OSError as error:  # its message names the file
        raise RecordError(str(error)) from error
    _check_units(path, units)
    if len(rates) > 1:
        raise RecordError(f"{path}: its leads have different rates ({', '.join(f'{rate:g}' for rate in rates)} Hz)")
    return Recording(
        leads=list(leads),
        rate=rates.pop(),
        microvolts=np.array(signals) * [[MICROVOLTS[unit.lower()]] for unit in units],
        age=_years(born, taken),
        sex=sex if sex in ("female", "male") else None,
        diagnoses=(),
    )


def _check_units(path: Path, units: list[str]) -> None:
    if unknown := [unit for unit in units if unit.lower() not in MICROVOLTS]:
        raise RecordError(f"{path}: a lead's unit {unknown[0]:.20} is no voltage; write the right one into the header")


def _years(born: date | None, taken: date) -> float | None:
    """Whole years; None where the dates, of which files hide one or both, make no age."""
    years = taken.year - born.year - ((taken.month, taken.day) < (born.month, born.day)) if born else -1
    return years if years >= 0 else None


def _plain(names: list[str] | tuple[str, ...]) -> list[str]:
    return [PREFIX.sub("", name.strip(), count=1) for name in names]
