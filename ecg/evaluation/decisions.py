"""The figures of a decision: how many labels it gives, whether they can be, and how often they are right."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ecg.classes import Weights
from ecg.decision.plausible import exclusions, impossible_pairs
from ecg.evaluation.bootstrap import Predictions
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


def decision_figures(weights: Weights, labels: np.ndarray, outputs: np.ndarray) -> dict[str, float]:
    """Each of FIGURES of ``outputs``; they and ``labels`` are bool (recordings, classes). NaN if one is not defined."""
    counts = confusion(labels, outputs)
    tp, true, positive = counts.tp.sum(), labels.sum(), outputs.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        right = tp / np.array([true, positive, (true + positive) / 2])
    values = (
        positive / len(labels),
        true / len(labels),
        (impossible_pairs(outputs, exclusions(weights.classes)) > 0).mean(),
        1 - outputs.any(axis=1).mean(),
        *right,
        mean(counts.f_measure),
        challenge_metric(weights, labels, outputs),
    )
    return dict(zip(FIGURES, map(float, values)))


def print_decisions(path: Path, weights: Weights, decisions: Mapping[str, Mapping[str, Predictions]]) -> None:
    """Print the figures of each decision, and write them to the csv ``path``.

    ``decisions``: for each decision, its predictions by the kind of recordings. Kinds that not all decisions have are
    left out. The figures of several runs are means over the runs.
    """
    rows: list[Sequence] = [("recordings", "number", "decision", *FIGURES)]
    first, *others = decisions.values()
    for kind in [kind for kind in first if all(kind in other for other in others)]:
        for title, chosen in _groups(kind, first[kind]).items():
            print(f"\n{f'{chosen.sum():,} {title}':44s}" + "".join(f"{name:>24s}" for name in FIGURES))
            for decision, kinds in decisions.items():
                labels, runs = kinds[kind].labels[chosen], kinds[kind].runs
                of_runs = [list(decision_figures(weights, labels, outputs[chosen]).values()) for outputs, _ in runs]
                values = np.mean(of_runs, axis=0)
                cells = [f"{value:.{places}f}" for value, places in zip(values, FIGURES.values())]
                print(f"{decision:44s}" + "".join(f"{cell:>24s}" for cell in cells))
                rows.append((title, chosen.sum(), decision, *(f"{value:.4f}" for value in values)))
    write_csv(path, rows)


def _groups(kind: str, predictions: Predictions) -> dict[str, np.ndarray]:
    """All recordings of a kind, and those of each source: bool (recordings,)."""
    sources, counts = np.unique(predictions.sources.astype(str), return_counts=True)
    groups = {kind: np.ones(len(predictions.labels), bool)}
    if len(sources) > 1:
        for source in sources[counts >= FEWEST]:
            groups[f"{kind}: {source or 'no letters'}"] = predictions.sources == source
    return groups
