"""Labels for a recording whose hospital is not known: the likely hospitals, and the decision by them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecg.classes import WEIGHTS_FILE, find_class, load_weights, own_classes
from ecg.decision.expected_metric import apply_temperature, maximise_expected_metric
from ecg.decision.hospitals import Hospitals
from ecg.decision.labels import decide_labels
from ecg.errors import EntryError
from ecg.evaluation.cross_validation import cross_validate
from ecg.evaluation.metrics import challenge_metric
from ecg.model.description import DESCRIPTION, read_description
from ecg.recipe import BEST
from ecg.training.hospitals import SOURCES, likely_hospitals
from ecg.training.left_out import read_validation_data
from ecg.training.starting import fine_tuning
from tests.conftest import CPU, ROOT, call_script

WEIGHTS = load_weights()
CLASSES = WEIGHTS.classes
HOME = np.array([WEIGHTS.encode(codes) for codes in [["426783006"]] * 80 + [["164889003"]] * 10 + [["39732003"]] * 10])


@given(st.lists(st.floats(0, 1), min_size=2, max_size=2))
def test_the_mean_over_hospitals(p):
    row = np.array([p])
    home = Hospitals(np.ones(1), np.zeros((1, 2)))
    np.testing.assert_allclose(home.mean(row), row, atol=1e-8)
    both = Hospitals(np.array([0.75, 0.25]), np.array([[0, 0], [np.log(3), -20]])).mean(row)
    odds = row[0, 0] / max(1 - row[0, 0], 1e-12)
    assert both[0, 0] == pytest.approx(0.75 * row[0, 0] + 0.25 * 3 * odds / (1 + 3 * odds), abs=1e-6)
    assert ((both >= 0) & (both <= 1)).all()


def test_a_class_is_more_probable_elsewhere_if_it_is_more_frequent_there():
    hospitals = likely_hospitals(BEST, WEIGHTS, HOME)
    assert hospitals.weights.sum() == pytest.approx(1) and len(hospitals.weights) == 1 + len(SOURCES)
    assert not hospitals.shifts[0].any()
    changed = hospitals.mean(np.full((1, len(CLASSES)), 0.3))[0]
    assert changed[find_class(CLASSES, "SNR")] < 0.3  # four of five recordings at home
    assert changed[find_class(CLASSES, "IAVB")] > 0.3  # none at home
    assert changed[find_class(CLASSES, "LAD")] < changed[find_class(CLASSES, "TAb")]


def test_nothing_is_known_of_a_source_that_was_left_out():
    every, without = (likely_hospitals(BEST, WEIGHTS, HOME, left_out) for left_out in ((), {"E", "JS"}))
    assert len(without.weights) == len(every.weights) - 1
    assert (without.shifts == np.delete(every.shifts, 1 + SOURCES.index("E"), axis=0)).all()
    assert likely_hospitals(BEST, WEIGHTS, HOME, set(SOURCES)) is None


def test_there_is_one_hospital_if_the_recipe_or_the_classes_know_no_other():
    for recipe in (replace(BEST, elsewhere=0.0), fine_tuning(BEST)):
        assert likely_hospitals(recipe, WEIGHTS, HOME) is None
    own = own_classes({"AF": ["164889003"], "other": ["39732003"]})
    assert likely_hospitals(BEST, own, np.ones((5, 2), bool)) is None
    assert likely_hospitals(BEST, WEIGHTS, HOME[:80]) is None  # only sinus rhythm: the metric is not defined


def test_a_class_that_the_sources_do_not_have_is_not_shifted():
    own = own_classes({"sinus": ["426783006"], "AF": ["164889003"], "Chagas": ["Chagas label: true"]})
    labels = np.array([[True, False, False]] * 9 + [[False, True, True]])
    hospitals = likely_hospitals(BEST, own, labels)
    assert hospitals is not None and hospitals.shifts[1:, 1].all() and not hospitals.shifts[:, 2].any()


def test_labels_are_decided_for_the_mean_over_the_hospitals():
    p = np.random.default_rng(0).beta(0.3, 1, (3, 50, 24))
    hospitals, none = likely_hospitals(BEST, WEIGHTS, HOME), np.zeros((3, 24))
    labels, scores = decide_labels(BEST, WEIGHTS.matrix, p, none, hospitals)
    assert (scores == p.mean(axis=0)).all()
    assert (labels == maximise_expected_metric(WEIGHTS.matrix, hospitals.mean(apply_temperature(scores, 1.2)))).all()
    assert (labels != decide_labels(BEST, WEIGHTS.matrix, p, none)[0]).any()


def test_a_trained_model_has_its_hospitals_in_model_json(model_copy):
    description = read_description(model_copy)
    expected = likely_hospitals(replace(BEST, elsewhere=description.recipe.elsewhere), WEIGHTS, HOME)
    assert description.hospitals.shifts.shape == expected.shifts.shape
    p = np.random.default_rng(0).beta(0.3, 1, (len(description.thresholds), 50, 24))
    one = replace(description, hospitals=None)
    assert (description.decide(p)[0] != one.decide(p)[0]).any()
    assert (description.decide(p, "clinical")[0] == one.decide(p, "clinical")[0]).all()


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content.update(hospitals=[]),
        lambda content: content.update(hospitals="home"),
        lambda content: content["hospitals"][0].update(weight=2.0),
        lambda content: content["hospitals"][0].update(weight=-1.0),
        lambda content: content["hospitals"][0]["shifts"].popitem(),
        lambda content: content["hospitals"][0]["shifts"].update({CLASSES[0]: 1e9}),
        lambda content: content["hospitals"][0]["shifts"].update({CLASSES[0]: float("nan")}),
    ],
)
def test_damaged_hospitals_are_an_error(model_copy, damage):
    content = json.loads((model_copy / DESCRIPTION).read_text())
    damage(content)
    (model_copy / DESCRIPTION).write_text(json.dumps(content))
    with pytest.raises(EntryError, match="not a model of this entry"):
        read_description(model_copy)


def test_a_validation_knows_nothing_of_the_source_left_out(training_data, tmp_path):
    recipe = replace(BEST, simulated=0)
    data = read_validation_data(training_data, [], None, WEIGHTS_FILE, tmp_path, recipe, CPU)
    sources, labels = data.training.store.sources, data.training.labels
    for source in ("A", "HR"):
        found = data.hospitals(np.flatnonzero(sources == source))
        expected = likely_hospitals(recipe, WEIGHTS, labels[sources != source], {source})
        assert len(found.weights) == len(SOURCES) and (found.shifts == expected.shifts).all()
    assert len(data.hospitals(np.arange(2)).weights) == 1 + len(SOURCES)


def test_the_cross_validation_decides_for_the_hospitals():
    rng = np.random.default_rng(0)
    labels = HOME[rng.permutation(100)]
    p = np.clip(0.3 * labels + 0.5 * rng.random(labels.shape), 0, 1)
    hospitals, fold_of = likely_hospitals(BEST, WEIGHTS, labels), np.arange(100) % 2
    rows = [
        cross_validate(BEST, WEIGHTS, labels, p, fold_of, {}, of)["highest expected metric"] for of in (hospitals, None)
    ]
    expected = [
        challenge_metric(WEIGHTS, labels[here], decide_labels(BEST, WEIGHTS.matrix, p[None, here], None, hospitals)[0])
        for here in (fold_of == 0, fold_of == 1)
    ]
    assert rows[0]["challenge_metric"]["mean"] == pytest.approx(np.mean(expected), abs=1e-4)
    assert rows[0] != rows[1]


def test_an_adapted_model_is_for_one_hospital(model_copy, training_data, tmp_path):
    done = call_script("tools/adapt.py", model_copy, training_data, tmp_path / "adapted")
    assert done.returncode == 0, done.stderr
    adapted = read_description(tmp_path / "adapted")
    assert read_description(model_copy).hospitals
    assert adapted.hospitals is None and adapted.recipe.elsewhere == 0


def test_the_released_model_knows_other_hospitals():
    assert read_description(ROOT / "models/open").hospitals
