"""Running a trained ensemble: load_model and run_model, and the functions of 2020.

test_invariance.py tests that gains and the order of leads change nothing.
"""

import copy

import numpy as np
import pytest
import torch

import driver
import run_12ECG_classifier
from ecg.classes import load_weights
from ecg.data.preprocessing import demographics, network_signal
from ecg.data.record import INVALID
from ecg.errors import EntryError, NonFiniteError, RecordError
from ecg.model.folder import Model
from team_code import load_model, run_model
from tests.conftest import CPU, LEADS, header_text, noise, write_recording


@pytest.fixture(scope="module")
def model(model_folder) -> Model:
    return load_model(model_folder, compute=CPU)


@pytest.fixture
def broken_model(model) -> Model:
    """Its first network gives NaN for one class."""
    broken = copy.deepcopy(model)
    with torch.no_grad():
        broken.networks[0].head.bias[3] = torch.nan
    return broken


def run(model: Model, counts: np.ndarray, **header) -> tuple[list, list, list]:
    return run_model(model, header_text("A1", counts, **header), counts)


def assert_has_result(model: Model, counts: np.ndarray, **header) -> None:
    _, labels, p = run(model, counts, **header)
    assert sum(labels) >= 1 and np.isfinite(p).all()


def test_result_has_the_official_form(model):
    classes, labels, probabilities = run(model, noise(5000))
    assert classes == list(load_weights().classes)
    assert len(labels) == len(probabilities) == 24 and set(labels) <= {0, 1} and sum(labels) >= 1
    assert all(0 < p < 1 for p in probabilities)


def test_functions_of_2020_give_the_same_result(model_folder):
    counts = noise(5000)
    text = header_text("A1", counts)
    model = run_12ECG_classifier.load_12ECG_model(model_folder)
    lines = text.splitlines(keepends=True)
    labels, scores, classes = run_12ECG_classifier.run_12ECG_classifier(counts.astype(np.float64), lines, model)
    assert (classes, labels, scores) == run_model(model, text, counts)


def test_function_of_2020_gives_no_label_to_a_recording_that_cannot_be_run(model, capsys):
    labels, scores, classes = run_12ECG_classifier.run_12ECG_classifier(noise(leads=3), ["A1 12 500 5000\n"], model)
    assert len(classes) == 24 and labels == scores == [0] * 24 and "A1" in capsys.readouterr().err


def test_function_of_2020_gives_no_label_without_finite_probabilities(broken_model, capsys):
    counts = noise(5000)
    lines = header_text("A1", counts).splitlines(keepends=True)
    labels, _, _ = run_12ECG_classifier.run_12ECG_classifier(counts, lines, broken_model)
    assert labels == [0] * 24 and "no finite probability" in capsys.readouterr().err


def test_non_finite_probability_is_an_error_that_names_the_recording(broken_model, tmp_path):
    with pytest.raises(NonFiniteError, match="no finite probability"):
        run(broken_model, noise(5000))
    path = write_recording(tmp_path, "A1")
    ((_, result),) = driver.run_folder(broken_model, [path], "challenge")
    assert isinstance(result, RecordError) and "A1.hea" in str(result)


def test_recording_that_contradicts_its_header_is_an_error(model):
    with pytest.raises(RecordError, match="12 leads in the header"):
        run_model(model, header_text("A1", noise()), noise(leads=11))


@pytest.mark.parametrize("leads", [12, 6, 4, 3, 2])
def test_fewer_leads_run(model, leads):
    names = ("I", "II", *LEADS[6:10], *LEADS[2:6], *LEADS[10:])[:leads]
    assert_has_result(model, noise(5000)[:leads], leads=names)


@pytest.mark.parametrize("rate", [100, 250, 257, 300, 500, 1000])
def test_any_sampling_rate_runs(model, rate):
    assert_has_result(model, noise(10 * rate), rate=str(rate))


@pytest.mark.parametrize("samples", [2, 50, 2500, 462_600])
def test_any_length_runs(model, samples):
    """From two samples to 15 minutes at 500 Hz, the longest recording of the training data."""
    assert_has_result(model, noise(samples))


@pytest.mark.parametrize(
    ("part", "value"),
    [
        (np.s_[3], 0),
        (np.s_[2, 100:200], INVALID),
        (np.s_[5], INVALID),
        (np.s_[:, ::500], 32000),
        (np.s_[1], np.nan),
    ],
    ids=["one flat lead", "a gap", "an invalid lead", "spikes", "NaN"],
)
def test_odd_signals_run(model, part, value):
    counts = noise(5000).astype(float)
    counts[part] = value
    assert_has_result(model, counts)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda counts: counts * np.nan, "no valid sample"),
        (lambda counts: counts * 0 + 7, "all leads flat"),
        (lambda counts: counts / 200, 'its height is 4 counts.*units="mV"'),
        (lambda counts: counts / 2000, 'all leads flat.*units="mV"'),
        (lambda counts: counts * 1000, "at the limit of 16 bits"),
    ],
    ids=["NaN", "flat", "millivolts", "millivolts that round to 0", "nanovolts"],
)
def test_what_is_no_ecg_is_refused(model, change, reason):
    """Before, nothing but NaN had nine diagnoses, and millivolts had other labels than the same signal in counts."""
    with pytest.raises(RecordError, match=f"A1: not an ECG: .*{reason}"):
        run(model, change(noise(5000).astype(float)))


@pytest.mark.parametrize(("units", "per_count"), [("uV", 1), ("mV", 1e-3), ("V", 1e-6), ("nV", 1e3)])
def test_a_signal_in_a_named_unit_has_the_result_of_its_counts(model, units, per_count):
    counts = noise(5000)
    result = run_model(model, header_text("A1", counts), counts * per_count, units=units)
    assert result == run(model, counts)


def test_an_unknown_unit_is_an_error(model):
    with pytest.raises(EntryError, match="units 'furlong': none of counts, V, mV"):
        run_model(model, header_text("A1", noise()), noise(), units="furlong")


def test_name_of_the_recording_changes_nothing(model):
    counts = noise(5000)
    results = [run_model(model, header_text(name, counts), counts) for name in ("E07509", "E07510")]
    assert results[0] == results[1]


def test_eight_leads_give_the_result_of_twelve(model):
    """Many recorders store I, II and the chest leads. The other limb leads are computed from I and II."""
    counts = noise(5000)
    one, two = 2 * (counts[:2] // 2)
    counts[:6] = one, two, two - one, -(one + two) // 2, one - two // 2, two - one // 2
    eight = [0, 1, *range(6, 12)]
    _, labels, p = run(model, counts)
    _, labels_of_eight, p_of_eight = run(model, counts[eight], leads=[LEADS[i] for i in eight])
    assert labels_of_eight == labels
    np.testing.assert_allclose(p_of_eight, p, atol=0.01)


def test_probabilities_of_a_long_recording_are_the_mean_over_its_windows(model, tiny_recipe):
    counts = noise(12_000)
    signal = network_signal(counts, 500, tiny_recipe)
    starts = [0, 448, 896, 1344, 1792, signal.shape[1] - 512]
    windows = torch.tensor(np.stack([signal[:, start : start + 512] for start in starts])).float()
    people = torch.tensor(np.tile(demographics(60.0, "female"), (len(starts), 1)))
    with torch.inference_mode():
        p = [torch.sigmoid(network(windows, people)) for network in model.networks]
    np.testing.assert_allclose(run(model, counts)[2], torch.stack(p).mean(dim=(0, 1)), rtol=1e-5)
