"""The official figures to 1e-12, and the reward matrix."""

import json
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import evaluate_model as evaluate_module
from ecg.classes import ABBREVIATIONS, EQUIVALENT, WEIGHTS_FILE, load_weights
from ecg.data.listing import find_recordings
from ecg.errors import EntryError
from ecg.evaluation import metrics
from evaluate_model import evaluate_model

WEIGHTS = load_weights()
BITS = arrays.arrays(bool, st.tuples(st.integers(1, 12), st.just(24)))


def test_figures_equal_the_official_golden_figures(golden):
    expected = json.loads((golden / "expected.json").read_text())
    scores, evaluation = evaluate_model(golden / "labels", golden / "outputs")
    assert list(scores.classes) == expected["classes"]
    assert len(evaluation.malformed) == 9
    figures = {
        "auroc": metrics.mean(scores.auroc),
        "auprc": metrics.mean(scores.auprc),
        "accuracy": scores.accuracy,
        "f_measure": metrics.mean(scores.f_measure),
        "f_beta": metrics.mean(scores.f_beta),
        "g_beta": metrics.mean(scores.g_beta),
        "challenge_metric": scores.challenge_metric,
        "auroc_classes": scores.auroc,
        "auprc_classes": scores.auprc,
        "f_measure_classes": scores.f_measure,
    }
    for name, figure in figures.items():
        np.testing.assert_allclose(figure, np.array(expected[name], float), rtol=0, atol=1e-12, err_msg=name)


def test_weights_follow_the_official_formula():
    """0.5 - |s_i - s_j| off the diagonal and 1 on it, with one number s per class."""
    s = {"IAVB": 0.05, "AF": 0.25, "LBBB": 0.225, "QAb": 0.35, "SNR": 0, "PAC": 0.0875, "STach": 0.125, "LQT": 0.2}
    column = {ABBREVIATIONS[code]: i for i, code in enumerate(WEIGHTS.classes)}
    for a in s:
        for b in s:
            expected = 1 if a == b else 0.5 - abs(s[a] - s[b])
            assert WEIGHTS.matrix[column[a], column[b]] == pytest.approx(expected, abs=1e-15)
    assert WEIGHTS.matrix.shape == (24, 24) and (WEIGHTS.matrix == WEIGHTS.matrix.T).all()
    assert WEIGHTS.column["59118001"] == WEIGHTS.column["713427006"]


def test_weights_of_2021_and_a_blank_last_line_are_read(tmp_path):
    table = WEIGHTS_FILE.read_text() + "\n\n"
    joined = table
    for group in EQUIVALENT:
        joined = joined.replace(group[0], "|".join(group))
    rows = [line for line in joined.splitlines() if line and line.split(",")[0] not in {g[1] for g in EQUIVALENT}]
    drop = [i for i, cell in enumerate(rows[0].split(",")) if cell in {g[1] for g in EQUIVALENT}]
    rows = [",".join(cell for i, cell in enumerate(row.split(",")) if i not in drop) for row in rows]
    for name, text in (("2020.csv", table), ("2021.csv", "\n".join(rows) + "\n")):
        (tmp_path / name).write_text(text)
        weights = load_weights(tmp_path / name)
        assert weights.classes == WEIGHTS.classes and weights.column == WEIGHTS.column
        np.testing.assert_array_equal(weights.matrix, WEIGHTS.matrix)


@pytest.mark.parametrize("text", ["", "a,b\n", ",1,2\n1,1\n2,0,1\n", ",426783006\n5,1\n", ",426783006\n426783006,x\n"])
def test_a_table_that_is_not_a_reward_matrix_is_an_error(tmp_path, text):
    (tmp_path / "weights.csv").write_text(text)
    with pytest.raises(EntryError, match="weights.csv"):
        load_weights(tmp_path / "weights.csv")


def plain_metric(labels, outputs) -> float:
    """The Challenge metric by its definition, one pair of classes at a time."""

    def total(outputs):
        result = 0.0
        for x, y in zip(labels, outputs):
            pairs = [WEIGHTS.matrix[i, j] for i in np.flatnonzero(x) for j in np.flatnonzero(y)]
            result += sum(pairs) / max((x | y).sum(), 1)
        return result

    normal = np.zeros_like(labels)
    normal[:, WEIGHTS.normal] = True
    inactive, correct = total(normal), total(labels)
    return (total(outputs) - inactive) / (correct - inactive) if correct != inactive else 0.0


@given(BITS, st.integers(0, 2**32 - 1))
def test_challenge_metric_equals_its_definition(labels, seed):
    outputs = np.random.default_rng(seed).random(labels.shape) < 0.2
    expected = plain_metric(labels, outputs)
    if abs(expected) < 1e6:  # above, the denominator is a rounding error
        assert metrics.challenge_metric(WEIGHTS, labels, outputs) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(BITS)
def test_perfect_outputs_score_one_and_sinus_rhythm_zero(labels):
    normal = np.zeros_like(labels)
    normal[:, WEIGHTS.normal] = True
    assert metrics.challenge_metric(WEIGHTS, labels, normal) == pytest.approx(0)
    perfect = metrics.challenge_metric(WEIGHTS, labels, labels)
    assert perfect == pytest.approx(1) or perfect == 0


def test_areas_equal_those_of_scikit_learn():
    from sklearn.metrics import average_precision_score, roc_auc_score

    rng = np.random.default_rng(0)
    labels = rng.random((300, 4)) < [0.5, 0.1, 0.0, 1.0]
    scores = rng.integers(0, 20, labels.shape) / 20  # many equal scores
    auroc, auprc = metrics.auroc_auprc(labels, scores)
    for k in (0, 1):
        assert auroc[k] == pytest.approx(roc_auc_score(labels[:, k], scores[:, k]))
        assert auprc[k] == pytest.approx(average_precision_score(labels[:, k], scores[:, k]))
    assert np.isnan(auroc[2:]).all() and np.isnan(auprc[2]) and auprc[3] == 1


def test_a_recording_of_weight_two_counts_as_two():
    from sklearn.metrics import average_precision_score, roc_auc_score

    rng = np.random.default_rng(0)
    labels = rng.random((60, 24)) < 0.3
    scores = rng.integers(0, 20, labels.shape) / 20
    outputs = scores > 0.5
    times = rng.integers(0, 4, len(labels))
    rows = np.repeat(np.arange(len(labels)), times)
    repeated = metrics.score(WEIGHTS, labels[rows], outputs[rows], scores[rows])
    weighted = metrics.score(WEIGHTS, labels, outputs, scores, times.astype(float))
    for values, expected in zip(astuple(weighted)[1:], astuple(repeated)[1:]):
        np.testing.assert_allclose(values, expected, atol=1e-12)
    weight = rng.standard_exponential(len(labels))
    auroc, auprc = metrics.auroc_auprc(labels, scores, weight)
    assert auroc[3] == pytest.approx(roc_auc_score(labels[:, 3], scores[:, 3], sample_weight=weight))
    assert auprc[3] == pytest.approx(average_precision_score(labels[:, 3], scores[:, 3], sample_weight=weight))


def test_a_missing_output_file_is_an_error_that_names_it(golden, tmp_path):
    first = find_recordings(golden / "labels")[0].stem
    with pytest.raises(EntryError, match=rf"{first}.csv: .* no output for {first}; run the driver"):
        evaluate_model(golden / "labels", tmp_path)


def test_parallel_reading_gives_the_same_figures(golden, monkeypatch):
    serial = evaluate_model(golden / "labels", golden / "outputs")
    monkeypatch.setattr(evaluate_module, "TASK", 60)
    parallel = evaluate_model(golden / "labels", golden / "outputs")
    assert serial[1].malformed
    for results, expected_results in zip(parallel, serial):
        for values, expected in zip(astuple(results), astuple(expected_results)):
            np.testing.assert_array_equal(values, expected)
