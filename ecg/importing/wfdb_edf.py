"""WFDB files (.hea with .dat or any other signal that wfdb reads) and EDF files, with their own gains and units.

The Challenge's own folders must not be imported: the gain in their headers is not always the gain of the samples. Age,
sex and diagnoses come from a WFDB header's comments.
"""

import importlib
from functools import partial
from pathlib import Path

from ecg.data.formats.edf import read_edf
from ecg.data.formats.physical import PhysicalRecording, require_leads, require_voltages
from ecg.data.header import read_header
from ecg.data.listing import segment_names
from ecg.data.record import join_segments, read_microvolts
from ecg.errors import EntryError
from ecg.importing.importer import SourceRecording, to_wfdb_name


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


def read_wfdb(path: Path) -> PhysicalRecording:
    """Read the recording whose header is at ``path``. Raises RecordError if it is damaged or its unit is no voltage."""
    header, microvolts = join_segments(path, read_header(path), read_microvolts)
    leads = header.leads
    require_voltages(str(path), [header.signals[row].unit for row in require_leads(leads, str(path)).values()])
    return PhysicalRecording(leads, header.rate, microvolts, header.age, header.sex, header.diagnoses)
