#!/usr/bin/env python
"""Check a folder of recordings before training or inference:  python tools/check_data.py FOLDER

Reports what is unusual about each recording and how this entry handles it: unreadable files, missing leads, samples or
labels, signals that are no ECG, unusual heights, rates or lengths, duplicate signals. Nothing is changed. The exit code
is 0 if all recordings can be used, 1 if some can, 2 if none can.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the project's root, for a call from any folder

from ecg.classes import WEIGHTS_FILE, Weights, abbreviation, load_weights
from ecg.cli import ALL_WELL, NOTHING_DONE, SOME_FAILED, Arguments, run
from ecg.data.formats.opening import recording_name
from ecg.errors import printable
from ecg.files import write_csv
from ecg.labels.folder_check import HANDLING, CheckedRecording, check_folder
from ecg.recipe import RECIPES

EXAMPLES = 5  # recordings listed for each kind of finding


def main() -> int:
    parser = Arguments(__doc__)
    parser.add_argument("folder", type=Path, help="the folder of the recordings")
    parser.add_argument("--csv", type=Path, help="a table of all findings to write, one row each")
    parser.add_argument("--recipe", choices=RECIPES, default="best", help="a recording above its window is long (best)")
    parser.add_argument("--classes", type=Path, default=WEIGHTS_FILE, help="own classes, or another weights.csv")
    args = parser.parse()
    weights = load_weights(args.classes)
    recordings = check_folder(args.folder, weights, RECIPES[args.recipe])
    if args.csv:
        write_csv(args.csv, findings_table(recordings))
    print(format_summary(recordings, weights))
    print(format_findings(recordings))
    if args.csv:
        print(f"\nAll findings are in {args.csv}.")
    usable = sum(recording.usable for recording in recordings)
    return ALL_WELL if usable == len(recordings) else SOME_FAILED if usable else NOTHING_DONE


def format_summary(recordings: Sequence[CheckedRecording], weights: Weights) -> str:
    """The number of usable recordings, and their sources, rates, lengths and classes."""
    usable = [recording for recording in recordings if recording.usable]
    lines = [f"{len(usable)} of {len(recordings)} recordings can be used."]
    if not usable:
        return lines[0]
    sources = Counter(recording.source or "(no letters)" for recording in usable)
    rates = Counter(f"{recording.rate:g} Hz" for recording in usable)
    seconds = np.array([recording.seconds for recording in usable])
    labels = np.array([weights.encode(recording.diagnoses) for recording in usable])
    classes = Counter(
        {abbreviation(code): int(count) for code, count in zip(weights.classes, labels.sum(axis=0)) if count}
    )
    lines += [
        f"  sources   {format_counts(sources)}",
        f"  rates     {format_counts(rates)}",
        f"  lengths   {seconds.min():.3g} to {seconds.max():.3g} s, median {np.median(seconds):.3g} s",
        f"  classes   {format_counts(classes) or 'none; is it a hidden test folder?'}",
    ]
    return "\n".join(lines)


def format_counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.most_common())


def format_findings(recordings: Sequence[CheckedRecording]) -> str:
    """Each kind of finding with its number, its handling, and some of the recordings."""
    lines = []
    for kind, handling in HANDLING.items():
        of_kind = ((r.path, detail) for r in recordings for finding, detail in r.findings if finding == kind)
        found = [(recording_name(path), detail) for path, detail in of_kind]
        if not found:
            continue
        lines.append(f"\n{kind}: {len(found):,}  ->  {handling}")
        lines += [printable(f"    {name:12s} {detail}".rstrip()) for name, detail in found[:EXAMPLES]]
        if len(found) > EXAMPLES:
            lines.append(f"    and {len(found) - EXAMPLES:,} more")
    return "\n".join(lines or ["No findings."])


def findings_table(recordings: Sequence[CheckedRecording]) -> list[tuple[str, ...]]:
    """The rows of the csv, the column names first."""
    rows: list[tuple[str, ...]] = [("recording", "file", "finding", "detail", "handling")]
    for recording in recordings:
        for finding, detail in recording.findings:
            rows.append((recording_name(recording.path), str(recording.path), finding, detail, HANDLING[finding]))
    return rows


if __name__ == "__main__":
    run(main)
