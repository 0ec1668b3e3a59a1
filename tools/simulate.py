#!/usr/bin/env python
"""Simulate 12-lead ECGs in the Challenge's files:  python tools/simulate.py FOLDER --records 300

The recordings show the 24 scored classes as a textbook does, in label sets as frequent as the real ones (rare
classes are drawn more often). They are of no patient: use them to try training, running and scoring from end to
end, to test and to teach, never to judge how good a classifier is on people.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the project's root, for a call from anywhere

from ecg.cli import ALL_WELL, Arguments, run
from ecg.progress import print_line
from ecg.simulation.dataset import simulate


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("folder", metavar="FOLDER", help="the folder to make; it may not hold recordings yet")
    arguments.add_argument("--records", type=int, default=300, metavar="N", help="how many recordings (300)")
    arguments.add_argument("--seed", type=int, default=0, metavar="S", help="of every random draw (0)")
    given = arguments.parse()
    headers = simulate(given.folder, given.records, given.seed)
    print_line(f"{len(headers)} simulated recordings in {given.folder}")
    return ALL_WELL


if __name__ == "__main__":
    run(main)
