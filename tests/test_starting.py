"""Fine-tuning: a training that starts with a model."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from ecg.data.listing import find_recordings
from ecg.data.record import read_record, signal_digest
from ecg.errors import EntryError
from ecg.training.starting import FIXED, fine_tuning, starting_weights
from team_code import load_model, training_code
from tests.conftest import CPU, assert_same_weights, call_script, noise, weights_of, write_recording


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    """12 recordings of another hospital: two of the Challenge's classes, one of them with another word beside it."""
    folder = tmp_path_factory.mktemp("hospital")
    for number in range(12):
        words = ("426783006", "164889003, HYP")[number % 2]
        comments = ("#Age: 60", "#Sex: Male", f"#Dx: {words}")
        write_recording(folder, f"B{number:02d}", noise(2000, seed=50 + number), comments=comments)
    return folder


def train(hospital, model_folder, model, *arguments):
    command = (hospital, model, "--start", model_folder, "--device", "cpu", "--float32", *arguments)
    return call_script("train_model.py", *command)


def test_a_training_starts_with_the_networks_and_the_recipe_of_a_model(hospital, model_folder, tmp_path):
    trained = train(hospital, model_folder, tmp_path / "model", "--epochs", 1)
    assert trained.returncode == 0, trained.stderr
    assert f"starting with {model_folder.name} (" in trained.stdout and "were in the training of" not in trained.stdout
    start, model = load_model(model_folder, compute=CPU), load_model(tmp_path / "model", compute=CPU)
    assert model.recipe == replace(fine_tuning(start.recipe), epochs=1)
    assert model.description.started_from.startswith(f"{model_folder.name} (")
    assert json.loads((tmp_path / "model/model.json").read_text())["started_from"] == model.description.started_from
    # few steps at a low learning rate: near the start, far from the other network
    for tuned, own, other in zip(model.networks, start.networks, start.networks[::-1]):
        kernels = [network.stem[0].weight for network in (tuned, own, other)]
        assert 0 < (kernels[0] - kernels[1]).norm() < 0.1 * (kernels[0] - kernels[2]).norm()


def test_the_recordings_of_both_trainings_are_known(hospital, model_folder, training_data, tmp_path):
    assert train(hospital, model_folder, tmp_path / "model", "--epochs", 1).returncode == 0
    trained_on = load_model(tmp_path / "model", compute=CPU).description.trained_on
    for folder in (hospital, training_data):
        assert all(signal_digest(read_record(path)) in trained_on for path in find_recordings(folder))
    again = train(training_data, model_folder, tmp_path / "again", "--epochs", 1)
    assert "20 of the 20 recordings were in the training of" in again.stdout


def test_shared_classes_keep_their_head_and_new_ones_start_at_their_frequency(model_folder):
    start = load_model(model_folder, compute=CPU)
    labels = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 0]], bool)
    state = starting_weights(start, 1, ("164889003", "HYP", "MI"), labels)
    head, column = start.networks[1].head, start.classes.index("164889003")
    assert torch.equal(state["head.weight"][0], head.weight[column]) and state["head.bias"][0] == head.bias[column]
    assert not state["head.weight"][1:].any()
    np.testing.assert_allclose(torch.sigmoid(state["head.bias"][1:]), [1.5 / 5, 0.5 / 5], rtol=1e-6)
    assert torch.equal(state["stem.0.weight"], start.networks[1].stem[0].weight)


def test_own_classes_are_fine_tuned_and_stay_those_of_the_model(hospital, model_folder, tmp_path):
    (tmp_path / "classes.csv").write_text("name,means\nHYP,\nAF,164889003\n")
    first = train(hospital, model_folder, tmp_path / "first", "--epochs", 1, "--classes", tmp_path / "classes.csv")
    assert first.returncode == 0, first.stderr
    second = train(hospital, tmp_path / "first", tmp_path / "second", "--epochs", 1)
    assert second.returncode == 0 and load_model(tmp_path / "second", compute=CPU).classes == ("HYP", "AF")


def test_an_interrupted_fine_tuning_resumes_and_another_one_is_kept(hospital, model_folder, tmp_path, monkeypatch):
    recipe = replace(fine_tuning(load_model(model_folder, compute=CPU).recipe), epochs=2)
    training_code(hospital, tmp_path / "whole", recipe, CPU, start=model_folder)

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("team_code.validate", interrupt)
        training_code(hospital, tmp_path / "resumed", recipe, CPU, start=model_folder)
    with pytest.raises(EntryError, match="another model to start with"):
        training_code(hospital, tmp_path / "resumed", recipe, CPU)
    training_code(hospital, tmp_path / "resumed", recipe, CPU, start=model_folder)
    assert_same_weights(tmp_path / "whole", tmp_path / "resumed")
    assert weights_of(tmp_path / "whole")


OTHER = {"rate": 50.0, "resampling": "interpolate", "trim": False, "scale": False}
OTHER |= {"width": 8, "stem_kernel": 13, "kernel": 5, "reduction": 1}


@pytest.mark.parametrize("field", FIXED)
def test_a_recipe_of_another_network_or_input_is_refused(hospital, model_folder, tiny_recipe, tmp_path, field):
    other = replace(tiny_recipe, **{field: OTHER[field]})
    with pytest.raises(EntryError, match=f"the recipe must have its {field}"):
        training_code(hospital, tmp_path / "model", other, CPU, start=model_folder)


def test_a_start_that_is_no_model_is_an_error(hospital, tmp_path):
    trained = train(hospital, tmp_path, tmp_path / "model")
    assert trained.returncode == 2 and "holds no trained model" in trained.stderr
