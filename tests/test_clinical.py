"""The clinical decision: thresholds for F1, sensitivity or PPV, and the best label set that can be."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg.classes import ABBREVIATIONS, load_weights
from ecg.decision import clinical
from ecg.decision.clinical import clinical_thresholds, decide_clinically
from ecg.decision.plausible import RULES, SOURCES, best_sets, exclusions, impossible_pairs
from ecg.errors import EntryError
from ecg.evaluation.decisions import decision_figures
from ecg.recipe import RECIPES
from team_code import load_model, run_model
from tests.conftest import CPU, ROOT, call_script, header_text, noise

WEIGHTS = load_weights()
COLUMN = {ABBREVIATIONS[code]: index for index, code in enumerate(WEIGHTS.classes)}
EXCLUDES = exclusions(WEIGHTS.classes)
HALF = np.full(24, 0.5)


def probabilities(**of_classes: float) -> np.ndarray:
    """(1 network, 1 recording, 24), 0.01 for the other classes."""
    p = np.full((1, 1, 24), 0.01)
    for name, value in of_classes.items():
        p[0, 0, COLUMN[name]] = value
    return p


def names_of(labels: np.ndarray) -> set[str]:
    return {name for name, column in COLUMN.items() if labels[column]}


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        ({"LAD": 0.9, "RAD": 0.6}, {"LAD"}),
        ({"SNR": 0.6, "SB": 0.7, "STach": 0.2}, {"SB"}),
        ({"SNR": 0.9, "AF": 0.8, "IAVB": 0.7}, {"SNR", "IAVB"}),
        ({"SNR": 0.6, "AF": 0.9, "IAVB": 0.6}, {"AF"}),
        ({"SNR": 0.7, "AF": 0.8, "SA": 0.7}, {"SNR", "SA"}),  # together more probable than the most probable class
        ({"CRBBB": 0.6, "IRBBB": 0.55, "LAnFB": 0.7}, {"CRBBB", "LAnFB"}),
        ({"LBBB": 0.9, "LAnFB": 0.6, "NSIVCB": 0.8}, {"LBBB"}),
        ({"SNR": 0.6, "SA": 0.6, "IAVB": 0.6, "LPR": 0.6, "TAb": 0.6, "TInv": 0.6, "PAC": 0.6, "PVC": 0.6}, None),
        ({"AF": 0.6, "PR": 0.6, "PVC": 0.6}, None),
    ],
)
def test_the_labels_are_the_most_probable_set_that_can_be(p, expected):
    labels, scores, (remark,) = decide_clinically(WEIGHTS.classes, probabilities(**p), HALF)
    assert names_of(labels[0]) == (set(p) if expected is None else expected) and remark == ""
    assert scores[0, COLUMN["PVC"]] == p.get("PVC", 0.01)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 3))
def test_the_search_is_exact(seed, spread):
    """Against all sets of the classes with a positive gain."""
    gains = spread * np.random.default_rng(seed).standard_normal((1, 24)) - 0.8
    (found,) = best_sets(gains, EXCLUDES)
    members = np.flatnonzero(gains[0] >= 0)
    subsets = (np.arange(2 ** len(members))[:, np.newaxis] >> np.arange(len(members)) & 1).astype(bool)
    every = np.zeros((len(subsets), 24), bool)
    every[:, members] = subsets
    possible = every[impossible_pairs(every, EXCLUDES) == 0]
    assert impossible_pairs(found[np.newaxis], EXCLUDES)[0] == 0
    assert gains[0][found].sum() == pytest.approx((possible * gains).sum(axis=1).max())


def test_all_classes_at_once_are_decided_in_no_time():
    labels = best_sets(np.random.default_rng(0).random((200, 24)), EXCLUDES)
    assert not impossible_pairs(labels, EXCLUDES).any() and (labels.sum(axis=1) > 8).all()


def test_networks_that_disagree_make_a_class_negative_and_a_recording_inconclusive():
    p = np.concatenate([probabilities(AF=x, TAb=y) for x, y in ((0.4, 0.1), (0.45, 0.2), (0.99, 0.1))])
    labels, _, (remark,) = decide_clinically(WEIGHTS.classes, p, HALF)
    assert names_of(labels[0]) == set() and remark == "inconclusive: the networks disagree: AF"
    p[:, 0, COLUMN["TAb"]] = 0.9
    labels, _, (remark,) = decide_clinically(WEIGHTS.classes, p, HALF)
    assert names_of(labels[0]) == {"TAb"} and remark == "the networks disagree: AF"


def test_a_recording_without_a_class_above_its_threshold_is_inconclusive():
    labels, scores, (remark,) = decide_clinically(WEIGHTS.classes, probabilities(SNR=0.49), HALF)
    assert not labels.any() and scores.max() == 0.49 and remark == "inconclusive: no class reaches its threshold"


def sample(recordings: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and calibrated probabilities for them."""
    rng = np.random.default_rng(0)
    p = rng.beta(0.4, 1.2, (recordings, 24))
    return rng.random(p.shape) < p, p


@pytest.mark.parametrize(("target", "level"), [("sensitivity", 0.9), ("sensitivity", 0.6), ("ppv", 0.9), ("ppv", 0.6)])
def test_thresholds_reach_the_wanted_sensitivity_or_ppv_on_other_recordings(target, level):
    recipe = replace(RECIPES["best"], clinical_target=target, clinical_level=level)
    labels, p = sample()
    outputs = p[2000:] >= clinical_thresholds(recipe, labels[:2000], p[:2000])
    right = (outputs & labels[2000:]).sum(axis=0)
    reached = right / (labels[2000:] if target == "sensitivity" else outputs).sum(axis=0)
    assert reached.mean() == pytest.approx(level, abs=0.03) and abs(reached - level).max() < 0.15


def test_thresholds_have_the_highest_f1_on_other_recordings():
    labels, p = sample()
    chosen = clinical_thresholds(RECIPES["best"], labels[:2000], p[:2000])

    def f1(thresholds: np.ndarray) -> np.ndarray:
        outputs = p[2000:] >= thresholds
        return 2 * (outputs & labels[2000:]).sum(axis=0) / (outputs.sum(axis=0) + labels[2000:].sum(axis=0))

    highest = np.max([f1(np.full(24, threshold)) for threshold in np.arange(0.05, 1, 0.05)], axis=0)
    assert (f1(chosen) > highest - 0.04).all() and f1(chosen).mean() > highest.mean() - 0.01


def test_few_labels_hardly_move_a_threshold(monkeypatch):
    """The one recording with the class has the lowest probability: by the labels alone every recording is positive."""
    rng = np.random.default_rng(0)
    p = np.sort(rng.beta(0.1, 5, (500, 24)), axis=0)
    labels = np.zeros(p.shape, bool)
    labels[0] = True
    without = clinical_thresholds(RECIPES["best"], np.zeros_like(labels), p)
    assert np.allclose(clinical_thresholds(RECIPES["best"], labels, p), without, atol=0.05)
    monkeypatch.setattr(clinical, "PRIOR_POSITIVES", 0)
    assert (clinical_thresholds(RECIPES["best"], labels, p) < 1e-3).all()


def test_a_class_that_never_reaches_the_wanted_ppv_is_never_positive():
    recipe = replace(RECIPES["best"], clinical_target="ppv", clinical_level=0.99)
    labels, p = np.zeros((100, 24), bool), np.full((100, 24), 0.3)
    thresholds = clinical_thresholds(recipe, labels, p)
    assert np.isinf(thresholds).all()
    assert not decide_clinically(WEIGHTS.classes, np.full((1, 5, 24), 1.0), thresholds)[0].any()


def test_rules_have_sources_and_stand_in_docs_classes_md():
    page = (ROOT / "docs/classes.md").read_text()
    for rule in RULES:
        assert set(rule.one + rule.other) <= set(ABBREVIATIONS.values()) and rule.source in SOURCES
        assert f"| {', '.join(rule.one)} | {', '.join(rule.other)} | {rule.reason} | {rule.source} |" in page
    for name, (title, doi) in SOURCES.items():
        assert f"{name}: {title}, doi {doi}" in re.sub(r"\s+", " ", page)
    assert not (EXCLUDES & EXCLUDES.T != EXCLUDES).any() and not EXCLUDES.diagonal().any()


def test_run_model_decides_as_asked(model_folder):
    model, counts = load_model(ROOT / "models/open", compute=CPU), noise(5000)
    header = header_text("A1", counts)
    classes, challenge, p = run_model(model, header, counts)
    _, labels, same_p = run_model(model, header, counts, decision="clinical")
    expected = decide_clinically(classes, np.array(p)[np.newaxis, np.newaxis], model.description.clinical_thresholds)
    assert p == same_p and labels == expected[0][0].astype(int).tolist() != challenge
    by_default = replace(model, description=replace(model.description, recipe=replace(model.recipe, decide="clinical")))
    assert run_model(by_default, header, counts)[1] == labels
    with pytest.raises(EntryError, match="no decision 'best'; there are challenge, clinical"):
        run_model(model, header, counts, decision="best")
    earlier = replace(model, description=replace(model.description, clinical_thresholds=None))
    with pytest.raises(EntryError, match="no clinical thresholds: an earlier version trained it"):
        run_model(earlier, header, counts, decision="clinical")


def test_a_model_without_clinical_thresholds_is_one_clear_line(model_copy, training_data, tmp_path):
    """It was trained before they existed; nothing is written."""
    content = json.loads((model_copy / "model.json").read_text())
    del content["clinical_thresholds"]
    (model_copy / "model.json").write_text(json.dumps(content | {"format": 3}))
    result = call_script("driver.py", model_copy, training_data, tmp_path / "out", "--decide", "clinical")
    assert result.returncode == 2 and not (tmp_path / "out").exists()
    assert result.stderr.startswith("error: the model has no clinical thresholds") and result.stderr.count("\n") == 1


def test_the_figures_of_a_decision():
    """Three recordings, their outputs, and each figure by hand."""
    labels, outputs = np.zeros((3, 24), bool), np.zeros((3, 24), bool)
    for row, (true, positive) in enumerate((("SNR", "SNR SB"), ("AF LAD", "AF"), ("TAb", ""))):
        labels[row, [COLUMN[name] for name in true.split()]] = True
        outputs[row, [COLUMN[name] for name in positive.split()]] = True
    figures = decision_figures(WEIGHTS, labels, outputs)
    assert figures["labels a recording"] == 1 and figures["true labels a recording"] == pytest.approx(4 / 3)
    assert (figures["with impossible pair"], figures["inconclusive"]) == pytest.approx((1 / 3, 1 / 3))
    assert (figures["sensitivity"], figures["PPV"]) == pytest.approx((2 / 4, 2 / 3))
    assert figures["F1"] == pytest.approx(2 * 2 / (4 + 3))
    twice = np.array([0, 1, 1, 2])
    weighted = decision_figures(WEIGHTS, labels, outputs, np.array([1.0, 2.0, 1.0]))
    assert weighted == pytest.approx(decision_figures(WEIGHTS, labels[twice], outputs[twice]))
