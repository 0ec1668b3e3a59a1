#!/usr/bin/env python
"""Score a folder of outputs:  python evaluate_model.py LABELS OUTPUTS [scores.csv [class_scores.csv]]

LABELS is the folder of the recordings' headers, OUTPUTS that of the driver's csv files. Prints the official figures,
the paper's sensitivity and specificity beside them, and where the score would stand among the teams of 2020.
--report writes a page to look at: intervals, curves, confusions, groups, and the ECGs of the worst recordings.
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from ecg import progress
from ecg.classes import ABBREVIATIONS, load_weights
from ecg.cli import ALL_WELL, Arguments, run
from ecg.data.listing import find_headers
from ecg.errors import RecordError, printable
from ecg.evaluation.leaderboard import standings
from ecg.evaluation.metrics import Scores, mean, score
from ecg.evaluation.outputs import Evaluation, load_labels_and_outputs
from ecg.files import write_text

TASK = 2000  # recordings a worker reads before it hands them over; for fewer none is started


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_either("labels", "-d", "the folder of the recordings' headers")
    arguments.add_either("outputs", "-o", "the folder of their outputs")
    arguments.add_either("scores", "-s", "a csv for the official figures", required=False)
    arguments.add_either("class_scores", "-c", "a csv for the official figures of each class", required=False)
    arguments.add_argument("--report", type=Path, metavar="REPORT.html", help="a page of all this and more")
    given = arguments.parse()
    scores, judged = evaluate_model(given.labels, given.outputs)
    if judged.malformed:
        names = printable(", ".join(judged.malformed))
        print(f"malformed, so counted as negative in every class: {names}", file=sys.stderr)
    if not judged.labels.any():
        print(f"{given.labels}: no header says a scored diagnosis, so the score says nothing", file=sys.stderr)
    print(official_figures(scores), end="\n\n")
    print(class_table(scores), end="\n\n")
    print(standing_table(scores.challenge_metric))
    if given.scores:
        write_text(Path(given.scores), official_figures(scores) + "\n")
    if given.class_scores:
        write_text(Path(given.class_scores), official_class_figures(scores) + "\n")
    if given.report:
        from ecg.report.evaluation import write_report  # needs what the image has not

        write_report(given.report, judged, given.labels, given.outputs)
        print(f"\nThe report is {given.report}: open it in a browser.")
    return ALL_WELL


def evaluate_model(label_directory, output_directory) -> tuple[Scores, Evaluation]:
    """Every figure of the outputs against the labels, and these themselves."""
    weights = load_weights()
    # text is handed to a worker faster than a Path
    headers = [str(path) for path in find_headers(label_directory, headers_only=True, refuse=_not_scored)]
    tasks = [headers[start : start + TASK] for start in range(0, len(headers), TASK)]
    load = partial(load_labels_and_outputs, folder=output_directory, weights=weights)
    if len(tasks) > 1:
        with ProcessPoolExecutor() as workers:
            parts = list(progress.bar(workers.map(load, tasks), len(tasks), "reading", "batches"))
    else:
        parts = [load(tasks[0])]
    *arrays, malformed = zip(*parts)
    judged = Evaluation(headers, *map(np.concatenate, arrays), sum(malformed, ()))
    return score(weights, judged.labels, judged.outputs, judged.scores), judged


def _not_scored(error: RecordError) -> None:
    print(f"not scored: {error}", file=sys.stderr)


def official_figures(scores: Scores) -> str:
    """The official table: a header and a line of figures."""
    figures = scores.official()
    return ",".join(figures) + "\n" + ",".join(f"{figure:.3f}" for figure in figures.values())


def official_class_figures(scores: Scores) -> str:
    """The official table of the classes: AUROC, AUPRC and F-measure, a line each."""
    rows = {"AUROC": scores.auroc, "AUPRC": scores.auprc, "F-measure": scores.f_measure}
    lines = [",".join(["Classes", *scores.classes])]
    return "\n".join(lines + [",".join([name, *(f"{figure:.3f}" for figure in row)]) for name, row in rows.items()])


def class_table(scores: Scores) -> str:
    """The figures of each class for a reader; a dash where one is not defined, as without a positive label."""
    columns = (scores.sensitivity, scores.specificity, scores.f_measure, scores.auroc, scores.auprc)
    rows = [("mean of the classes", [mean(column) for column in columns])]
    rows += [(f"{code:>10} {ABBREVIATIONS.get(code, '')}", row) for code, *row in zip(scores.classes, *columns)]
    lines = [f"{'class':20s}  sensitivity  specificity  F-measure  AUROC  AUPRC"]
    for name, row in rows:
        cells = ["-" if np.isnan(figure) else f"{figure:.3f}" for figure in row]
        lines.append(f"{name:20s}  {cells[0]:>11}  {cells[1]:>11}  {cells[2]:>9}  {cells[3]:>5}  {cells[4]:>5}")
    return "\n".join(lines)


def standing_table(metric: float) -> str:
    lines = [
        f"Challenge metric {metric:.3f}: its place among the 41 ranked teams of 2020, had it been reached on their"
    ]
    lines += [
        f"  {standing.set:22s} {standing.place:3d}  (best {standing.best:.3f}, median {standing.median:.3f})"
        for standing in standings(metric)
    ]
    lines.append("Those sets are hidden: the score of another folder, easier or harder than theirs, is no rank.")
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
