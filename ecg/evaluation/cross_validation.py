"""What a cross-validation leaves: the paper's table, the mean over the folds of single models; out_of_fold.csv."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecg.classes import Weights
from ecg.errors import EntryError
from ecg.evaluation.metrics import Scores, mean
from ecg.files import read_csv

Figures = dict[str, dict[str, dict[str, float | None]]]  # way to the labels: figure: "mean" and "sd" over the folds


def summarise_folds(folds: Sequence[dict[str, Scores]]) -> Figures:
    """The figures of ``folds``, of each its scores by the way to the labels. A figure that no fold defines is None."""
    return {way: _spread([fold[way] for fold in folds]) for way in folds[0]}


def _spread(scores: Sequence[Scores]) -> dict[str, dict[str, float | None]]:
    columns = {
        "challenge_metric": [one.challenge_metric for one in scores],
        "sensitivity": [mean(one.sensitivity) for one in scores],
        "specificity": [mean(one.specificity) for one in scores],
        "auroc": [mean(one.auroc) for one in scores],
        "auprc": [mean(one.auprc) for one in scores],
    }
    return {name: _mean_and_deviation(np.array(column)) for name, column in columns.items()}


def _mean_and_deviation(figures: np.ndarray) -> dict[str, float | None]:
    defined = figures[~np.isnan(figures)]
    return {
        "mean": round(float(defined.mean()), 4) if defined.size else None,
        "sd": round(float(defined.std(ddof=1)), 4) if defined.size > 1 else None,
    }


def table(figures: Figures) -> str:
    """For a reader; a dash where a figure is not defined."""
    columns = "Challenge metric  sensitivity  specificity  AUROC  AUPRC   (mean over the folds)"
    lines = [f"{'decided by thresholds, or by':33s}  {columns}"]
    for way, row in figures.items():
        metric, *others = row.values()
        sensitivity, specificity, auroc, auprc = (_cell(figure["mean"]) for figure in others)
        lines.append(
            f"{way:33s}  {_cell(metric['mean']):>7} +- {_cell(metric['sd']):5}  {sensitivity:>11}  {specificity:>11}"
            f"  {auroc:>5}  {auprc:>5}"
        )
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def read_out_of_fold(path: Path, weights: Weights) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Of a training's out_of_fold.csv the recordings' names, folds from 1 on, and probabilities (recordings, classes).

    EntryError where it cannot be read, or is none.
    """
    rows = read_csv(path)
    if not rows or tuple(rows[0][2:]) != weights.classes:
        raise EntryError(f"{path}: is no out_of_fold.csv of a model folder")
    names = [row[0] for row in rows[1:]]
    try:
        return names, np.array([int(row[1]) for row in rows[1:]]), np.array([row[2:] for row in rows[1:]], float)
    except (ValueError, IndexError) as error:
        raise EntryError(f"{path}: is damaged ({error})") from error
