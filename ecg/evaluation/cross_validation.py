"""What a cross-validation leaves: the paper's table, the mean over the folds of single models; out_of_fold.csv."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ecg.classes import Weights
from ecg.decision.expected_metric import apply_temperature, maximise_expected_metric
from ecg.decision.labels import apply_thresholds
from ecg.errors import EntryError
from ecg.evaluation.metrics import Scores, mean, score
from ecg.files import read_csv, write_csv

Figures = dict[str, dict[str, dict[str, float | None]]]  # way to the labels: figure: "mean" and "sd" over the folds


Search = Callable[[Weights, np.ndarray, np.ndarray], np.ndarray]  # weights, labels, probabilities -> thresholds


def cross_validate(
    weights: Weights,
    labels: np.ndarray,
    p: np.ndarray,
    fold_of: np.ndarray,
    searches: Mapping[str, Search],
    temperature: float,
) -> Figures:
    """The paper's table: the scores of the held-out predictions, for each method to decide the labels.

    ``labels``, bool, and the probabilities ``p`` are (recordings, classes), ``fold_of`` is (recordings,). ``searches``
    are the threshold searches by name. Their rows "on this fold" search thresholds on the recordings that they score,
    so they are optimistic, as the paper's are. The rows "on the other folds" are not; the first search has no such row.
    """
    folds = []
    for fold in range(fold_of.max() + 1):
        here, elsewhere = fold_of == fold, fold_of != fold
        thresholds: dict[str, np.ndarray | float] = {"not tuned (0.5)": 0.5}
        for name, search in searches.items():
            thresholds[f"{name}, on this fold"] = search(weights, labels[here], p[here])
        for name, search in list(searches.items())[1:]:
            thresholds[f"{name}, on the other folds"] = search(weights, labels[elsewhere], p[elsewhere])
        outputs = {method: apply_thresholds(p[here], values) for method, values in thresholds.items()}
        tempered = apply_temperature(p[here], temperature)
        outputs["highest expected metric"] = maximise_expected_metric(weights.matrix, tempered)
        folds.append({method: score(weights, labels[here], chosen, p[here]) for method, chosen in outputs.items()})
    return summarise_folds(folds)


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


def format_table(figures: Figures) -> str:
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


def write_out_of_fold(path: Path, names: Sequence[str], fold_of: np.ndarray, weights: Weights, p: np.ndarray) -> None:
    """Write a csv with each recording's fold and its probabilities by the network that did not train on it.

    ``fold_of`` (recordings,) is -1 for a recording in no fold, which is left out; ``p`` is (recordings, classes).
    """
    rows = [["record", "fold", *weights.classes]]
    for name, fold, row in zip(names, fold_of, p):
        if fold >= 0:
            rows.append([name, fold + 1, *(f"{value:.6g}" for value in row)])
    write_csv(path, rows)


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
