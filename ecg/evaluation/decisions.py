"""The figures of a decision: how many labels it gives, whether they can be, and how often they are right."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ecg.classes import Weights
from ecg.decision.plausible import exclusions, impossible_pairs
from ecg.evaluation import bootstrap
from ecg.evaluation.bootstrap import Predictions, interval, patient_numbers
from ecg.evaluation.metrics import challenge_metric, confusion, mean
from ecg.files import write_csv

FIGURES = {  # name: decimal places in tables
    "labels a recording": 2,
    "true labels a recording": 2,
    "with impossible pair": 3,  # fraction of the recordings
    "inconclusive": 3,  # fraction of the recordings: no label
    "sensitivity": 3,  # of all labels together
    "PPV": 3,  # of all labels together
    "F1": 3,  # of all labels together
    "macro F1": 3,  # the official figure: the mean over the classes
    "Challenge metric": 3,
}
FEWEST = 5  # recordings of a source that is listed


def decision_figures(
    weights: Weights, labels: np.ndarray, outputs: np.ndarray, sample_weight: np.ndarray | None = None
) -> dict[str, float]:
    """Each of FIGURES of ``outputs``; they and ``labels`` are bool (recordings, classes). NaN if one is not defined.

    ``sample_weight`` (recordings,) is the weight of each recording, 1 by default.
    """
    weight = np.ones(len(labels)) if sample_weight is None else sample_weight
    counts = confusion(labels, outputs, sample_weight=weight)
    true, positive = weight @ labels.sum(axis=1), weight @ outputs.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        right = counts.tp.sum() / np.array([true, positive, (true + positive) / 2])
    values = (
        positive / weight.sum(),
        true / weight.sum(),
        np.average(impossible_pairs(outputs, exclusions(weights.classes)) > 0, weights=weight),
        1 - np.average(outputs.any(axis=1), weights=weight),
        *right,
        mean(counts.f_measure),
        challenge_metric(weights, labels, outputs, weight),
    )
    return dict(zip(FIGURES, map(float, values)))


def print_decisions(path: Path, weights: Weights, decisions: Mapping[str, Mapping[str, Predictions]]) -> None:
    """Print the figures of each decision with their 95 % intervals, and write them to the csv ``path``.

    ``decisions``: for each decision, its predictions by the kind of recordings. Kinds that not all decisions have are
    left out. The figures of several runs are means over the runs.
    """
    rows: list[Sequence] = [
        (
            "recordings",
            "number",
            "decision",
            *(f"{name} {part}".strip() for name in FIGURES for part in ("", "low", "high")),
        )
    ]
    first, *others = decisions.values()
    for kind in [kind for kind in first if all(kind in other for other in others)]:
        for title, chosen in _groups(kind, first[kind]).items():
            print(f"\n{f'{chosen.sum():,} {title}':44s}" + "".join(f"{name:>26s}" for name in FIGURES))
            for decision, kinds in decisions.items():
                figures = _with_intervals(weights, kinds[kind], chosen)
                cells = [_cell(*figure, places) for figure, places in zip(figures, FIGURES.values())]
                print(f"{decision:44s}" + "".join(f"{cell:>26s}" for cell in cells))
                rows.append(
                    (title, chosen.sum(), decision, *(f"{value:.4f}" for figure in figures for value in figure))
                )
    write_csv(path, rows)


def _with_intervals(weights: Weights, predictions: Predictions, chosen: np.ndarray) -> list[tuple[float, float, float]]:
    """Each figure of the ``chosen`` recordings, with its 95 % interval by a bootstrap over the patients."""
    labels, runs = predictions.labels[chosen], [outputs[chosen] for outputs, _ in predictions.runs]

    def figures(sample_weight: np.ndarray | None = None) -> np.ndarray:
        return np.mean([list(decision_figures(weights, labels, run, sample_weight).values()) for run in runs], axis=0)

    patient = patient_numbers(predictions)[chosen]
    rng = np.random.default_rng(0)
    resamples = [figures(rng.standard_exponential(patient.max() + 1)[patient]) for _ in range(bootstrap.RESAMPLES)]
    return [(value, *interval(value, column)) for value, column in zip(figures(), np.transpose(resamples))]


def _cell(value: float, low: float, high: float, places: int) -> str:
    return f"{value:.{places}f} ({low:.{places}f} to {high:.{places}f})"


def _groups(kind: str, predictions: Predictions) -> dict[str, np.ndarray]:
    """All recordings of a kind, and those of each source: bool (recordings,)."""
    sources, counts = np.unique(predictions.sources.astype(str), return_counts=True)
    groups = {kind: np.ones(len(predictions.labels), bool)}
    if len(sources) > 1:
        for source in sources[counts >= FEWEST]:
            groups[f"{kind}: {source or 'no letters'}"] = predictions.sources == source
    return groups
