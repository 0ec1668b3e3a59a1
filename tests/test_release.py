"""tools/release.py: a smaller model with the same labels and no patients' data. Then the model in models/open."""

import numpy as np
import pytest

from ecg.classes import ABBREVIATIONS
from ecg.simulation.signal import simulate_signal
from team_code import load_model, run_model
from tests.conftest import CPU, ROOT, call_script, header_text, noise


def test_a_release_has_the_labels_of_the_model_in_about_half_the_size(model_folder, tmp_path):
    result = call_script("tools/release.py", model_folder, tmp_path / "release")
    assert result.returncode == 0 and "MB in" in result.stdout
    names = sorted(path.name for path in (tmp_path / "release").iterdir())
    assert names == [
        "fold-1.safetensors",
        "fold-2.safetensors",
        "model.json",
        "weights.csv",
    ]  # no recording's name or probabilities
    sizes = [(folder / "fold-1.safetensors").stat().st_size for folder in (model_folder, tmp_path / "release")]
    assert sizes[1] < 0.75 * sizes[0]
    counts = noise(5000)
    original, released = (
        run_model(load_model(folder, compute=CPU), header_text("A1", counts), counts)
        for folder in (model_folder, tmp_path / "release")
    )
    assert original[0] == released[0]
    np.testing.assert_allclose(original[2], released[2], atol=2e-3)


def test_a_release_into_a_folder_with_files_or_from_no_model_is_refused(model_copy, tmp_path):
    before = (model_copy / "fold-1.safetensors").read_bytes()
    result = call_script("tools/release.py", model_copy, model_copy)
    assert result.returncode == 2 and "is not empty" in result.stderr
    assert (model_copy / "fold-1.safetensors").read_bytes() == before
    result = call_script("tools/release.py", tmp_path / "nothing", tmp_path / "release")
    assert result.returncode == 2 and "no trained model" in result.stderr


@pytest.fixture(scope="module")
def open_model():
    return load_model(ROOT / "models/open", compute=CPU)


def test_the_open_model_is_small_and_has_a_model_card():
    files = list((ROOT / "models/open").iterdir())
    assert sum(path.stat().st_size for path in files) < 20e6
    assert "not a medical device" in (ROOT / "models/open/MODEL_CARD.md").read_text()


@pytest.mark.parametrize("label", ["AF", "CRBBB", "LBBB", "PVC", "SB", "SNR", "STach"])
def test_the_open_model_recognises_a_simulated_textbook_ecg(open_model, label):
    counts = simulate_signal([label], 60, "male", 500, 10, np.random.default_rng(1))
    classes, labels, probabilities = run_model(open_model, header_text("A1", counts), counts)
    at = [ABBREVIATIONS[code] for code in classes].index(label)
    assert labels[at] == 1 and probabilities[at] >= sorted(probabilities)[-2]
