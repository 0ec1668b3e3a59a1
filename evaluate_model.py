#!/usr/bin/env python
"""Score a folder of outputs:  python evaluate_model.py LABELS OUTPUTS [scores.csv [class_scores.csv]]

LABELS is the folder of the header files, OUTPUTS the folder of the driver's csv files. Prints the official figures,
those of each class, and the Challenge metric beside that of trivial outputs, with intervals. If the driver has noted
recordings that the model was trained on, it prints the metric of the others too. --classes scores a model of own
classes: their table, or the weights.csv of the model folder. --report writes a page with confidence
intervals, curves, the confusion matrix, groups, and the ECGs of the worst recordings. --leaderboard compares the metric
with the teams of 2020.
"""

import os
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from ecg import progress
from ecg.classes import ABBREVIATIONS, WEIGHTS_FILE, Weights, load_weights
from ecg.cli import ALL_WELL, Arguments, run
from ecg.data.comments import format_not_understood
from ecg.data.listing import find_recordings
from ecg.errors import EntryError, RecordError, printable
from ecg.evaluation.leaderboard import standings
from ecg.evaluation.metrics import Scores, mean, score
from ecg.evaluation.notes import read_about_model, read_trained_on
from ecg.evaluation.outputs import Evaluation, load_labels_and_outputs
from ecg.evaluation.trivial import ScoredOutputs, score_outputs, score_trivial_outputs
from ecg.files import write_text

TASK = 2000  # recordings per task of a worker process; fewer recordings are read without workers


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_either("labels", "-d", "the folder of the header files")
    arguments.add_either("outputs", "-o", "the folder of the output files")
    arguments.add_either("scores", "-s", "a csv file for the official figures", required=False)
    arguments.add_either("class_scores", "-c", "a csv file for the official figures of each class", required=False)
    arguments.add_argument("--classes", type=Path, default=WEIGHTS_FILE, help="own classes, or another weights.csv")
    arguments.add_argument("--leaderboard", action="store_true", help="compare with the 41 ranked teams of 2020")
    arguments.add_argument("--report", type=Path, metavar="REPORT.html", help="write a report as a page")
    args = arguments.parse()
    weights = load_weights(args.classes)
    if args.leaderboard and weights.classes != load_weights().classes:
        raise EntryError("--leaderboard: the teams of 2020 were scored on the Challenge's classes, not on these")
    if args.report:
        from ecg.report.evaluation import write_report  # needs packages that the image does not have
    scores, evaluation = evaluate_model(args.labels, args.outputs, weights)
    if evaluation.malformed:
        names = printable(", ".join(evaluation.malformed))
        print(f"malformed outputs count as negative in every class: {names}", file=sys.stderr)
    if evaluation.unknown_diagnoses:
        print(format_not_understood(evaluation.unknown_diagnoses), file=sys.stderr)
    if not evaluation.labels.any():
        print(f"{args.labels}: no header has a scored diagnosis, so the figures are meaningless", file=sys.stderr)
    if args.scores:
        write_text(Path(args.scores), official_figures(scores) + "\n")
    if args.class_scores:
        write_text(Path(args.class_scores), official_class_figures(scores) + "\n")
    if args.report:
        write_report(args.report, evaluation, weights, args.labels, args.outputs, args.leaderboard)
    print(official_figures(scores), end="\n\n")
    print(class_table(scores), end="\n\n")
    print("\n".join(comparison_lines(evaluation, weights)))
    if args.leaderboard:
        print("\n" + standing_table(scores.challenge_metric))
    if args.report:
        print(f"\nThe report is in {args.report}: open it in a browser.")
    return ALL_WELL


def evaluate_model(
    label_directory: str | os.PathLike, output_directory: str | os.PathLike, weights: Weights | None = None
) -> tuple[Scores, Evaluation]:
    """Score the outputs. Returns the figures, and the labels and outputs that they were computed from.

    ``weights`` has the classes and their rewards; the default is the Challenge's.
    """
    weights = weights or load_weights()
    # strings, because they are sent to a worker faster than paths
    headers = [str(path) for path in find_recordings(label_directory, headers_only=True, refuse=_not_scored)]
    tasks = [headers[start : start + TASK] for start in range(0, len(headers), TASK)]
    load = partial(load_labels_and_outputs, folder=output_directory, weights=weights)
    if len(tasks) > 1:
        with ProcessPoolExecutor() as workers:
            parts = list(progress.bar(workers.map(load, tasks), len(tasks), "reading", "batches"))
    else:
        parts = [load(tasks[0])]
    labels, outputs, scores = (np.concatenate([part[i] for part in parts]) for i in range(3))
    malformed = tuple(name for part in parts for name in part[3])
    names = read_trained_on(Path(output_directory))
    trained_on = np.array([bool(names) and printable(Path(header).stem) in names for header in headers])
    unknown = sum((part[4] for part in parts), Counter())
    about_model = read_about_model(Path(output_directory))
    evaluation = Evaluation(headers, labels, outputs, scores, malformed, unknown, trained_on, about_model)
    return score(weights, labels, outputs, scores), evaluation


def _not_scored(error: RecordError) -> None:
    print(f"not scored: {error}", file=sys.stderr)


def official_figures(scores: Scores) -> str:
    """The official table of figures: a line of names and a line of values."""
    figures = scores.official()
    return ",".join(figures) + "\n" + ",".join(f"{figure:.3f}" for figure in figures.values())


def official_class_figures(scores: Scores) -> str:
    """The official table of class figures: a line each for AUROC, AUPRC and F-measure."""
    rows = {"AUROC": scores.auroc, "AUPRC": scores.auprc, "F-measure": scores.f_measure}
    lines = [",".join(["Classes", *scores.classes])]
    return "\n".join(lines + [",".join([name, *(f"{figure:.3f}" for figure in row)]) for name, row in rows.items()])


def class_table(scores: Scores) -> str:
    """The figures of each class as a text table. A figure that is not defined is a dash."""
    columns = (scores.sensitivity, scores.specificity, scores.f_measure, scores.auroc, scores.auprc)
    rows = [("mean of the classes", tuple(mean(column) for column in columns))]
    rows += [(f"{code:>10} {ABBREVIATIONS.get(code, '')}", row) for code, row in zip(scores.classes, zip(*columns))]
    lines = [f"{'class':20s}  sensitivity  specificity  F-measure  AUROC  AUPRC"]
    for name, row in rows:
        cells = ["-" if np.isnan(figure) else f"{figure:.3f}" for figure in row]
        lines.append(f"{name:20s}  {cells[0]:>11}  {cells[1]:>11}  {cells[2]:>9}  {cells[3]:>5}  {cells[4]:>5}")
    return "\n".join(lines)


def comparison_lines(evaluation: Evaluation, weights: Weights) -> list[str]:
    """The Challenge metric with its interval, that of trivial outputs, and that of recordings new to the model."""
    labels = evaluation.labels
    number, labelled = len(labels), int(labels.any(axis=1).sum())
    scored = score_outputs("Challenge metric", weights, labels, evaluation.outputs)
    lines = [
        f"{with_interval(scored)}, on {number:,} recordings, {labelled:,} of them with a scored diagnosis",
        *(f"    {with_interval(trivial)}" for trivial in score_trivial_outputs(weights, labels)),
    ]
    if weights.normal is None:
        lines.append("Sinus rhythm is not one of the classes: the metric is the outputs' share of the labels' rewards.")
    known = evaluation.trained_on
    if known.any():
        line = f"The model was trained on {known.sum():,} of the {number:,} recordings."
        if labels[~known].any():
            others = score_outputs("Challenge metric", weights, labels[~known], evaluation.outputs[~known])
            line += f" The other {(~known).sum():,}: {with_interval(others)}"
        else:
            line += " No other recording has a scored diagnosis, so this score says nothing about new recordings."
        lines += ["", line]
    if evaluation.about_model:
        lines += ["", printable(f"Note: {evaluation.about_model}")]
    return lines


def with_interval(scored: ScoredOutputs) -> str:
    interval = (
        ""
        if np.isnan(scored.low) or scored.low == scored.high
        else f" (95 % interval {scored.low:.3f} to {scored.high:.3f})"
    )
    return f"{scored.name} {scored.metric:.3f}{interval}"


def standing_table(metric: float) -> str:
    """How many of the teams of 2020 scored higher, on each of their hidden sets, as a text table."""
    lines = ["The 41 ranked teams of 2020 on their hidden sets, which are not public:"]
    for standing in standings(metric):
        teams = f"{standing.higher:2d} of {len(standing.scores)} teams are above {metric:.3f}"
        lines.append(f"  {standing.set:22s} {teams}  (best {standing.best:.3f}, median {standing.median:.3f})")
    lines.append("Other recordings are easier or harder, so this is no rank.")
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
