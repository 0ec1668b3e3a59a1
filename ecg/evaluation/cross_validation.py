"""The results of a cross-validation: the table of figures of the single models, and out_of_fold.csv."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ecg.classes import Weights
from ecg.decision.clinical import clinical_thresholds, decide_clinically
from ecg.decision.hospitals import Hospitals
from ecg.decision.labels import apply_thresholds, highest_expected_metric
from ecg.errors import EntryError
from ecg.evaluation.decisions import decision_figures
from ecg.evaluation.metrics import confusion, mean, score
from ecg.files import read_csv, write_csv
from ecg.recipe import Recipe

# decision method: figure: "mean" and "sd" (standard deviation) over the folds, None if not defined
Figures = dict[str, dict[str, dict[str, float | None]]]
COLUMNS = {  # figure: its title in the table; a fraction of recordings, or a mean over the classes
    "challenge_metric": "Challenge metric",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ppv": "  PPV",
    "f_measure": "   F1",
    "labels": "labels a recording",
    "impossible": "impossible pairs",
    "auroc": "AUROC",
    "auprc": "AUPRC",
}
Search = Callable[[Weights, np.ndarray, np.ndarray], np.ndarray]  # weights, labels, probabilities -> thresholds


def cross_validate(
    recipe: Recipe,
    weights: Weights,
    labels: np.ndarray,
    p: np.ndarray,
    fold_of: np.ndarray,
    searches: Mapping[str, Search],
    hospitals: Hospitals | None = None,
) -> Figures:
    """The paper's table: the scores of the held-out predictions, for each method to decide the labels.

    ``labels``, bool, and the probabilities ``p`` are (recordings, classes), ``fold_of`` is (recordings,). ``searches``
    are the threshold searches by name. Their rows "on this fold" search thresholds on the recordings that they score,
    so they are optimistic, as the paper's are. The rows "on the other folds" are not; the first search has no such row.
    The clinical thresholds are searched on the other folds. ``hospitals`` are those of ``decide_labels``.
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
        outputs["highest expected metric"] = highest_expected_metric(recipe, weights.matrix, p[here], hospitals)
        clinical = clinical_thresholds(recipe, labels[elsewhere], p[elsewhere])
        outputs["clinical, on the other folds"] = decide_clinically(weights.classes, p[np.newaxis, here], clinical)[0]
        folds.append({method: _figures(weights, labels[here], chosen, p[here]) for method, chosen in outputs.items()})
    return {
        method: {name: _mean_and_deviation(np.array([fold[method][name] for fold in folds])) for name in COLUMNS}
        for method in folds[0]
    }


def _figures(weights: Weights, labels: np.ndarray, outputs: np.ndarray, p: np.ndarray) -> dict[str, float]:
    scores, decided = score(weights, labels, outputs, p), decision_figures(weights, labels, outputs)
    return {
        "challenge_metric": scores.challenge_metric,
        "sensitivity": mean(scores.sensitivity),
        "specificity": mean(scores.specificity),
        "ppv": mean(confusion(labels, outputs).ppv),
        "f_measure": mean(scores.f_measure),
        "labels": decided["labels a recording"],
        "impossible": decided["with impossible pair"],
        "auroc": mean(scores.auroc),
        "auprc": mean(scores.auprc),
    }


def _mean_and_deviation(values: np.ndarray) -> dict[str, float | None]:
    defined = values[~np.isnan(values)]
    return {
        "mean": round(float(defined.mean()), 4) if defined.size else None,
        "sd": round(float(defined.std(ddof=1)), 4) if defined.size > 1 else None,
    }


def format_table(figures: Figures) -> str:
    """Format the figures as a text table. A figure that is not defined is a dash."""
    lines = [f"{'decision':33s}  " + "  ".join(COLUMNS.values()) + "   (mean over the folds)"]
    for method, row in figures.items():
        metric = row["challenge_metric"]
        cells = [f"{_cell(metric['mean']):>7} +- {_cell(metric['sd']):5}"]
        cells += [f"{_cell(row[name]['mean']):>{len(title)}}" for name, title in list(COLUMNS.items())[1:]]
        lines.append(f"{method:33s}  " + "  ".join(cells))
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def write_out_of_fold(path: Path, names: Sequence[str], fold_of: np.ndarray, weights: Weights, p: np.ndarray) -> None:
    """Write a csv with each recording's fold and its probabilities by the network that did not train on it.

    ``fold_of`` is (recordings,), ``p`` (recordings, classes).
    """
    rows = [["recording", "fold", *weights.classes]]
    for name, fold, row in zip(names, fold_of, p):
        rows.append([name, fold + 1, *(f"{value:.6g}" for value in row)])
    write_csv(path, rows)


def read_out_of_fold(path: Path, weights: Weights) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Read the recording names, folds (from 1) and probabilities (recordings, classes) of an out_of_fold.csv.

    Raises EntryError if the file cannot be read or is not the out_of_fold.csv of a model folder.
    """
    rows = read_csv(path)
    if not rows or tuple(rows[0][2:]) != weights.classes:
        raise EntryError(f"{path}: not the out_of_fold.csv of a model folder with these classes")
    names = [row[0] for row in rows[1:]]
    try:
        return names, np.array([int(row[1]) for row in rows[1:]]), np.array([row[2:] for row in rows[1:]], float)
    except (ValueError, IndexError) as error:
        raise EntryError(f"{path}: damaged ({error}); copy it again, or train again") from error
