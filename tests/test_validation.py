"""What a recipe is worth: on recordings that had no part in it, how sure that is, and gone on with after a stop."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from ecg.classes import load_weights
from ecg.errors import EntryError
from ecg.evaluation import bootstrap
from ecg.evaluation.bootstrap import (
    FIGURES,
    Predictions,
    bootstrap_figures,
    calibration_error,
    figures,
    interval,
    reliability,
)
from ecg.recipe import parse_recipe
from ecg.simulation.dataset import simulate_folder
from ecg.training.folds import assign_folds, read_patients
from tests.conftest import run_script
from tools import validate

WEIGHTS = load_weights()
TINY = "small,width=4,reduction=2,folds=2,batch=4,simulated=6,simulated_epochs=1,epochs="


def answers(random, certainty: float, runs: int = 2, recordings: int = 400) -> Predictions:
    """Labels as one in five of all there are, and scores that know them so well."""
    labels = random.random((recordings, 24)) < 0.2
    told = [np.clip(certainty * labels + (1 - certainty) * random.random(labels.shape), 0, 1) for _ in range(runs)]
    sources = np.where(np.arange(recordings) % 4, "HR", "A")
    return Predictions(labels, sources, [(p >= 0.5, p) for p in told])


def test_the_figures_are_the_mean_of_the_trainings():
    both = answers(np.random.default_rng(0), 0.4)
    each = [figures(WEIGHTS, Predictions(both.labels, both.sources, [run])) for run in both.runs]
    np.testing.assert_allclose(figures(WEIGHTS, both), np.mean(each, axis=0))
    assert len(both.of("A").labels) == 100 and len(both.of("A").runs[1][0]) == 100


def test_an_interval_has_the_width_it_should():
    """Of the accuracy of one class it is known: 1.96 standard deviations of a binomial on each side."""
    labels = np.zeros((1000, 24), bool)
    labels[:, 0] = True
    outputs = labels.copy()
    outputs[:300, 0] = False
    one = Predictions(labels, np.full(1000, "A"), [(outputs, outputs.astype(float))])
    low, high = interval(bootstrap_figures(WEIGHTS, [one])[:, 0, FIGURES.index("Accuracy")])
    expected = 1.96 * np.sqrt(0.7 * 0.3 / 1000)
    assert low == pytest.approx(0.7 - expected, abs=0.006) and high == pytest.approx(0.7 + expected, abs=0.006)


def test_several_recordings_of_a_patient_are_no_more_certain_than_one():
    """Each of them four times: as wide an interval as each of them once, where it would be half as wide."""
    once = answers(np.random.default_rng(0), 0.4, runs=1)
    four = np.repeat(np.arange(len(once.labels)), 4)
    outputs, p = once.runs[0]
    patients = np.array([f"patient {i}" for i in four])
    often = Predictions(once.labels[four], once.sources[four], [(outputs[four], p[four])], patients)
    width, of_patients, of_recordings = (
        np.diff(interval(bootstrap_figures(WEIGHTS, [one])[:, 0, 0]))[0]
        for one in (once, often, replace(often, patients=None))
    )
    assert of_patients == pytest.approx(width, rel=0.1) and of_recordings == pytest.approx(width / 2, rel=0.15)
    assert len(often.of("A").patients) == len(often.of("A").labels)


def test_a_difference_is_taken_on_the_same_recordings():
    random = np.random.default_rng(0)
    one = answers(random, 0.4)
    better = Predictions(
        one.labels, one.sources, [(p >= 0.5, p) for p in (0.9 * one.runs[i][1] + 0.1 * one.labels for i in (0, 1))]
    )
    draws = bootstrap_figures(WEIGHTS, [one, one, better])
    assert (draws[:, 1] == draws[:, 0]).all()
    low, high = interval(draws[:, 2, 0] - draws[:, 0, 0])
    assert 0 < low < high
    assert high - low < np.diff(interval(draws[:, 0, 0]))[0]  # what makes recordings hard falls out


def test_the_calibration_error_of_known_scores():
    scores = np.full((1000, 1), 0.75)
    labels = (np.arange(1000) % 2 == 0)[:, np.newaxis]
    assert calibration_error(labels, scores) == pytest.approx(0.25)
    random = np.random.default_rng(0)
    right = random.random((100_000, 1))
    assert calibration_error(random.random(right.shape) < right, right) < 0.01
    counts, said, is_so = reliability(labels[:, 0], scores[:, 0])
    assert counts[7] == 1000 and said[7] == 0.75 and is_so[7] == 0.5 and counts.sum() == 1000


def test_a_large_table_of_patients_is_read(tmp_path):
    names = [f"recording {i:07d}" for i in range(400_000)]
    (tmp_path / "patients.csv").write_text("".join(f"{name},patient {i // 2}\n" for i, name in enumerate(names)))
    assert (tmp_path / "patients.csv").stat().st_size > 10 << 20
    assert read_patients([names[2], names[3], "other"], tmp_path / "patients.csv") == [
        "patient 1",
        "patient 1",
        "other",
    ]


def test_a_patient_is_never_torn_apart():
    random = np.random.default_rng(0)
    patients = random.integers(0, 60, 200).astype(str)
    fold_of = assign_folds(random.random((200, 6)) < 0.2, ["A"] * 200, 4, 0, patients)
    assert all(len(set(fold_of[patients == patient])) == 1 for patient in set(patients))
    assert np.bincount(fold_of).min() > 30


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("best,width", "NAME,number=value"),
        ("worst", "no recipe 'worst'"),
        ("best,width=x", "x"),
        ("best,colour=1", "colour"),
        ("best,trim=1", "trim=1"),
        ("best,learning_rate_drops=0.4/late", "drops"),
    ],
)
def test_what_is_no_recipe_is_a_clear_error(tmp_path, text, message):
    result = run_script("tools/validate.py", tmp_path, tmp_path / "results", text)
    assert result.returncode == 2 and message in result.stderr and "Traceback" not in result.stderr


def test_a_recipe_with_other_numbers():
    assert parse_recipe("published,learning_rate_drops=0.5/0.75").learning_rate_drops == (0.5, 0.75)
    changed = parse_recipe("best,width=32,trim=False,schedule=steps,learning_rate=0.001")
    assert (changed.width, changed.trim, changed.schedule, changed.learning_rate) == (32, False, "steps", 0.001)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("validated")
    simulate_folder(folder / "data", 60, 3)
    simulate_folder(folder / "other", 12, 4)
    return folder


@pytest.fixture
def validated(monkeypatch, capsys):
    """Runs the script in this process, with an interval that is quick rather than exact; what it prints."""
    monkeypatch.setattr(bootstrap, "RESAMPLES", 20)

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["validate.py", *map(str, arguments)])
        validate.main()
        return capsys.readouterr().out

    return run


def test_by_fold_every_recording_is_answered_for_by_a_model_that_has_not_seen_it(data, validated, tmp_path):
    results, recipes = tmp_path / "results", [f"{TINY}1", f"{TINY}2"]
    patients = tmp_path / "patients.csv"
    names = sorted(path.stem for path in (data / "data").glob("*.hea"))
    patients.write_text("name,patient\n" + "".join(f"{name},{i // 3}\n" for i, name in enumerate(names)))
    asked = ("--parts", 3, "--seeds", 2, "--unseen", data / "other", "--patients", patients)
    first = validated(data / "data", results, *recipes, *asked)
    assert first.count("training on the other parts") == 12
    for recipe in recipes:
        for seed in (0, 1):
            units = [dict(np.load(results / recipe / f"seed {seed} part {part}.npz")) for part in (1, 2, 3)]
            assert sorted(np.concatenate([unit["test"] for unit in units])) == list(range(60))
            for unit in units:
                assert not set(unit["test"]) & set(unit["held_out"]) and len(unit["held_out"]) + len(unit["test"]) == 60
                assert unit["p"].shape == (2, len(unit["test"]), 24) and unit["unseen other"].shape == (2, 12, 24)
                assert not {i // 3 for i in unit["test"]} & {i // 3 for i in unit["held_out"]}
    table = list(csv.DictReader((results / "figures.csv").open()))
    kinds = [row["recordings"] for row in table if row["recipe"] == recipes[0]]
    assert (
        kinds[:2] == ["held-out folds of single networks", "recordings not seen in training"]
        and "recordings of other" in kinds
    )
    assert [row["number"] for row in table if row["recordings"] == "recordings not seen in training"] == ["60"] * 3
    assert not (results / ".training").exists()
    assert (results / "reliability.png").read_bytes()[:4] == b"\x89PNG"

    (results / recipes[0] / "seed 1 part 2.npz").unlink()
    again = validated(data / "data", results, *recipes, *asked)
    assert again.count("training on the other parts") == 1 and again.endswith(first[-700:])
    with pytest.raises(EntryError, match="of other recordings, parts or numbers"):
        validated(data / "data", results, *recipes, "--parts", 4)


def test_by_source_every_source_is_answered_for_by_the_others(data, validated, tmp_path):
    asked = ("--by", "source", "--members", 1)
    printed = validated(data / "data", tmp_path / "results", f"{TINY}1", *asked)
    files = sorted((tmp_path / "results" / f"{TINY}1").glob("*.npz"))
    sources = {path.stem.rstrip("0123456789") for path in (data / "data").glob("*.hea")}
    assert len(files) > 1 and {file.stem.split()[-1] for file in files} <= sources
    for file in files:
        assert not set(np.load(file)["test"]) & set(np.load(file)["held_out"])
    assert "recordings not seen in training: HR" in printed
    table = list(csv.DictReader((tmp_path / "results" / "figures.csv").open()))
    of = {row["recordings"].partition(": ")[2]: row for row in table}
    mean = of.pop(f"mean of {len(files)} sources")
    own = [of[file.stem.split()[-1]] for file in files]
    for figure in ("Challenge metric ", "AUROC ", "number"):
        together = np.mean if figure != "number" else np.sum
        assert float(mean[figure]) == pytest.approx(together([float(row[figure]) for row in own]), abs=1e-4)
    assert float(mean["Challenge metric low"]) < float(mean["Challenge metric "]) < float(mean["Challenge metric high"])
