#!/usr/bin/env python
"""Measure what few recordings of a hospital are worth to a model:  python benchmarks/adapting.py DATA PREDICTIONS

PREDICTIONS is the folder of a recipe that tools/validate.py DATA RESULTS RECIPE --by source has left in RESULTS: the
probabilities of each source, by a model that was not trained on it. For each source, some recordings are drawn at
random as the labelled ones. The model is adapted by them as tools/adapt.py does it. Of the other recordings at most
SCORED, also drawn, are scored with the model and with the adapted model. Other tables compare further rules; those of
--unlabelled do not use the labels, and one of them is adapted by the scored recordings themselves.

Besides the sources: the small ones together, each by its own model; and held-out recordings of sources that a model
knows, where an adaptation can only do harm. The 95 % intervals are over the draws, each with random weights of the
scored recordings (as in ecg/evaluation/bootstrap.py). "Lose" is the share of the draws with a lower metric than without
adaptation.
"""

import json
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ecg import progress
from ecg.classes import Weights, load_weights
from ecg.cli import ALL_WELL, Arguments, run
from ecg.data.header import read_header
from ecg.data.listing import find_recordings
from ecg.decision.adaptation import (
    FREQUENCY_DEVIATION,
    cross_validated,
    shifted,
    shifts_by_frequencies,
    shifts_by_labels,
    shifts_by_recordings,
)
from ecg.decision.clinical import clinical_thresholds, decide_clinically
from ecg.decision.hospitals import Hospitals
from ecg.decision.labels import decide_labels
from ecg.errors import EntryError
from ecg.evaluation.decisions import decision_figures
from ecg.evaluation.metrics import challenge_metric
from ecg.recipe import Recipe
from ecg.training.hospitals import likely_hospitals

NUMBERS = (10, 25, 50, 100, 200)  # labelled recordings
SCORED = 400  # recordings at most, because a decision takes a third of a millisecond
OTHER_RULES = 20  # draws at most for the rules that tools/adapt.py does not have
FEWEST_SCORED = 10
LARGE = 400  # recordings; smaller sources count as one hospital too
RULE, FREQUENCIES, UNLABELLED = "tools/adapt.py", "tools/adapt.py --frequencies", "tools/adapt.py --unlabelled"
ITSELF = f"{UNLABELLED}, by the scored recordings themselves"
IF_GAINED = f"{RULE}, if cross-validation gains"
NO_PRIOR = 100.0  # a deviation
SMALL, KNOWN = "the small sources together", "sources that the model knows"


class Hospital(NamedTuple):
    """Recordings, and what a model says of them: ``p`` is (networks, recordings, classes)."""

    labels: np.ndarray
    p: np.ndarray
    thresholds: np.ndarray  # (networks, classes)
    clinical: np.ndarray  # (classes,)
    likely: Hospitals | None  # the hospitals that a recording may come from, as the model knows them
    usual: np.ndarray  # (classes,): the mean probabilities where the model was trained


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("data", type=Path, help="the folder of recordings that was validated on")
    arguments.add_argument("predictions", type=Path, help="RESULTS/RECIPE of tools/validate.py --by source")
    arguments.add_argument("--draws", type=int, default=100, help="draws of labelled recordings (100)")
    arguments.add_argument("--picture", type=Path, help="draw the curves of the metric here (png or svg)")
    args = arguments.parse()
    weights = load_weights()
    recipe = Recipe.from_json(json.loads((args.predictions / "validation.json").read_text())["recipe"])
    hospitals = read_hospitals(args.data, args.predictions, recipe, weights)
    tasks = [
        (name, number, draw)
        for name, hospital in hospitals.items()
        for number in NUMBERS
        if number + FEWEST_SCORED <= len(hospital.labels)
        for draw in range(args.draws)
    ]
    with ProcessPoolExecutor() as workers:
        of_task = workers.map(partial(try_rules, hospitals, recipe, weights), tasks, chunksize=5)
        results = list(progress.bar(of_task, len(tasks), "adapting", "draws"))
    figures: dict[tuple[str, int], list[dict[str, np.ndarray]]] = {}
    for (name, number, _), result in zip(tasks, results):
        figures.setdefault((name, number), []).append(result)
    print_curve(hospitals, figures)
    print_rules(hospitals, figures)
    if args.picture:
        draw(args.picture, hospitals, figures)
    return ALL_WELL


def read_hospitals(data: Path, predictions: Path, recipe: Recipe, weights: Weights) -> dict[str, Hospital]:
    """The sources left out with enough recordings, the largest first; then the small ones together; then known ones."""
    headers = [read_header(path) for path in find_recordings(data, headers_only=True)]
    labels = np.array([weights.encode(header.diagnoses) for header in headers])
    sources = np.array([header.source for header in headers])[labels.any(axis=1)]
    labels = labels[labels.any(axis=1)]  # as a training takes them
    left_out, known = {}, []
    for path in sorted(predictions.glob("seed 0 *.npz")):
        name = path.stem.removeprefix("seed 0 ")
        with np.load(path) as stored:
            part = dict(stored)
        if max(part["test"].max(), part["held_out"].max()) >= len(labels) or set(sources[part["test"]]) != {name}:
            raise EntryError(f"{path}: predicts other recordings than those of {data}")
        home = labels[part["held_out"]], part["held_out_p"]
        clinical = clinical_thresholds(recipe, *home)
        likely = likely_hospitals(recipe, weights, labels[sources != name], {name})
        usual = home[1].mean(axis=0)
        left_out[name] = Hospital(labels[part["test"]], part["p"], part["thresholds"], clinical, likely, usual)
        known.append(Hospital(home[0], home[1][np.newaxis], part["thresholds"][:1], clinical, likely, usual))
    if not left_out:
        raise EntryError(f"{predictions}: holds no predictions of sources left out")
    small = {name: hospital for name, hospital in left_out.items() if len(hospital.labels) < LARGE}
    enough = [name for name, hospital in left_out.items() if len(hospital.labels) >= NUMBERS[0] + FEWEST_SCORED]
    hospitals = {name: left_out[name] for name in sorted(enough, key=lambda name: -len(left_out[name].labels))}
    if (
        len(small) > 1
    ):  # their thresholds are of several models: the labels of a vote would be wrong, "expected" has none
        together = np.concatenate([hospital.labels for hospital in small.values()])
        p = np.concatenate([hospital.p for hospital in small.values()], axis=1)
        first, others = next(iter(small.values())), labels[~np.isin(sources, list(small))]
        likely = likely_hospitals(recipe, weights, others, small)
        usual = np.mean([hospital.usual for hospital in small.values()], axis=0)
        hospitals[SMALL] = Hospital(together, p, first.thresholds, first.clinical, likely, usual)
    return hospitals | {KNOWN: max(known, key=lambda hospital: len(hospital.labels))}


Rule = Callable[[np.ndarray, np.ndarray], np.ndarray]  # p (networks, recordings, classes), labels -> shifts (classes,)


def rules(whole: np.ndarray) -> dict[str, Rule]:
    """The rules by name. ``whole`` are the labels of all the hospital's recordings: its known frequencies."""

    def estimated_frequency(p: np.ndarray, labels: np.ndarray) -> np.ndarray:
        weight = 30  # recordings that the model's own frequencies count as
        mean = p.mean(axis=(0, 1))
        return shifts_by_frequencies(p, (labels.sum(axis=0) + weight * mean) / (len(labels) + weight), NO_PRIOR)

    def frequent_classes(p: np.ndarray, labels: np.ndarray) -> np.ndarray:
        most = np.maximum(labels.sum(axis=0), p.mean(axis=0).sum(axis=0))
        return np.where(most >= 3, shifts_by_labels(p, labels), 0)

    def one_shift(p: np.ndarray, labels: np.ndarray) -> np.ndarray:
        every = shifts_by_labels(p.reshape(len(p), -1, 1), labels.reshape(-1, 1))
        return np.repeat(every, labels.shape[1])

    def known_frequencies(p: np.ndarray, _: np.ndarray, deviation: float = FREQUENCY_DEVIATION) -> np.ndarray:
        return shifts_by_frequencies(p, whole.mean(axis=0), deviation)

    return {
        RULE: shifts_by_labels,
        "prior deviation 0.5": partial(shifts_by_labels, deviation=0.5),
        "prior deviation 2": partial(shifts_by_labels, deviation=2.0),
        "no prior": partial(shifts_by_labels, deviation=NO_PRIOR),
        "frequencies drawn to the model's (30)": estimated_frequency,
        "only classes with 3 or more": frequent_classes,
        "one shift for all classes": one_shift,
        FREQUENCIES: known_frequencies,
        "known frequencies, prior deviation 1": partial(known_frequencies, deviation=1.0),
        "known frequencies, no prior": partial(known_frequencies, deviation=NO_PRIOR),
    }


def try_rules(
    hospitals: dict[str, Hospital], recipe: Recipe, weights: Weights, task: tuple[str, int, int]
) -> dict[str, np.ndarray]:
    """For each rule: the metric, the metric with random weights, and F1 of the clinical labels (NaN if left out)."""
    name, number, draw_number = task
    hospital = hospitals[name]
    rng = np.random.default_rng([number, draw_number])
    order = rng.permutation(len(hospital.labels))
    few, others = order[:number], order[number : number + SCORED]
    weight = rng.standard_exponential(len(others))

    def decide(p: np.ndarray, likely: Hospitals | None = None) -> np.ndarray:
        return decide_labels(recipe, weights.matrix, p, hospital.thresholds, likely)[0]

    def figures(shifts: np.ndarray, clinically: bool, likely: Hospitals | None = None) -> np.ndarray:
        labels, p = hospital.labels[others], shifted(hospital.p[:, others], shifts)
        outputs, f1 = decide(p, likely), np.nan
        if clinically:
            chosen = decide_clinically(weights.classes, p, hospital.clinical)[0]
            f1 = decision_figures(weights, labels, chosen)["F1"]
        weighted = challenge_metric(weights, labels, outputs, weight)
        return np.array([challenge_metric(weights, labels, outputs), weighted, f1])

    p, labels = hospital.p[:, few], hospital.labels[few]
    results = {"": figures(np.zeros(labels.shape[1]), True, hospital.likely)}
    for rule, find in rules(hospital.labels).items():
        if draw_number < OTHER_RULES or rule in (RULE, FREQUENCIES):
            results[rule] = figures(find(p, labels), rule == RULE)
    for rule, chosen in {UNLABELLED: few, ITSELF: others}.items():
        shifts = shifts_by_recordings(hospital.p[:, chosen], weights.classes, hospital.usual)
        results[rule] = figures(shifts, False, hospital.likely)
    decided = decide(p, hospital.likely), decide(cross_validated(p, labels))
    before, after = (challenge_metric(weights, labels, outputs) for outputs in decided)
    results[IF_GAINED] = results[RULE if after > before else ""]
    return results


def print_curve(hospitals: dict[str, Hospital], figures: dict[tuple[str, int], list[dict[str, np.ndarray]]]) -> None:
    print("| Hospital | Labelled | Metric before | After | Difference | Lose | F1 of clinical labels |")
    print("|---" * 7 + "|")
    for (name, number), draws in figures.items():
        before, after = (np.array([result[rule] for result in draws]) for rule in ("", RULE))
        value, low, high = difference(draws, RULE)
        title = f"{name} ({len(hospitals[name].labels):,})" if number == NUMBERS[0] else ""
        clinical = (after - before)[:, 2].mean()
        print(
            f"| {title} | {number} | {before[:, 0].mean():.3f} | {after[:, 0].mean():.3f} | {value:.3f} ({low:.3f} to "
            f"{high:.3f}) | {lose(draws, RULE)} | {before[:, 2].mean():.3f}, {clinical:+.3f} |"
        )


def print_rules(hospitals: dict[str, Hospital], figures: dict[tuple[str, int], list[dict[str, np.ndarray]]]) -> None:
    names = next(iter(figures.values()))[0]
    for name in hospitals:
        numbers = [number for of, number in figures if of == name]
        print(f"\n{name}: mean difference and share of draws that lose, by the number of labelled recordings\n")
        print("| Rule | " + " | ".join(map(str, numbers)) + " |")
        print("|---" * (len(numbers) + 1) + "|")
        for rule in list(names)[1:]:
            cells = []
            for number in numbers:
                draws = figures[name, number]
                cells.append(f"{difference(draws, rule)[0]:.3f}, {lose(draws, rule)}")
            print(f"| {rule} | " + " | ".join(cells) + " |")


def difference(draws: list[dict[str, np.ndarray]], rule: str) -> tuple[float, float, float]:
    """The mean difference of the metric to no adaptation, and its interval over draws and scored recordings."""
    gained = np.array([result[rule] - result[""] for result in draws if rule in result])
    return gained[:, 0].mean(), *np.quantile(gained[:, 1], (0.025, 0.975))


def lose(draws: list[dict[str, np.ndarray]], rule: str) -> str:
    return f"{np.mean([result[rule][0] < result[''][0] for result in draws if rule in result]):.0%}".replace("%", " %")


def draw(
    path: Path, hospitals: dict[str, Hospital], figures: dict[tuple[str, int], list[dict[str, np.ndarray]]]
) -> None:
    from matplotlib.figure import Figure

    from ecg.report.paper import save_figure

    shown = [name for name in hospitals if len(hospitals[name].labels) > NUMBERS[2]]
    figure = Figure(figsize=(3.2 * len(shown), 3.6), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(shown), sharey=True, squeeze=False)[0], shown):
        numbers = [number for of, number in figures if of == name]
        low, high = np.array([difference(figures[name, number], RULE)[1:] for number in numbers]).T
        axes.fill_between(numbers, low, high, color="C0", alpha=0.2, linewidth=0, label="95 % interval")
        for rule, style in {RULE: "C0o-", FREQUENCIES: "C2s--"}.items():
            axes.plot(numbers, [difference(figures[name, number], rule)[0] for number in numbers], style, label=rule)
        axes.axhline(0, color="0.4", linewidth=1)
        axes.set(title=f"{name}\n({len(hospitals[name].labels):,} recordings)", xscale="log", xlabel="recordings")
        axes.title.set_fontsize("medium")
        axes.set_xticks(numbers, map(str, numbers))
        axes.minorticks_off()
    figure.axes[0].set_ylabel("gain of the Challenge metric")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    save_figure(figure, path)


if __name__ == "__main__":
    run(main)
