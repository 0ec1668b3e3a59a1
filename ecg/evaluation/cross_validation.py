"""The results of a cross-validation: the table of figures of the single models, and out_of_fold.csv."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecg.classes import Weights
from ecg.errors import EntryError
from ecg.evaluation.metrics import Scores, mean
from ecg.files import read_csv

# decision method: figure: "mean" and "sd" (standard deviation) over the folds, None if not defined
Figures = dict[str, dict[str, dict[str, float | None]]]


def summarise_folds(folds: Sequence[dict[str, Scores]]) -> Figures:
    """Summarise the scores of the folds, each given as decision method: scores."""
    return {method: _summarise([fold[method] for fold in folds]) for method in folds[0]}


def _summarise(scores: Sequence[Scores]) -> dict[str, dict[str, float | None]]:
    columns = {
        "challenge_metric": [fold.challenge_metric for fold in scores],
        "sensitivity": [mean(fold.sensitivity) for fold in scores],
        "specificity": [mean(fold.specificity) for fold in scores],
        "auroc": [mean(fold.auroc) for fold in scores],
        "auprc": [mean(fold.auprc) for fold in scores],
    }
    return {name: _mean_and_deviation(np.array(column)) for name, column in columns.items()}


def _mean_and_deviation(values: np.ndarray) -> dict[str, float | None]:
    defined = values[~np.isnan(values)]
    return {
        "mean": round(float(defined.mean()), 4) if defined.size else None,
        "sd": round(float(defined.std(ddof=1)), 4) if defined.size > 1 else None,
    }


def table(figures: Figures) -> str:
    """Format the figures as a text table. A figure that is not defined is a dash."""
    columns = "Challenge metric  sensitivity  specificity  AUROC  AUPRC   (mean over the folds)"
    lines = [f"{'decision':33s}  {columns}"]
    for method, row in figures.items():
        metric, *others = row.values()
        sensitivity, specificity, auroc, auprc = (_cell(figure["mean"]) for figure in others)
        lines.append(
            f"{method:33s}  {_cell(metric['mean']):>7} +- {_cell(metric['sd']):5}  {sensitivity:>11}  {specificity:>11}"
            f"  {auroc:>5}  {auprc:>5}"
        )
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def read_out_of_fold(path: Path, weights: Weights) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Read the recording names, folds (from 1) and probabilities (recordings, classes) of an out_of_fold.csv.

    Raises EntryError if the file cannot be read or is not the out_of_fold.csv of a model folder.
    """
    rows = read_csv(path)
    if not rows or tuple(rows[0][2:]) != weights.classes:
        raise EntryError(f"{path}: not the out_of_fold.csv of a model folder")
    names = [row[0] for row in rows[1:]]
    try:
        return names, np.array([int(row[1]) for row in rows[1:]]), np.array([row[2:] for row in rows[1:]], float)
    except (ValueError, IndexError) as error:
        raise EntryError(f"{path}: damaged ({error})") from error
