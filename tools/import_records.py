#!/usr/bin/env python
"""Convert recordings from other formats to the Challenge's files, for training or inference:

    python tools/import_records.py ptbxl PTBXL FOLDER         # PTB-XL as PhysioNet publishes it
    python tools/import_records.py cpsc2018 CPSC2018 FOLDER   # CPSC 2018: REFERENCE.csv beside .mat files
    python tools/import_records.py files SOURCE FOLDER        # WFDB, EDF, DICOM ... (docs/guide.md)

Each recording becomes a header and a signal in whole microvolts, with age, sex and diagnoses if the source has them.
ptbxl maps PTB-XL's statements to the Challenge's codes (ecg/importing/ptbxl.py says how certain each code is) and
writes FOLDER/patients.csv for validate.py --patients. files writes FOLDER/names.csv if it had to change names. The
source is not changed. Recordings that cannot be read are skipped and listed with the reason, and so are signals that
are none of the twelve leads. The exit code is 0 if all were imported, 1 if some were, 2 if none was.
"""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the project's root, for a call from any folder

from ecg.cli import ALL_WELL, NOTHING_DONE, SOME_FAILED, Arguments, run
from ecg.data.formats.opening import recording_name
from ecg.errors import RecordError
from ecg.files import write_csv
from ecg.importing.cpsc2018 import cpsc2018_sources
from ecg.importing.importer import import_recordings
from ecg.importing.ptbxl import ptbxl_sources
from ecg.importing.recording_files import signal_sources

Imported = tuple[list[str], list[RecordError]]


def main() -> int:
    parser = Arguments(__doc__)
    formats = parser.add_subparsers(required=True, metavar="ptbxl | cpsc2018 | files", parser_class=ArgumentParser)
    for name, command, description in (
        ("ptbxl", import_ptbxl, "PTB-XL: ptbxl_database.csv and records500"),
        ("cpsc2018", import_cpsc2018, "CPSC 2018: REFERENCE.csv and .mat files"),
        ("files", import_signals, "WFDB, EDF, DICOM and other files, in subfolders too"),
    ):
        former_name = ["wfdb"] if name == "files" else []
        subparser = formats.add_parser(name, help=description, aliases=former_name)
        subparser.add_argument("source", type=Path, help=f"the folder of {description}")
        subparser.add_argument("folder", type=Path, help="the folder to create; it must not hold recordings")
        subparser.set_defaults(command=command)
        if name == "ptbxl":
            statements = "also write PTB-XL's statements into #Dx, as scp:NORM, for own classes"
            subparser.add_argument("--statements", action="store_true", help=statements)
    args = parser.parse()
    names, failures = args.command(args)
    print(f"{len(names):,} of {len(names) + len(failures):,} recordings imported into {args.folder}")
    for failure in failures:
        print(f"    {failure}")
    return ALL_WELL if not failures else SOME_FAILED if names else NOTHING_DONE


def import_ptbxl(args: Namespace) -> Imported:
    sources, patients = ptbxl_sources(args.source, args.statements)
    names, failures = import_recordings(args.folder, sources)
    write_csv(args.folder / "patients.csv", [("record", "patient"), *((name, patients[name]) for name in names)])
    return names, failures


def import_cpsc2018(args: Namespace) -> Imported:
    return import_recordings(args.folder, cpsc2018_sources(args.source))


def import_signals(args: Namespace) -> Imported:
    sources = signal_sources(args.source)
    names, failures = import_recordings(args.folder, sources)
    imported = {source.name: source.place for source in sources if source.name in set(names)}
    renamed = [(name, place) for name, place in imported.items() if name != recording_name(Path(place))]
    if renamed:
        table = args.folder / "names.csv"
        write_csv(table, [("record", "file"), *renamed])
        print(f"{len(renamed):,} recordings have another name than their file; {table} lists them")
    return names, failures


if __name__ == "__main__":
    run(main)
