"""What a recipe is worth: on recordings that had no part in it, how sure that is, and gone on with after a stop."""

import csv
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from tests.conftest import call_script
from tools import validate

WEIGHTS = load_weights()
TINY = "small,width=4,reduction=2,folds=2,batch=4,simulated=6,simulated_epochs=1,epochs="


def predictions(rng, certainty: float, runs: int = 2, recordings: int = 400, frequency=0.2) -> Predictions:
    """Random labels with the ``frequency`` of each class, and scores that are a mixture of labels and noise."""
    labels = rng.random((recordings, 24)) < frequency
    scores = [np.clip(certainty * labels + (1 - certainty) * rng.random(labels.shape), 0, 1) for _ in range(runs)]
    sources = np.where(np.arange(recordings) % 4, "HR", "A")
    return Predictions(labels, sources, [(p >= 0.5, p) for p in scores])


def test_figures_are_the_mean_over_the_runs():
    both = predictions(np.random.default_rng(0), 0.4)
    each = [figures(WEIGHTS, Predictions(both.labels, both.sources, [run])) for run in both.runs]
    np.testing.assert_allclose(figures(WEIGHTS, both), np.mean(each, axis=0))
    assert len(both.of_source("A").labels) == 100 and len(both.of_source("A").runs[1][0]) == 100


def intervals(sample: Predictions, seed: int = 0) -> np.ndarray:
    """The intervals of all figures, (FIGURES, 2)."""
    resamples = bootstrap_figures(WEIGHTS, [sample], seed)[:, 0]
    return np.array([interval(*pair) for pair in zip(figures(WEIGHTS, sample), resamples.T)])


def test_an_interval_has_the_width_of_a_binomial_proportion():
    """The accuracy of one class is a proportion: its interval is 1.96 standard deviations on each side."""
    labels = np.zeros((1000, 24), bool)
    labels[:, 0] = True
    outputs = labels.copy()
    outputs[:300, 0] = False
    sample = Predictions(labels, np.full(1000, "A"), [(outputs, outputs.astype(float))])
    low, high = intervals(sample)[FIGURES.index("Accuracy")]
    deviation = 1.96 * np.sqrt(0.7 * 0.3 / 1000)
    assert low == pytest.approx(0.7 - deviation, abs=0.006) and high == pytest.approx(0.7 + deviation, abs=0.006)


def test_repeated_recordings_of_a_patient_do_not_narrow_the_interval():
    """If each recording is there four times, only the intervals by recording get narrower, by half."""
    once = predictions(np.random.default_rng(0), 0.4, runs=1)
    rows = np.repeat(np.arange(len(once.labels)), 4)
    outputs, p = once.runs[0]
    patients = np.array([f"patient {i}" for i in rows])
    repeated = Predictions(once.labels[rows], once.sources[rows], [(outputs[rows], p[rows])], patients)
    samples = (once, repeated, replace(repeated, patients=None))
    width, by_patient, by_recording = np.diff([intervals(sample)[:2] for sample in samples])[..., 0]
    assert by_patient == pytest.approx(width, rel=0.1) and by_recording == pytest.approx(width / 2, rel=0.15)
    assert len(repeated.of_source("A").patients) == len(repeated.of_source("A").labels)


def test_a_difference_is_computed_on_the_same_resamples():
    sample = predictions(np.random.default_rng(0), 0.4)
    mixed = [0.9 * scores + 0.1 * sample.labels for _, scores in sample.runs]
    better = Predictions(sample.labels, sample.sources, [(p >= 0.5, p) for p in mixed])
    with patch.object(bootstrap, "RESAMPLES", 101):
        resamples = bootstrap_figures(WEIGHTS, [sample, sample, better])[..., 0]
    assert (resamples[:, 1] == resamples[:, 0]).all()
    metric, better_metric = (figures(WEIGHTS, recipe)[0] for recipe in (sample, better))
    low, high = interval(better_metric - metric, resamples[:, 2] - resamples[:, 0])
    assert 0 < low < high
    assert high - low < np.diff(interval(metric, resamples[:, 0]))[0]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 40),
    st.lists(st.sampled_from([0, 0.02, 0.3, 1]), min_size=24, max_size=24),
    st.sampled_from([0, 0.4, 1]),
    st.sampled_from([None, 1, 2, 10]),
    st.integers(0, 2**32 - 1),
)
def test_an_interval_contains_its_estimate(recordings, frequency, certainty, patients, seed):
    """Also with rare classes, classes without a label, one recording, one patient, and perfect scores."""
    rng = np.random.default_rng(seed)
    sample = predictions(rng, certainty, runs=1, recordings=recordings, frequency=frequency)
    if patients:
        sample = replace(sample, patients=rng.integers(0, patients, recordings).astype(str))
    with patch.object(bootstrap, "RESAMPLES", 21):
        bounds = intervals(sample)
    estimates = figures(WEIGHTS, sample)
    units = recordings if sample.patients is None else len(set(sample.patients))
    defined = ~np.isnan(estimates) & (units > 1)
    assert (np.isnan(bounds).any(axis=1) == ~defined).all()
    low, high = bounds[defined].T
    assert (low <= estimates[defined]).all() and (estimates[defined] <= high).all()
    assert (low >= bootstrap.LOWEST[defined]).all() and (high <= 1 + 1e-12).all()


def test_the_interval_of_a_mean_over_sources_contains_its_estimate():
    """Percentile intervals of macro AUPRC did not: a resample repeats positives, which raises it in every source."""
    rng = np.random.default_rng(0)
    sources = [predictions(rng, 0.15, runs=1, recordings=40, frequency=0.1) for _ in range(8)]
    auprc = FIGURES.index("AUPRC")
    estimate = np.mean([figures(WEIGHTS, source)[auprc] for source in sources])
    counts = [[np.bincount(rng.integers(0, 40, 40), minlength=40) * 1.0 for _ in range(50)] for _ in sources]
    drawn = [[figures(WEIGHTS, source, row)[auprc] for row in rows] for source, rows in zip(sources, counts)]
    assert np.quantile(np.mean(drawn, axis=0), 0.025) > estimate
    with patch.object(bootstrap, "RESAMPLES", 51):
        resamples = [bootstrap_figures(WEIGHTS, [source], seed)[:, 0, auprc] for seed, source in enumerate(sources)]
    low, high = interval(estimate, np.mean(resamples, axis=0))
    assert low < estimate < high


def test_intervals_of_rare_classes_have_nearly_the_nominal_coverage():
    """Macro figures of 30 recordings and six classes, half of which have one or two positives."""
    rng = np.random.default_rng(0)
    frequency = np.append([0.5, 0.3, 0.2, 0.06, 0.04, 0.04], np.zeros(18))
    samples = [predictions(rng, 0.15, 1, 30, frequency) for _ in range(200)]
    expected = np.mean([figures(WEIGHTS, sample) for sample in samples], axis=0)
    with patch.object(bootstrap, "RESAMPLES", 101):
        low, high = np.moveaxis([intervals(sample) for sample in samples[:40]], -1, 0)
    coverage = dict(zip(FIGURES, ((low <= expected) & (expected <= high)).mean(axis=0)))
    assert min(coverage.values()) >= 0.85, coverage


def test_figures_that_are_not_defined_have_no_interval():
    """Without a label, no class has an area; one recording, or one patient, says nothing about others."""
    rng = np.random.default_rng(0)
    defined = ~np.isnan(intervals(predictions(rng, 0.4, recordings=20, frequency=0)))
    assert not defined[[FIGURES.index("AUROC"), FIGURES.index("AUPRC"), FIGURES.index("ECE")]].any()
    assert defined[FIGURES.index("Challenge metric")].all() and defined[FIGURES.index("Accuracy")].all()
    assert np.isnan(intervals(predictions(rng, 0.4, recordings=1))).all()
    one_patient = replace(predictions(rng, 0.4, recordings=5), patients=np.full(5, "patient"))
    assert np.isnan(intervals(one_patient)).all()
    assert np.isnan(interval(0.5, np.full(10, np.nan))).all()


def test_the_calibration_error_of_known_scores():
    scores = np.full((1000, 1), 0.75)
    labels = (np.arange(1000) % 2 == 0)[:, np.newaxis]
    assert calibration_error(labels, scores) == pytest.approx(0.25)
    rng = np.random.default_rng(0)
    calibrated = rng.random((100_000, 1))
    assert calibration_error(rng.random(calibrated.shape) < calibrated, calibrated) < 0.01
    counts, predicted, observed = reliability(labels[:, 0], scores[:, 0])
    assert counts[7] == 1000 and predicted[7] == 0.75 and observed[7] == 0.5 and counts.sum() == 1000


def test_a_large_table_of_patients_is_read(tmp_path):
    names = [f"recording {i:07d}" for i in range(400_000)]
    (tmp_path / "patients.csv").write_text("".join(f"{name},patient {i // 2}\n" for i, name in enumerate(names)))
    assert (tmp_path / "patients.csv").stat().st_size > 10 << 20
    assert read_patients([names[2], names[3], "other"], tmp_path / "patients.csv") == [
        "patient 1",
        "patient 1",
        "other",
    ]


@pytest.mark.parametrize("line", ["{},{}", "{}.hea,{}", "{};{}", "{}\t{}", "data/{}.mat, {}"])
def test_ways_to_write_the_table_of_patients(tmp_path, capsys, line):
    """Before, names with a suffix were passed over: each recording counted as another patient."""
    rows = [line.format("recording", "patient"), *(line.format(f"A{i}", f"p{i // 2}") for i in range(6))]
    (tmp_path / "patients.csv").write_text("\n".join(rows))
    assert read_patients(["A0", "A1", "A5"], tmp_path / "patients.csv") == ["p0", "p0", "p2"]
    assert not capsys.readouterr().out
    assert read_patients(["A0", "A1", "B1"], tmp_path / "patients.csv") == ["p0", "p0", "B1"]
    assert "1 of 3 recordings are not in" in capsys.readouterr().out
    (tmp_path / "patients.csv").write_text("A0,7\nA1,7.0\nA2,8\n")
    assert read_patients(["A0", "A1"], tmp_path / "patients.csv") == ["7", "7"]
    (tmp_path / "patients.csv").write_text("A0,7\nA0.mat,8\n")
    with pytest.raises(EntryError, match="A0 has two patients, 7 and 8"):
        read_patients(["A0"], tmp_path / "patients.csv")


def test_a_patient_is_never_torn_apart():
    random = np.random.default_rng(0)
    patients = random.integers(0, 60, 200).astype(str)
    fold_of = assign_folds(random.random((200, 6)) < 0.2, ["A"] * 200, 4, 0, patients)
    assert all(len(set(fold_of[patients == patient])) == 1 for patient in set(patients))
    assert np.bincount(fold_of).min() > 30


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("best,width", "NAME,field=value"),
        ("worst", "no recipe 'worst'"),
        ("best,width=x", "x"),
        ("best,colour=1", "colour"),
        ("best,trim=1", "trim=1"),
        ("best,learning_rate_drops=0.4/late", "drops"),
    ],
)
def test_what_is_no_recipe_is_a_clear_error(tmp_path, text, message):
    result = call_script("tools/validate.py", tmp_path, tmp_path / "results", text)
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
    asked = ("--parts", 2, "--unseen", data / "other", "--patients", patients)
    first = validated(data / "data", results, *recipes, *asked)
    assert first.count("training on the other parts") == 4
    for recipe in recipes:
        units = [dict(np.load(results / recipe / f"seed 0 part {part}.npz")) for part in (1, 2)]
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

    (results / recipes[0] / "seed 0 part 2.npz").unlink()
    again = validated(data / "data", results, *recipes, *asked)
    assert again.count("training on the other parts") == 1 and again.endswith(first[-700:])
    with pytest.raises(EntryError, match="of other recordings, parts or recipe fields"):
        validated(data / "data", results, *recipes, "--parts", 4)
    (results / recipes[0] / "validation.json").write_text("{")
    with pytest.raises(EntryError, match="validation.json: damaged"):
        validated(data / "data", results, *recipes, *asked)


def test_by_source_every_source_is_answered_for_by_the_others(data, validated, tmp_path):
    asked = ("--by", "source", "--members", 1, "--seeds", 2)
    printed = validated(data / "data", tmp_path / "results", f"{TINY}1", *asked)
    files = sorted((tmp_path / "results" / f"{TINY}1").glob("*.npz"))
    sources = {path.stem.rstrip("0123456789") for path in (data / "data").glob("*.hea")}
    assert len(files) > 1 and {file.stem.split()[-1] for file in files} <= sources
    for file in files:
        assert not set(np.load(file)["test"]) & set(np.load(file)["held_out"])
    assert "recordings not seen in training: HR" in printed
    table = list(csv.DictReader((tmp_path / "results" / "figures.csv").open()))
    of = {row["recordings"].partition(": ")[2]: row for row in table}
    assert len(files) == 2 * len({file.stem.split()[-1] for file in files})  # each source with both seeds
    mean = of.pop(f"mean of {len(files) // 2} sources")
    own = [of[file.stem.split()[-1]] for file in files if file.stem.startswith("seed 0 ")]
    for figure in ("Challenge metric ", "AUROC ", "number"):
        together = np.mean if figure != "number" else np.sum
        assert float(mean[figure]) == pytest.approx(together([float(row[figure]) for row in own]), abs=1e-4)
    assert float(mean["Challenge metric low"]) < float(mean["Challenge metric "]) < float(mean["Challenge metric high"])
