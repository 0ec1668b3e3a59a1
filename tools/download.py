#!/usr/bin/env python
"""Download the Challenge's training recordings from PhysioNet:  python tools/download.py georgia training_data

{collections}

The recordings are open data (CC BY 4.0). PhysioNet says how to cite them. Files keep their paths, for example
training_data/georgia/g1/E00001.hea. Each file is verified by the checksum that PhysioNet publishes, and gets its name
only when it is complete. Run the same command again after an interruption or failed files: it skips files that are
present with the right checksum. The exit code is 1 if some files failed, 2 if no file is present.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the project's root, for a call from any folder

from ecg.cli import ALL_WELL, NOTHING_DONE, SOME_FAILED, Arguments, run
from ecg.importing.physionet import COLLECTIONS, PHYSIONET, download


def main() -> int:
    lines = [
        f"    {name:21s} {collection.recordings:6,} recordings {collection.gigabytes:4.1f} GB  {collection.description}"
        for name, collection in COLLECTIONS.items()
    ]
    parser = Arguments(__doc__.format(collections="\n".join(lines)))
    parser.add_argument("name", metavar="NAME", choices=COLLECTIONS, help="one of the names above")
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="the target folder; it is created")
    parser.add_argument(
        "--from",
        dest="base",
        metavar="URL",
        default=PHYSIONET,
        help=f"a mirror of {PHYSIONET}, for example https://physionet-open.s3.amazonaws.com",
    )
    args = parser.parse()
    outcome = download(COLLECTIONS[args.name], args.folder, args.base)
    print(
        f"{outcome.downloaded:,} files downloaded, {outcome.present:,} already present, {len(outcome.failed):,} failed"
    )
    for reason in outcome.failed.values():
        print(f"    {reason}")
    if outcome.not_tried:
        print(f"Stopped after too many failures in a row; {outcome.not_tried:,} more files were not tried.")
    if not outcome.failed:
        return ALL_WELL
    print("Run the same command again to resume.")
    return SOME_FAILED if outcome.downloaded + outcome.present else NOTHING_DONE


if __name__ == "__main__":
    run(main)
