"""Tables that compare recipes by their predictions for recordings that took no part in the training."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ecg.classes import Weights
from ecg.evaluation.bootstrap import FIGURES, Predictions, bootstrap_figures, figures, interval
from ecg.files import write_csv

HELD_OUT = "held-out folds of single networks"
FEWEST = 5  # recordings of a source that has a table of its own
SHOWN = ("Challenge metric", "AUROC", "AUPRC", "ECE")  # in the tables; the csv has all FIGURES

Kinds = Mapping[str, Predictions]  # one recipe's predictions by the kind of recordings


def compare(path: Path, predictions: Mapping[str, Kinds], weights: Weights) -> None:
    """Print the tables of ``predictions``, by recipe, and write all figures to the csv ``path``.

    The first recipe is the one that the others are compared with.
    """
    columns = [f"{name} {part}" for name in FIGURES for part in ("", "low", "high")]
    rows: list[list] = [["recordings", "recipe", "number", *columns]]
    recipes = list(predictions)
    for kind in predictions[recipes[0]]:
        of_kind = {recipe: kinds[kind] for recipe, kinds in predictions.items()}
        number = len(of_kind[recipes[0]].labels)
        rows += print_table(kind, recipes, number, *measure(of_kind, weights, resample=kind != HELD_OUT))
        sources, counts = np.unique(of_kind[recipes[0]].sources.astype(str), return_counts=True)
        if kind == HELD_OUT or len(sources) < 2:
            continue
        sources, counts = sources[counts >= FEWEST], counts[counts >= FEWEST]
        of_sources = []
        for seed, (source, number) in enumerate(zip(sources, counts), 1):
            of_source = {recipe: of_recipe.of_source(source) for recipe, of_recipe in of_kind.items()}
            of_sources.append(measure(of_source, weights, seed=seed))
            rows += print_table(f"{kind}: {source or 'no letters'}", recipes, number, *of_sources[-1])
        if len(of_sources) > 1:  # the largest source dominates the figures of all recordings together
            values, draws = (np.mean(column, axis=0) for column in zip(*of_sources))
            rows += print_table(f"{kind}: mean of {len(sources)} sources", recipes, counts.sum(), values, draws)
    write_csv(path, rows)


def measure(
    predictions: Kinds, weights: Weights, resample: bool = True, seed: int = 0
) -> tuple[np.ndarray, np.ndarray | None]:
    """The recipes' figures (recipes, FIGURES), and those of resamples (RESAMPLES, recipes, FIGURES).

    ``resample`` is False if the recipes do not have the same recordings, or have some several times.
    """
    values = np.array([figures(weights, of_recipe) for of_recipe in predictions.values()])
    return values, bootstrap_figures(weights, list(predictions.values()), seed) if resample else None


def print_table(
    kind: str, recipes: Sequence[str], number: int, values: np.ndarray, draws: np.ndarray | None
) -> list[list]:
    """Print the figures of ``measure`` and the differences from the first recipe; return the lines of the csv."""
    lines = [(recipe, values[i], None if draws is None else draws[:, i]) for i, recipe in enumerate(recipes)]
    if draws is not None:
        for i in range(1, len(recipes)):
            lines.append((f"  - {recipes[0]}", values[i] - values[0], draws[:, i] - draws[:, 0]))
    print(f"\n{f'{number:,} {kind}':44s}" + "".join(f"{name:>26s}" for name in SHOWN))
    rows: list[list] = []
    for name, value, drawn in lines:
        bounds = (
            [(np.nan, np.nan)] * len(FIGURES)
            if drawn is None
            else [interval(x, column) for x, column in zip(value, drawn.T)]
        )
        cells = {figure: (x, *bound) for figure, x, bound in zip(FIGURES, value, bounds)}
        form = "{:26.3f}" if drawn is None else "{:8.3f} ({:6.3f} to {:6.3f})"
        print(f"{name:44s}" + "".join(form.format(*cells[figure]) for figure in SHOWN))
        rows.append([kind, name, number, *(f"{x:.4f}" for cell in cells.values() for x in cell)])
    return rows
