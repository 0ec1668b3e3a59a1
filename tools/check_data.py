#!/usr/bin/env python
"""Look through a folder of recordings before a training or a run:  python tools/check_data.py FOLDER

Lists what is odd about each recording and what this entry does with it: what cannot be read, leads, samples and labels
that are missing, units, rates and lengths out of the ordinary, the same recording twice. Nothing is changed. The exit
code is 1 where a recording cannot be read, 2 where none can.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from ecg.classes import ABBREVIATIONS, load_weights  # noqa: E402
from ecg.cli import ALL_WELL, NOTHING_DONE, SOME_FAILED, Arguments, run  # noqa: E402
from ecg.errors import printable  # noqa: E402
from ecg.files import write_csv  # noqa: E402
from ecg.labels.folder_check import CONSEQUENCES, CheckedRecording, check_folder  # noqa: E402
from ecg.recipe import RECIPES  # noqa: E402

EXAMPLES = 5  # recordings named for each kind of oddity


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("folder", type=Path, help="the folder of the recordings")
    arguments.add_argument("--csv", type=Path, help="a table of everything odd, a line each")
    arguments.add_argument("--recipe", choices=RECIPES, default="best", help="whose windows are meant (best)")
    given = arguments.parse()
    examined = check_folder(given.folder, load_weights(), RECIPES[given.recipe])
    print(overview(examined))
    print(oddities(examined))
    if given.csv:
        write_csv(given.csv, all_oddities(examined))
        print(f"\nAll of it, a line each, is in {given.csv}.")
    readable = sum(one.readable for one in examined)
    return ALL_WELL if readable == len(examined) else SOME_FAILED if readable else NOTHING_DONE


def overview(examined: Sequence[CheckedRecording]) -> str:
    """What there is: sources, rates, lengths, classes."""
    readable = [one for one in examined if one.readable]
    lines = [f"{len(readable)} of {len(examined)} recordings can be read."]
    if not readable:
        return lines[0]
    sources = Counter(one.source or "(no letters)" for one in readable)
    rates = Counter(f"{one.rate:g} Hz" for one in readable)
    seconds = np.array([one.seconds for one in readable])
    weights = load_weights()
    labels = np.array([weights.encode(one.diagnoses) for one in readable])
    classes = Counter(
        {ABBREVIATIONS[code]: int(count) for code, count in zip(weights.classes, labels.sum(axis=0)) if count}
    )
    lines += [
        f"  sources   {listed(sources)}",
        f"  rates     {listed(rates)}",
        f"  lengths   {seconds.min():.3g} to {seconds.max():.3g} s, median {np.median(seconds):.3g} s",
        f"  classes   {listed(classes) or 'none: is it a hidden test folder?'}",
    ]
    return "\n".join(lines)


def listed(counts: Counter) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.most_common())


def oddities(examined: Sequence[CheckedRecording]) -> str:
    """Each kind with its number, what is done with it, and some of the recordings."""
    lines = []
    for kind, consequence in CONSEQUENCES.items():
        having = [(one, detail) for one in examined for odd, detail in one.odd if odd == kind]
        if not having:
            continue
        lines.append(f"\n{kind}: {len(having):,}  ->  {consequence}")
        lines += [printable(f"    {one.path.stem:12s} {detail}".rstrip()) for one, detail in having[:EXAMPLES]]
        if len(having) > EXAMPLES:
            lines.append(f"    and {len(having) - EXAMPLES:,} more")
    return "\n".join(lines or ["Nothing is odd about them."])


def all_oddities(examined: Sequence[CheckedRecording]) -> list[tuple]:
    """The rows of the csv, its heads first."""
    rows = [(one.path.stem, one.path, odd, detail, CONSEQUENCES[odd]) for one in examined for odd, detail in one.odd]
    return [("recording", "file", "odd", "detail", "what is done"), *rows]


if __name__ == "__main__":
    run(main)
