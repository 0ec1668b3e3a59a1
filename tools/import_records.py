#!/usr/bin/env python
"""Write recordings in other forms as the Challenge's files, to train on or to run:

    python tools/import_records.py ptbxl PTBXL FOLDER         # PTB-XL as PhysioNet has it
    python tools/import_records.py cpsc2018 CPSC2018 FOLDER   # CPSC 2018: REFERENCE.csv beside .mat files
    python tools/import_records.py wfdb SOURCE FOLDER         # any .hea with its signal, and .edf

Each becomes a header and a signal of whole microvolts, with its age, sex and diagnoses where the source says them.
ptbxl gives the Challenge's codes for PTB-XL's statements (ecg/importing/ptbxl.py says how sure they are) and writes
FOLDER/patients.csv, for validate.py --patients. Nothing of the source is changed. A recording that cannot be read costs
the others nothing: it is named with the reason, and the exit code is 1 (0: all well; 2: nothing could be imported).
"""

import sys
from argparse import ArgumentParser
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the project's root, for a call from anywhere

from ecg.cli import ALL_WELL, NOTHING_DONE, SOME_FAILED, Arguments, run
from ecg.errors import RecordError
from ecg.files import write_csv
from ecg.importing.cpsc2018 import cpsc2018_sources
from ecg.importing.importer import import_all
from ecg.importing.ptbxl import ptbxl_sources
from ecg.importing.wfdb_edf import signal_sources

Imported = tuple[list[str], list[RecordError]]


def main() -> int:
    arguments = Arguments(__doc__)
    forms = arguments.add_subparsers(required=True, metavar="ptbxl | cpsc2018 | wfdb", parser_class=ArgumentParser)
    for name, action, what in (
        ("ptbxl", import_ptbxl, "PTB-XL: ptbxl_database.csv and records500"),
        ("cpsc2018", import_cpsc2018, "CPSC 2018: REFERENCE.csv and .mat files"),
        ("wfdb", import_signals, "WFDB and EDF files, in subfolders too"),
    ):
        one = forms.add_parser(name, help=what)
        one.add_argument("source", type=Path, help=f"the folder of {what}")
        one.add_argument("folder", type=Path, help="the folder to make; it may not hold recordings yet")
        one.set_defaults(action=action)
    given = arguments.parse()
    names, failures = given.action(given.source, given.folder)
    print(f"{len(names):,} of {len(names) + len(failures):,} recordings imported into {given.folder}")
    for failure in failures:
        print(f"    {failure}")
    return ALL_WELL if not failures else SOME_FAILED if names else NOTHING_DONE


def import_ptbxl(source: Path, folder: Path) -> Imported:
    sources, patients = ptbxl_sources(source)
    names, failures = import_all(folder, sources)
    write_csv(folder / "patients.csv", [("record", "patient"), *((name, patients[name]) for name in names)])
    return names, failures


def import_cpsc2018(source: Path, folder: Path) -> Imported:
    return import_all(folder, cpsc2018_sources(source))


def import_signals(source: Path, folder: Path) -> Imported:
    return import_all(folder, signal_sources(source))


if __name__ == "__main__":
    run(main)
