#!/usr/bin/env python
"""Are the labels right? Let readers label recordings blind, and measure their agreement.

    python tools/review.py sample LABELS OUTPUTS STUDY --class LAD --records 100
    python tools/review.py agree STUDY/key.csv form-of-anna.csv form-of-ben.csv
    python tools/review.py suspects LABELS model/out_of_fold.csv suspects.csv

sample draws recordings whose output for a class differs from the label, and --controls correctly classified ones. If
there are fewer than wanted, it takes all and says so. It writes STUDY/booklet.html: the ECGs in random order, without
names and labels, with a form to fill in. The booklet works offline, keeps the answers in the browser and saves them as
a csv. STUDY/form.csv is the same form as a spreadsheet. Give these two files to the readers. Keep STUDY/key.csv, which
names the recordings, from them.

agree prints the agreement between each reader and the labels and between readers: Cohen's kappa with its confidence
interval, raw agreement and the 2 x 2 table. It lists the recordings with a label that all readers overturn. An answer
in a form is yes, no, unsure or empty; any other is named and must be corrected first. --apply DATA FOLDER writes
corrected copies of their headers to FOLDER and changes nothing in DATA.

suspects ranks labels without a reader: by the probabilities of networks that were not trained on the recording (a
training leaves them in its model folder), and for left axis deviation by the axis measured in leads I and aVF.

For own classes, sample and agree take their table (--classes); suspects finds it beside out_of_fold.csv.
"""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the project's root, for a call from any folder

from ecg import progress
from ecg.classes import WEIGHTS_FILE, Weights, abbreviation, find_class, load_weights
from ecg.cli import ALL_WELL, Arguments, run
from ecg.data.header import read_header
from ecg.data.listing import find_recordings
from ecg.data.record import Record, read_record
from ecg.errors import EntryError, RecordError
from ecg.evaluation.cross_validation import read_out_of_fold
from ecg.evaluation.outputs import load_labels_and_outputs
from ecg.files import write_csv
from ecg.labels.reader_study import (
    Agreement,
    Correction,
    agreement,
    correct_headers,
    draw,
    overturned,
    read_form,
    read_key,
    write_key,
)
from ecg.labels.suspects import confident_learning, degrees_from_left_axis, frontal_axis

LAD = "39732003"  # left axis deviation
PRINTED = 20  # suspect labels
CLASSES_HELP = "own classes, or another weights.csv"
Suspect = tuple[str, str, str, str, float]  # recording, class, label, method, suspicion


def main() -> int:
    parser = Arguments(__doc__)
    commands = parser.add_subparsers(required=True, metavar="sample | agree | suspects", parser_class=ArgumentParser)

    command = commands.add_parser("sample", help="write a blinded booklet of misclassified recordings")
    command.add_argument("labels", type=Path, help="the folder of the recordings, with their labels")
    command.add_argument("outputs", type=Path, help="the folder of an entry's outputs for them")
    command.add_argument("study", type=Path, help="a new folder for the booklet, the form and the key")
    command.add_argument("--class", dest="names", action="append", required=True, help="LAD, for example; repeatable")
    command.add_argument("--records", type=int, default=100, help="number of misclassified recordings (100)")
    command.add_argument("--controls", type=int, default=0, help="number of correctly classified recordings (0)")
    command.add_argument("--seed", type=int, default=0, help="of the random draw and order (0)")
    command.add_argument("--classes", type=Path, default=WEIGHTS_FILE, help=CLASSES_HELP)
    command.set_defaults(command=sample)

    command = commands.add_parser("agree", help="print the agreement of readers and labels")
    command.add_argument("key", type=Path, help="the study's key.csv")
    command.add_argument("forms", type=Path, nargs="+", help="the csv of each reader, named after the reader")
    command.add_argument("--apply", type=Path, nargs=2, metavar=("DATA", "FOLDER"), help="write corrected headers")
    command.add_argument("--classes", type=Path, default=WEIGHTS_FILE, help=CLASSES_HELP)
    command.set_defaults(command=agree)

    command = commands.add_parser("suspects", help="rank labels that are probably wrong")
    command.add_argument("labels", type=Path, help="the folder of the recordings, with their labels")
    command.add_argument("out_of_fold", type=Path, help="out_of_fold.csv of a model trained on them")
    command.add_argument("table", type=Path, help="the csv to write")
    command.set_defaults(command=suspects)

    args = parser.parse()
    args.command(args)
    return ALL_WELL


def sample(args: Namespace) -> None:
    from ecg.report.booklet import write_booklet

    weights = load_weights(args.classes)
    columns = np.array(list(dict.fromkeys(find_class(weights.classes, name) for name in args.names)))
    classes = [abbreviation(weights.classes[column]) for column in columns]
    headers = [str(path) for path in find_recordings(args.labels, headers_only=True)]
    labels, outputs, _, malformed, _ = load_labels_and_outputs(headers, args.outputs, weights)
    if args.study.exists() and any(args.study.iterdir()):
        raise EntryError(f"{args.study}: is not empty; give a new folder, so that two studies are not mixed")
    labels, outputs = labels[:, columns], outputs[:, columns]
    usable = np.array([Path(header).stem not in malformed for header in headers])
    while True:  # until all drawn recordings can be read: the driver's empty output is no misclassification
        candidates = np.flatnonzero(usable)
        drawn = draw(labels[candidates], outputs[candidates], args.records, args.controls, args.seed)
        rows = candidates[drawn]
        records = read_readable([headers[row] for row in rows])
        if len(records) == len(rows):
            break
        usable[[row for row in rows if headers[row] not in records]] = False
    if not len(rows):
        raise EntryError(f"no recording to draw: none is misclassified for {', '.join(classes)}, or --records is 0")
    args.study.mkdir(parents=True, exist_ok=True)
    write_booklet(args.study / "booklet.html", list(records.values()), classes)
    empty = [(number, *("" for _ in classes), "") for number in range(1, len(rows) + 1)]
    write_csv(args.study / "form.csv", [("number", *classes, "comment"), *empty])
    key = args.study / "key.csv"
    write_key(key, [Path(headers[row]).stem for row in rows], classes, labels[rows])
    wrong = int((labels[rows] != outputs[rows]).any(axis=1).sum())
    for found, wanted, kind in (
        (wrong, args.records, "misclassified"),
        (len(rows) - wrong, args.controls, "correctly classified"),
    ):
        if found < wanted:
            names = ", ".join(classes)
            print(f"{found} instead of {wanted}: only {found} readable recordings are {kind} for {names}.")
    print(f"{len(rows)} recordings are in {args.study / 'booklet.html'}; keep {key} from the readers.")


def read_readable(headers: Sequence[str]) -> dict[str, Record]:
    """Read the recordings, by their headers. Unreadable ones are skipped with a message."""
    records = {}
    for header in progress.bar(headers, len(headers), "reading", "recordings"):
        try:
            records[header] = read_record(header)
        except RecordError as error:
            progress.print_line(f"skipped: {error}")
    return records


def agree(args: Namespace) -> None:
    key = read_key(args.key)
    readers = {form.stem: read_form(form, key) for form in args.forms}
    if len(readers) < len(args.forms):
        raise EntryError("two forms have the same name; name each after its reader")
    raters = {"labels": key.labels.astype(int), **readers}
    for k, class_name in enumerate(key.classes):
        print(f"\n{class_name}")
        for first, second in combinations(raters, 2):
            print(format_agreement(first, second, agreement(raters[first][:, k], raters[second][:, k])))
    wrong = overturned(key.labels, list(readers.values()))
    rows = np.flatnonzero(wrong.any(axis=1))
    print(f"\n{len(rows)} of {len(key.names)} recordings have a label that all readers overturn:")
    for row in rows:
        labels = [f"{'no ' if key.labels[row, k] else ''}{key.classes[k]}" for k in np.flatnonzero(wrong[row])]
        print(f"  {key.names[row]}: {', '.join(labels)}")
    if args.apply:
        data, folder = args.apply
        weights = load_weights(args.classes)
        headers = headers_by_name(data, key.names, "give the folder the labels came from")
        corrections = {}
        for row in rows:
            changed = np.flatnonzero(wrong[row])
            changes = [make_correction(weights, key.classes[k], not key.labels[row, k]) for k in changed]
            corrections[headers[key.names[row]]] = changes
        for path in correct_headers(data, folder, weights, corrections):
            print(f"  {path}: not corrected, as its #Dx does not hold the label; correct it by hand")
        print(f"Their corrected headers are in {folder}.")


def format_agreement(first: str, second: str, result: Agreement) -> str:
    (no_no, no_yes), (yes_no, yes_yes) = result.table
    return (
        f"  {first} and {second}: kappa {result.kappa:.3f} ({result.low:.3f} to {result.high:.3f}),"
        f" agreement {result.raw:.1%} of {result.table.sum()};"
        f" both yes {yes_yes}, both no {no_no}, only {first} {yes_no}, only {second} {no_yes}"
    )


def make_correction(weights: Weights, class_name: str, present: bool) -> Correction:
    k = find_class(weights.classes, class_name)
    equivalent = [code for code, column in weights.column.items() if column == k]
    return Correction(present, weights.classes[k], equivalent)


def headers_by_name(data: Path, names: Sequence[str], advice: str) -> dict[str, Path]:
    """Map each recording in ``data`` to its header. Raises EntryError if one of ``names`` is missing."""
    headers = {path.stem: path for path in find_recordings(data, headers_only=True)}
    if missing := [name for name in names if name not in headers]:
        raise EntryError(f"{data}: has no recording {missing[0]}; {advice}")
    return headers


def suspects(args: Namespace) -> None:
    of_model = args.out_of_fold.with_name("weights.csv")
    weights = load_weights(of_model if of_model.exists() else WEIGHTS_FILE)
    names, _, p = read_out_of_fold(args.out_of_fold, weights)
    headers = headers_by_name(args.labels, names, "give the folder the model was trained on")
    labels = np.array([weights.encode(read_header(headers[name]).diagnoses) for name in names])
    suspicion = confident_learning(labels, p)
    rows: list[Suspect] = [
        (names[i], abbreviation(weights.classes[k]), "yes" if labels[i, k] else "no", "networks", suspicion[i, k])
        for i, k in np.argwhere(suspicion > 0)
    ]
    if LAD in weights.column:
        rows += axis_suspects(names, headers, labels[:, weights.column[LAD]])
    rows.sort(key=lambda row: (row[3] != "networks", -row[4]))
    columns = ("recording", "class", "label", "method", "suspicion")
    write_csv(args.table, [columns, *((*row[:4], f"{row[4]:.4f}") for row in rows)])
    print(f"{len(rows)} suspect labels are in {args.table}; the first ones:")
    for name, class_name, label, method, value in rows[:PRINTED]:
        print(f"  {name}: {class_name} {'is' if label == 'yes' else 'is not'} labelled ({method}, {value:.2f})")


def axis_suspects(names: Sequence[str], headers: Mapping[str, Path], labels: np.ndarray) -> list[Suspect]:
    """Labels of left axis deviation that contradict the measured axis. The suspicion is the distance / 90 degrees."""
    rows: list[Suspect] = []
    for name, label in zip(progress.bar(names, len(names), "axes", "recordings"), labels):
        try:
            axis = frontal_axis(read_record(headers[name]))
        except RecordError as error:
            progress.print_line(f"skipped: {error}")
            continue
        if axis is None:
            continue
        distance = degrees_from_left_axis(axis)
        if (distance > 0) == label:
            rows.append((name, "LAD", "yes" if label else "no", f"axis {axis:.0f}", abs(distance) / 90))
    return rows


if __name__ == "__main__":
    run(main)
