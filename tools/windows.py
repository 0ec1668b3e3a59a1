#!/usr/bin/env python
"""Run a model along a long recording:  python tools/windows.py MODEL RECORD windows.csv --plot windows.png

The csv has a row for each window (16 s, a new one every 15 s, with the recipe `best`). Its columns: start_s and end_s,
in seconds from the recording's first sample; valid, the part of the samples that are not missing, 0 to 1; labels, the
abbreviations of the window's labels, separated by semicolons; and a probability for each class, the mean of the
networks, named like AF_164889003. A window without a signal (a gap, loose electrodes) has no labels and empty
probabilities. driver.py's answer for the whole recording is the mean over the windows.

--plot draws the probabilities over time, of the classes that have a label or reach their threshold anywhere. The name
of the picture ends in .png, .svg or .pdf. --classes AF,PVC chooses the classes of both.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the project's root, so that any folder can call it

from ecg import progress
from ecg.classes import abbreviation, find_class
from ecg.cli import ALL_WELL, Arguments, run
from ecg.data.listing import recording_at
from ecg.data.record import read_record, signal_digest
from ecg.data.signal_check import require_ecg
from ecg.errors import EntryError
from ecg.files import write_csv
from ecg.model.answers import WindowAnswers, answer_by_window
from ecg.model.compute import pick_compute
from ecg.model.trained_on import TRAINED_ON_IT
from ecg.recipe import CHOICES
from team_code import load_model

FORMATS = (".png", ".svg", ".pdf")
USUAL_THRESHOLD = 0.5  # of a model without clinical thresholds, for the choice of the classes in the plot


def main() -> int:
    parser = Arguments(__doc__)
    parser.add_argument("model", type=Path, help="a model folder")
    parser.add_argument("record", type=Path, help="a header, the signal file beside it, or a file of another format")
    parser.add_argument("table", type=Path, metavar="windows.csv", help="the csv to write")
    parser.add_argument(
        "--plot", type=Path, metavar="PICTURE", help="a picture to write (needs requirements-report.txt)"
    )
    parser.add_argument("--classes", metavar="AF,PVC", help="names, abbreviations or codes (default: all in the csv)")
    parser.add_argument("--decide", choices=CHOICES["decide"], help="how labels are chosen (the model's recipe)")
    parser.add_compute()
    args = parser.parse()
    if args.plot:
        if args.plot.suffix.lower() not in FORMATS:
            raise EntryError(f"{args.plot}: its name must end in {', '.join(FORMATS)}")
        from ecg.report.timeline import draw_timeline
    model = load_model(args.model, compute=pick_compute(args.device, args.float32))
    model.description.clinical_thresholds_for(args.decide)  # before the long work
    chosen = list(range(len(model.classes)))
    if args.classes:
        chosen = list(dict.fromkeys(find_class(model.classes, name) for name in args.classes.split(",")))
    progress.print_line(f"reading {args.record} ...")
    record = read_record(recording_at(args.record), lenient=True)
    notes = require_ecg(record, str(args.record))
    if signal_digest(record) in model.description.trained_on:
        notes.append(TRAINED_ON_IT)
    answers = answer_by_window(model, record, args.decide)
    write_csv(args.table, table_of(answers, model.classes, chosen))
    if args.plot:
        thresholds = model.description.clinical_thresholds
        reached = answers.probabilities >= (USUAL_THRESHOLD if thresholds is None else thresholds)
        if not args.classes:
            chosen = list(np.flatnonzero((reached | (answers.labels > 0)).any(axis=0)))
        draw_timeline(
            args.plot,
            record.header.name,
            record.counts.shape[1] / record.header.rate,
            answers.start,
            answers.end,
            [model.classes[k] for k in chosen],
            answers.probabilities[:, chosen],
            answers.labels[:, chosen] > 0,
            None if thresholds is None else thresholds[chosen],
        )
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    silent = len(answers.start) - answers.answered.sum()
    remark = f", {silent:,} of them without a signal" if silent else ""
    print(f"{len(answers.start):,} windows{remark} in {args.table}")
    if args.plot:
        print(f"The probabilities over time are drawn in {args.plot}.")
    return ALL_WELL


def table_of(answers: WindowAnswers, classes: Sequence[str], chosen: Sequence[int]) -> list[list[str]]:
    """The rows of the csv, the column names first. ``chosen`` are the columns of the probabilities."""
    names = [abbreviation(code) for code in classes]
    columns = [code if name == code else f"{name}_{code}" for name, code in zip(names, classes)]
    rows = [["start_s", "end_s", "valid", "labels", *(columns[k] for k in chosen)]]
    for start, end, valid, labels, p in zip(*answers):
        here = ";".join(names[k] for k in np.flatnonzero(labels))
        figures = ["" if np.isnan(p[k]) else f"{p[k]:.6f}" for k in chosen]
        rows.append([f"{start:.3f}", f"{end:.3f}", f"{valid:.4g}", here, *figures])
    return rows


if __name__ == "__main__":
    run(main)
