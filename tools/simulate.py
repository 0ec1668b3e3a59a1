#!/usr/bin/env python
"""Simulate 12-lead ECGs as Challenge files:  python tools/simulate.py FOLDER --records 300

The recordings show the 24 scored classes as a textbook does. Their label sets are as frequent as the real ones, except
that rare classes are drawn more often. They depict no real person: use them to test and teach training, prediction and
scoring from end to end, never to estimate how well a classifier works on patients.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the project's root, for a call from anywhere

from ecg.cli import ALL_WELL, Arguments, run
from ecg.progress import print_line
from ecg.simulation.dataset import simulate_folder


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("folder", metavar="FOLDER", help="the folder to create; it may not hold recordings yet")
    arguments.add_argument("--records", type=int, default=300, metavar="N", help="number of recordings (300)")
    arguments.add_argument("--seed", type=int, default=0, metavar="S", help="seed of all random draws (0)")
    args = arguments.parse()
    headers = simulate_folder(args.folder, args.records, args.seed)
    print_line(f"{len(headers)} simulated recordings in {args.folder}")
    return ALL_WELL


if __name__ == "__main__":
    run(main)
