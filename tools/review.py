#!/usr/bin/env python
"""Are the labels right? Let readers decide, blind, and measure how far they agree.

    python tools/review.py sample LABELS OUTPUTS STUDY --class LAD --records 100
    python tools/review.py agree STUDY/key.csv form-of-anna.csv form-of-ben.csv
    python tools/review.py suspects LABELS model/out_of_fold.csv suspects.csv

sample draws recordings whose output for a class is not their label, and --controls others, and writes
STUDY/booklet.html: their ECGs in random order, without names and labels, with a form to fill in there (it opens without
a network; what is filled in is kept in the browser, and saved as a csv), and STUDY/form.csv for those who prefer a
spreadsheet. Give the readers these two. STUDY/key.csv says which recording is which: keep it from them.

agree gives Cohen's kappa, with its interval, between each reader and the labels and between the readers, how often
they agree, the tables, and the recordings whose label all readers overturn. --apply DATA FOLDER writes corrected copies
of their headers to FOLDER, never in place.

suspects ranks labels without a reader: by the probabilities of networks that did not learn from the recording (a
training leaves them in its model folder), and for left axis deviation by the axis measured in leads I and aVF.
"""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the project's root, for a call from anywhere

from ecg import progress
from ecg.classes import abbreviation, find_class, load_weights
from ecg.cli import ALL_WELL, Arguments, run
from ecg.data.header import read_header
from ecg.data.listing import find_headers
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
from ecg.labels.suspects import confident_learning, frontal_axis, off_left_axis

LAD = "39732003"
SHOWN = 20


def main() -> int:
    arguments = Arguments(__doc__)
    actions = arguments.add_subparsers(required=True, metavar="sample | agree | suspects", parser_class=ArgumentParser)

    one = actions.add_parser("sample", help="a blinded booklet of misclassified recordings")
    one.add_argument("labels", type=Path, help="the folder of the recordings, with their labels")
    one.add_argument("outputs", type=Path, help="the folder of an entry's outputs for them")
    one.add_argument("study", type=Path, help="a new folder for the booklet, the form and the key")
    one.add_argument("--class", dest="classes", action="append", required=True, help="LAD, say; may be given again")
    one.add_argument("--records", type=int, default=100, help="how many misclassified recordings (100)")
    one.add_argument("--controls", type=int, default=0, help="how many others (0)")
    one.add_argument("--seed", type=int, default=0, help="of the draw and the order (0)")
    one.set_defaults(action=sample)

    one = actions.add_parser("agree", help="how far readers and labels agree")
    one.add_argument("key", type=Path, help="the study's key.csv")
    one.add_argument("forms", type=Path, nargs="+", help="a csv of each reader")
    one.add_argument("--apply", type=Path, nargs=2, metavar=("DATA", "FOLDER"), help="write corrected headers")
    one.set_defaults(action=agree)

    one = actions.add_parser("suspects", help="labels that are probably wrong, the most suspect first")
    one.add_argument("labels", type=Path, help="the folder of the recordings, with their labels")
    one.add_argument("out_of_fold", type=Path, help="out_of_fold.csv of a model trained on them")
    one.add_argument("table", type=Path, help="the csv to write")
    one.set_defaults(action=suspects)

    given = arguments.parse()
    given.action(given)
    return ALL_WELL


def sample(given: Namespace) -> None:
    from ecg.report.booklet import write_booklet

    weights = load_weights()
    columns = list(dict.fromkeys(find_class(weights.classes, name) for name in given.classes))
    classes = [abbreviation(weights.classes[column]) for column in columns]
    headers = [str(path) for path in find_headers(given.labels, headers_only=True)]
    labels, outputs, _, malformed = load_labels_and_outputs(headers, given.outputs, weights)
    if given.study.exists() and any(given.study.iterdir()):
        raise EntryError(f"{given.study}: is not empty; give a new folder, or a study would be mixed with another")
    usable = np.array([Path(header).stem not in malformed for header in headers])
    while True:  # until all that are drawn can be read: what the driver could not read was not misclassified
        rows = np.flatnonzero(usable)
        of_study = labels[np.ix_(rows, columns)], outputs[np.ix_(rows, columns)]
        rows = rows[draw(*of_study, given.records, given.controls, given.seed)]
        records = read_readable([headers[row] for row in rows])
        if len(records) == len(rows):
            break
        usable[[row for row in rows if headers[row] not in records]] = False
    given.study.mkdir(parents=True, exist_ok=True)
    write_booklet(given.study / "booklet.html", list(records.values()), classes)
    empty = [(number, *("" for _ in classes), "") for number in range(1, len(rows) + 1)]
    write_csv(given.study / "form.csv", [("number", *classes, "comment"), *empty])
    key = given.study / "key.csv"
    write_key(key, [Path(headers[row]).stem for row in rows], classes, labels[np.ix_(rows, columns)])
    print(f"{len(rows)} recordings are in {given.study / 'booklet.html'}; keep {key} from the readers.")


def read_readable(headers: Sequence[str]) -> dict[str, Record]:
    """The recordings that can be read, by their headers; the others are named."""
    records = {}
    for header in progress.bar(headers, len(headers), "reading", "recordings"):
        try:
            records[header] = read_record(header)
        except RecordError as error:
            progress.print_line(f"left out: {error}")
    return records


def agree(given: Namespace) -> None:
    key = read_key(given.key)
    names = [form.stem for form in given.forms]
    if len(set(names)) < len(names):
        raise EntryError("two forms have the same name; name each after its reader")
    readers = dict(zip(names, (read_form(form, key) for form in given.forms)))
    everyone = {"labels": key.labels.astype(int), **readers}
    for k, name in enumerate(key.classes):
        print(f"\n{name}")
        for one, other in combinations(everyone, 2):
            print(told(one, other, agreement(everyone[one][:, k], everyone[other][:, k])))
    changed = overturned(key.labels, list(readers.values()))
    print(f"\n{changed.any(axis=1).sum()} of {len(key.names)} recordings have a label that all readers overturn:")
    for row in np.flatnonzero(changed.any(axis=1)):
        said = [f"{'no ' if key.labels[row, k] else ''}{key.classes[k]}" for k in np.flatnonzero(changed[row])]
        print(f"  {key.names[row]}: {', '.join(said)}")
    if given.apply:
        data, folder = given.apply
        headers = {path.stem: path for path in find_headers(data, headers_only=True)}
        if missing := [name for name in key.names if name not in headers]:
            raise EntryError(f"{data}: has no recording {missing[0]}; give the folder the labels came from")
        changes = {
            headers[key.names[row]]: [
                correction(key.classes[k], not key.labels[row, k]) for k in np.flatnonzero(of_row)
            ]
            for row, of_row in enumerate(changed)
            if of_row.any()
        }
        correct_headers(data, folder, changes)
        print(f"Their corrected headers are in {folder}.")


def correction(name: str, is_so: bool) -> Correction:
    weights = load_weights()
    column = find_class(weights.classes, name)
    same = [code for code, of in weights.column.items() if of == column]
    return Correction(is_so, weights.classes[column], same)


def told(one: str, other: str, found: Agreement) -> str:
    (no_no, no_yes), (yes_no, yes_yes) = found.table
    return (
        f"  {one} and {other}: kappa {found.kappa:.3f} ({found.low:.3f} to {found.high:.3f}), {found.raw:.1%} alike"
        f" of {found.table.sum()}; both yes {yes_yes}, both no {no_no}, only {one} {yes_no}, only {other} {no_yes}"
    )


def suspects(given: Namespace) -> None:
    weights = load_weights()
    names, _, p = read_out_of_fold(given.out_of_fold, weights)
    headers = {path.stem: path for path in find_headers(given.labels, headers_only=True)}
    if missing := [name for name in names if name not in headers]:
        raise EntryError(f"{given.labels}: has no recording {missing[0]}; give the folder the model was trained on")
    labels = np.array([weights.encode(read_header(headers[name]).diagnoses) for name in names])
    suspicion = confident_learning(labels, p)
    rows = [
        (names[i], abbreviation(weights.classes[k]), "yes" if labels[i, k] else "no", "networks", suspicion[i, k])
        for i, k in np.argwhere(suspicion > 0)
    ]
    if LAD in weights.column:
        rows += left_axis(names, headers, labels[:, weights.column[LAD]])
    rows.sort(key=lambda row: (row[3] != "networks", -row[4]))
    columns = ("recording", "class", "label", "by", "suspicion")
    write_csv(given.table, [columns, *((*row[:4], f"{row[4]:.4f}") for row in rows)])
    print(f"{len(rows)} suspect labels are in {given.table}; the first of them:")
    for name, class_, label, by, much in rows[:SHOWN]:
        print(f"  {name}: {class_} {'is' if label == 'yes' else 'is not'} labelled ({by}, {much:.2f})")


def left_axis(names, headers, labels) -> list[tuple[str, str, str, str, float]]:
    """Labels of left axis deviation that the measured axis contradicts; how far, in parts of 90 degrees."""
    rows = []
    for name, label in zip(progress.bar(names, len(names), "axes", "recordings"), labels):
        try:
            axis = frontal_axis(read_record(headers[name]))
        except RecordError as error:
            progress.print_line(f"left out: {error}")
            continue
        if axis is not None and (off_left_axis(axis) > 0) == label:
            rows.append((name, "LAD", "yes" if label else "no", f"axis {axis:.0f}", abs(off_left_axis(axis)) / 90))
    return rows


if __name__ == "__main__":
    run(main)
