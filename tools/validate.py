#!/usr/bin/env python
"""What a recipe is worth on recordings and hospitals it has not seen:

    python tools/validate.py DATA RESULTS --by fold|source published best,width=32,epochs=10 ...

DATA is dealt into parts: folds, or by source (the letters a record's name begins with). For each part in turn a model
is made of the others, just as train_model.py makes it, with folds of its own, and answers for the part, of which it has
seen no recording. The tables give the official figures on those recordings, all together, by source, and as the mean of
the sources, where a small one counts as much as a large one, beside those of its single networks on the folds held out
from them: where these chose epochs and thresholds, what is between the two is optimism. (Networks are calibrated on
each other's folds; with --members 1 there is no other, so it is on its own.) With several recipes, the first is what
the others are compared with.

Simulated recordings that a recipe learns from show label sets of all of the Challenge's sources, and people of the ages
that have them: of a source that is left out a model knows these, and no signal.

RESULTS keeps the answers of every part; given again, the same command goes on with what is missing. Intervals (95 %)
are of a bootstrap over the recordings, or with --patients over the patients of DATA: they are too narrow else where
patients have several. Several seeds train anew, with folds of their own but from the same simulated recordings, and
their figures are averaged.
"""

import json
import shutil
import sys
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import team_code  # noqa: E402
from ecg import progress  # noqa: E402
from ecg.classes import Weights, load_weights  # noqa: E402
from ecg.cli import ALL_WELL, Arguments, run  # noqa: E402
from ecg.data.packed import PackedRecordings  # noqa: E402
from ecg.errors import EntryError  # noqa: E402
from ecg.evaluation.bootstrap import FIGURES, Predictions, bootstrap_figures, figures, interval  # noqa: E402
from ecg.files import file_digest, write_csv, write_json, write_whole  # noqa: E402
from ecg.model.compute import Compute, pick_compute  # noqa: E402
from ecg.recipe import Recipe, parse_recipe  # noqa: E402
from ecg.training import checkpoint  # noqa: E402
from ecg.training.folds import assign_folds, patients_of  # noqa: E402
from ecg.training.store import Store  # noqa: E402

FEWEST = 5  # recordings of a source that has a part, or a table, of its own
HELD_OUT = "held out from single networks"
SHOWN = ("Challenge metric", "AUROC", "AUPRC", "ECE")  # in the tables; the csv has all FIGURES


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("data", type=Path, help="a folder of recordings with labels")
    arguments.add_argument("results", type=Path, help="a folder for the answers and the tables")
    arguments.add_argument("recipes", nargs="+", metavar="RECIPE", help="NAME or NAME,number=value,...")
    arguments.add_argument("--by", choices=("fold", "source"), default="fold", help="what a part is (fold)")
    arguments.add_argument("--parts", type=int, default=5, help="by fold: how many (5)")
    arguments.add_argument("--only", type=int, help="answer for so many of the parts alone, to save time")
    arguments.add_argument("--seeds", type=int, default=1, help="how many (1)")
    arguments.add_argument("--members", type=int, help="networks of each model (as many as the recipe has folds)")
    arguments.add_argument("--unseen", type=Path, action="append", default=[], help="a folder no model learns from")
    arguments.add_argument(
        "--patients",
        type=Path,
        help="a csv of record names and patients, who are not torn apart; of DATA, intervals draw these",
    )
    arguments.add_compute()
    given = arguments.parse()
    asked = [given.seeds, given.parts - 1, given.only, given.members]
    if any(number is not None and number < 1 for number in asked):
        raise EntryError("--seeds, --only and --members must be 1 or more, --parts 2 or more")
    recipes = {text: parse_recipe(text) for text in given.recipes}
    if len({folder.name for folder in given.unseen}) < len(given.unseen):
        raise EntryError("two --unseen folders have the same name; rename one of them")
    validation = Validation(given, pick_compute(given.device, given.float32), load_weights())
    with checkpoint.training_lock(given.results):
        answers = {text: validation.answers(text, recipe) for text, recipe in recipes.items()}
        report(given.results, answers, validation.weights)
        shutil.rmtree(validation.work_dir)
    return ALL_WELL


@dataclass
class Validation:
    """A validation as it was asked for (the scripts' arguments); all its recipes have the same parts."""

    given: Namespace
    compute: Compute
    weights: Weights

    def __post_init__(self):
        self.work_dir = checkpoint.work_dir(self.given.results)

    def answers(self, name: str, recipe: Recipe) -> dict[str, Predictions]:
        """What ``recipe`` answers, by the kind of recordings."""
        training = team_code.prepare(self.given.data, self.work_dir / name, recipe, self.compute)
        unseen = {
            folder.name: team_code.read_recordings(
                team_code.list_folder(folder),
                self.work_dir / f"{name} {folder.name}",
                self.weights,
                recipe,
                self.compute,
            )
            for folder in self.given.unseen
        }
        patients = self.patients(training.store, training.real)
        data = [training.store.fingerprint, *(store.fingerprint for store, _ in unseen.values())]
        self.claim(self.given.results / name / "validation.json", data, recipe)
        units: dict[int, list[dict]] = {}
        for seed, part, test in self.parts(training, patients):
            file = self.given.results / name / f"seed {seed} {part}.npz"
            if not file.exists():
                progress.print_line(f"\n{name}, seed {seed}: {part} is answered for by a model of the others")
                place = self.work_dir / name / f"seed {seed}"
                answer(file, training, unseen, test, seed, self.given.members or recipe.folds, patients, place)
            with np.load(file) as unit:
                units.setdefault(seed, []).append(dict(unit))
        return gathered(units, training, unseen, self.weights, patients)

    def patients(self, store: Store, real: np.ndarray) -> np.ndarray | None:
        """Whose each recording of the ``store`` is, by the table of patients, if there is one."""
        if not self.given.patients:
            return None
        patients = np.array(list(store.names()), object)
        patients[real] = patients_of(patients[real], self.given.patients)
        return patients

    def claim(self, file: Path, data: list[str], recipe: Recipe) -> None:
        """Notes what is validated; EntryError where the answers beside ``file`` are of something else."""
        given = self.given
        this = {"recordings": data, "by": given.by, "parts": given.parts, "members": given.members}
        this |= {
            "unseen": [folder.name for folder in given.unseen],
            "patients": given.patients and file_digest(given.patients),
        }
        this |= {"recipe": json.loads(json.dumps(recipe.as_dict()))}
        if file.exists() and json.loads(file.read_text()) != this:
            raise EntryError(
                f"{file}: the answers beside it are of other recordings, parts or numbers; give another folder"
            )
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, this)

    def parts(self, training: team_code.Training, patients: np.ndarray | None) -> Iterator[tuple[int, str, np.ndarray]]:
        """Of every seed every part: its name, and its recordings (indices)."""
        real = training.real
        sources = training.store.sources[real]
        for seed in range(self.given.seeds):
            if self.given.by == "source":
                names, counts = np.unique(sources.astype(str), return_counts=True)
                named = [(name or "no letters", real[sources == name]) for name in names[counts >= FEWEST]]
            else:
                of_real = None if patients is None else patients[real]
                part_of = assign_folds(training.labels[real], sources, self.given.parts, 0, of_real)
                named = [(f"part {part + 1}", real[part_of == part]) for part in range(self.given.parts)]
            if not named:
                raise EntryError(f"{self.given.data}: no source has {FEWEST} recordings; validate by fold")
            for name, test in named[: self.given.only]:
                yield seed, name, test


def answer(
    file: Path,
    training: team_code.Training,
    unseen: dict[str, tuple[Store, PackedRecordings]],
    test: np.ndarray,
    seed: int,
    members: int,
    patients: np.ndarray | None,
    place: Path,
) -> None:
    """Trains a model on all recordings but ``test``, and writes what it says of those to ``file``.

    What it learned from simulated recordings is kept in ``place``, for the other parts.
    """
    recipe = replace(training.recipe, seed=seed)
    rest = np.setdiff1d(training.real, test)
    fold_of = np.full(len(training.labels), -1)
    of_rest = None if patients is None else patients[rest]
    fold_of[rest] = assign_folds(training.labels[rest], training.store.sources[rest], recipe.folds, seed, of_rest)
    of_part = place / file.stem
    of_part.mkdir(parents=True, exist_ok=True)
    common = replace(training, recipe=recipe, work_dir=place)
    inner = replace(training, recipe=recipe, fold_of=fold_of, work_dir=of_part)
    folds = range(min(members, recipe.folds))
    networks = [team_code.train_fold(inner, fold, team_code.pretrain(common, fold))[0] for fold in folds]
    out_of_fold, thresholds = team_code.judge(inner, networks)
    chose = [inner.held_out(fold) for fold in folds]
    told = {
        f"unseen {name}": team_code.probabilities(networks, recordings, np.arange(len(store)), recipe, training.compute)
        for name, (store, recordings) in unseen.items()
    }
    told["p"] = team_code.probabilities(networks, training.recordings, test, recipe, training.compute)
    alone = zip(chose, thresholds)  # of single networks, as the ensemble has no recordings held out
    own = [
        team_code.decide_labels(recipe, training.weights.matrix, out_of_fold[np.newaxis, here], row[np.newaxis])[0]
        for here, row in alone
    ]
    chose = np.concatenate(chose)
    content = {
        "test": test,
        "thresholds": np.array(thresholds),
        "chose": chose,
        "chose_p": out_of_fold[chose],
        "chose_outputs": np.concatenate(own),
        **told,
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, lambda temporary: save_arrays(temporary, content))
    shutil.rmtree(of_part)


def save_arrays(path: Path, content: dict[str, np.ndarray]) -> None:
    with open(path, "wb") as opened:  # given a name, NumPy would add its own suffix
        np.savez_compressed(opened, **content)


def gathered(
    units: dict[int, list[dict]],
    training: team_code.Training,
    unseen: dict[str, tuple[Store, PackedRecordings]],
    weights: Weights,
    patients: np.ndarray | None,
) -> dict[str, Predictions]:
    """The answers of all parts of a seed put together: those on recordings unseen, and those on them that chose."""
    labels, sources = training.labels, training.store.sources
    decide_labels = partial(team_code.decide_labels, training.recipe, weights.matrix)
    seen, fresh, others = [], [], {name: [] for name in unseen}
    for parts in units.values():
        voted = [decide_labels(part["p"], part["thresholds"]) for part in parts]
        order = np.argsort(np.concatenate([part["test"] for part in parts]))
        fresh.append(tuple(np.concatenate(column)[order] for column in zip(*voted)))
        seen.append(
            tuple(np.concatenate([part[key] for part in parts]) for key in ("chose", "chose_outputs", "chose_p"))
        )
        for name, runs in others.items():
            runs += [decide_labels(part[f"unseen {name}"], part["thresholds"]) for part in parts]
    tested = np.sort(np.concatenate([part["test"] for part in units[0]]))
    chose = np.concatenate([rows for rows, _, _ in seen])
    outputs, p = (np.concatenate([run[column] for run in seen]) for column in (1, 2))
    return {
        HELD_OUT: Predictions(labels[chose], sources[chose], [(outputs, p)]),
        "that chose nothing": Predictions(
            labels[tested], sources[tested], fresh, None if patients is None else patients[tested]
        ),
        **{f"of {name}": Predictions(store.labels, store.sources, others[name]) for name, (store, _) in unseen.items()},
    }


def report(results: Path, answers: dict[str, dict[str, Predictions]], weights: Weights) -> None:
    """Prints the tables, and writes all figures to RESULTS/figures.csv."""
    rows = [["recordings", "recipe", "number", *(f"{name} {part}" for name in FIGURES for part in ("", "low", "high"))]]
    recipes = list(answers)
    first = recipes[0]
    for kind in answers[first]:
        of_kind = {recipe: kinds[kind] for recipe, kinds in answers.items()}
        rows += table(kind, recipes, len(of_kind[first].labels), *measured(of_kind, weights, kind))
        sources, counts = np.unique(of_kind[first].sources.astype(str), return_counts=True)
        if kind == HELD_OUT or len(sources) < 2:
            continue
        of_sources = []
        sources, counts = sources[counts >= FEWEST], counts[counts >= FEWEST]
        for seed, (source, number) in enumerate(zip(sources, counts), 1):
            of_source = {recipe: one.of_source(source) for recipe, one in of_kind.items()}
            of_sources.append(measured(of_source, weights, kind, seed))
            rows += table(f"{kind}: {source or 'no letters'}", recipes, number, *of_sources[-1])
        if len(of_sources) > 1:  # in the pooled figures the largest source decides
            values, draws = (np.mean(column, axis=0) for column in zip(*of_sources))
            rows += table(f"{kind}: mean of {len(sources)} sources", recipes, counts.sum(), values, draws)
    write_csv(results / "figures.csv", rows)
    write_json(results / "recipes.json", {name: parse_recipe(name).as_dict() for name in answers})
    print(f"\nAll official figures are in {results / 'figures.csv'}.")
    draw_reliability(
        results / "reliability.png", {name: kinds["that chose nothing"] for name, kinds in answers.items()}
    )


def measured(
    answers: dict[str, Predictions], weights: Weights, kind: str, seed: int = 0
) -> tuple[np.ndarray, np.ndarray | None]:
    """The recipes' figures (recipes, FIGURES), and on resamples (RESAMPLES, recipes, FIGURES).

    None instead of these where the recipes do not have the same recordings, or have them several times.
    """
    values = np.array([figures(weights, one) for one in answers.values()])
    return values, None if kind == HELD_OUT else bootstrap_figures(weights, list(answers.values()), seed)


def table(kind: str, names: list[str], number: int, values: np.ndarray, draws: np.ndarray | None) -> list[list]:
    """Prints what was ``measured`` on a ``number`` of recordings, and differences from the first; its csv lines."""
    alike = draws is not None
    lines = [(name, value, draws[:, i] if alike else None) for i, (name, value) in enumerate(zip(names, values))]
    if alike:
        lines += [(f"  - {names[0]}", values[i] - values[0], draws[:, i] - draws[:, 0]) for i in range(1, len(names))]
    what = f"{number:,} {'recordings' if alike else 'answers for those'} {kind}"
    print(f"\n{what:44s}" + "".join(f"{name:>26s}" for name in SHOWN))
    rows = []
    for name, value, drawn in lines:
        bounds = [(np.nan, np.nan)] * len(FIGURES) if drawn is None else list(map(interval, value, drawn.T))
        cells = {figure: (v, *bound) for figure, v, bound in zip(FIGURES, value, bounds)}
        print(
            f"{name:44s}"
            + "".join(
                ("{:8.3f} ({:6.3f} to {:6.3f})" if alike else "{:26.3f}").format(*cells[figure]) for figure in SHOWN
            )
        )
        rows.append([kind, name, number, *(f"{x:.4f}" for cell in cells.values() for x in cell)])
    return rows


def draw_reliability(path: Path, answers: dict[str, Predictions]) -> None:
    try:
        from ecg.report import reliability
    except ImportError:
        print("There is a picture besides with: pip install -r requirements-report.txt")
        return
    reliability.draw_reliability(path, answers)
    print(f"How far the probabilities can be believed is drawn in {path}.")


if __name__ == "__main__":
    run(main)
