#!/usr/bin/env python
"""Fetch the Challenge's training recordings from PhysioNet:  python tools/download.py georgia training_data

{collections}

They are open data (CC BY 4.0); PhysioNet says how to cite them. Files keep their paths, as in
training_data/georgia/g1/E00001.hea. Each is verified by the checksum that PhysioNet publishes, and is under its name
only when it is whole. After an interruption, or where some failed, the same command goes on: a file that is there with
the right checksum is not fetched again (one that was begun is; they are small). The exit code is 1 where files failed,
2 where there is none.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the project's root, for a call from anywhere

from ecg.cli import ALL_WELL, NOTHING_DONE, SOME_FAILED, Arguments, run


def main() -> int:
    from ecg.importing.physionet import COLLECTIONS, PHYSIONET, download

    lines = [
        f"    {name:21s} {one.recordings:6,} recordings {one.gigabytes:4.1f} GB  {one.about}"
        for name, one in COLLECTIONS.items()
    ]
    arguments = Arguments(__doc__.format(collections="\n".join(lines)))
    arguments.add_argument("name", metavar="NAME", choices=COLLECTIONS, help="one of the names above")
    arguments.add_argument("folder", metavar="FOLDER", type=Path, help="where to put the files; it is made")
    arguments.add_argument(
        "--from",
        dest="base",
        metavar="URL",
        default=PHYSIONET,
        help=f"a mirror of {PHYSIONET}, such as https://physionet-open.s3.amazonaws.com",
    )
    given = arguments.parse()
    outcome = download(COLLECTIONS[given.name], given.folder, given.base)
    print(f"{outcome.fetched:,} files fetched, {outcome.there:,} there already, {len(outcome.failed):,} failed")
    for reason in outcome.failed.values():
        print(f"    {reason}")
    if outcome.untried:
        print(f"After so many failures in a row {outcome.untried:,} more were not tried.")
    if not outcome.failed:
        return ALL_WELL
    print("The same command goes on where this ended.")
    return SOME_FAILED if outcome.fetched + outcome.there else NOTHING_DONE


if __name__ == "__main__":
    run(main)
