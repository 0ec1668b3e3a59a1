"""Networks pretrained on simulated recordings, kept for later trainings on the same machine."""

from dataclasses import replace

import pytest
import torch

from ecg.errors import EntryError
from ecg.model.tensors import save_tensors
from ecg.training.epoch_log import EPOCH_LOG, read_epoch_log
from team_code import training_code
from tests.conftest import CPU, assert_same_weights, call_script, noise, write_recording

PRETRAINED = "pretrained before"


@pytest.fixture(scope="module")
def kept(tmp_path_factory, tiny_recipe):
    """The folder of the networks that a training on other recordings has pretrained."""
    folder = tmp_path_factory.mktemp("kept")
    for i in range(12):
        codes = ("#Dx: 164889003", "#Dx: 426783006")[i % 2]
        write_recording(folder / "data", f"Q{i:04d}", noise(1500, seed=50 + i), comments=("#Age: 60", codes))
    training_code(folder / "data", folder / "model", tiny_recipe, CPU, pretrained=folder / "pretrained")
    return folder / "pretrained"


def test_a_training_with_kept_networks_ends_as_without(
    kept, model_folder, training_data, tiny_recipe, tmp_path, capsys
):
    files = {path.name: path.read_bytes() for path in kept.iterdir()}
    assert len(files) == tiny_recipe.folds
    recipe = replace(tiny_recipe, name="other", temperature=1.1)  # fields of the decision
    training_code(training_data, tmp_path / "model", recipe, CPU, pretrained=kept)
    printed = capsys.readouterr().out
    assert printed.count(PRETRAINED) == tiny_recipe.folds and "simulated recordings  epoch" not in printed
    assert_same_weights(tmp_path / "model", model_folder)
    log, expected = (read_epoch_log(folder / EPOCH_LOG) for folder in (tmp_path / "model", model_folder))
    assert log.keys() == expected.keys() and len(log["simulated-1"]) == tiny_recipe.simulated_epochs
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == files


@pytest.mark.parametrize("field", [{"seed": 7}, {"width": 8}, {"simulated": 7}, {"learning_rate": 0.001}])
def test_other_networks_are_pretrained_and_kept_beside_them(kept, training_data, tiny_recipe, tmp_path, capsys, field):
    before = set(kept.iterdir())
    training_code(training_data, tmp_path / "model", replace(tiny_recipe, **field), CPU, pretrained=kept)
    assert PRETRAINED not in capsys.readouterr().out
    assert before < set(kept.iterdir()) and len(set(kept.iterdir()) - before) == tiny_recipe.folds


def test_a_damaged_file_is_an_error_with_its_name(training_data, tiny_recipe, kept, tmp_path):
    for path in kept.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes()[:1000])
    with pytest.raises(EntryError, match="cannot be read as weights") as error:
        training_code(training_data, tmp_path / "model", tiny_recipe, CPU, pretrained=tmp_path)
    assert str(tmp_path) in str(error.value)


def test_what_cannot_use_the_folder_says_so_before_it_trains(
    training_data, tiny_recipe, model_folder, kept, tmp_path, capsys
):
    (tmp_path / "file").write_text("")
    with pytest.raises(EntryError, match="file: cannot be written"):
        training_code(training_data, tmp_path / "model", tiny_recipe, CPU, pretrained=tmp_path / "file")
    for path in kept.iterdir():
        save_tensors(tmp_path / path.name, {"weights": torch.zeros(1)})
    with pytest.raises(EntryError, match="is not a pretrained network"):
        training_code(training_data, tmp_path / "model", tiny_recipe, CPU, pretrained=tmp_path)
    capsys.readouterr()
    training_code(training_data, tmp_path / "tuned", None, CPU, start=model_folder, pretrained=kept)
    assert f"{kept} is not used" in capsys.readouterr().out


def test_the_command(training_data, tmp_path):
    recipe = "small,width=4,reduction=2,window=512,shortest_window=256,overlap=64,simulated=6,folds=2,epochs=1"
    for model in ("first", "second"):
        options = ("--recipe", recipe, "--pretrained", tmp_path / "kept")
        done = call_script("train_model.py", training_data, tmp_path / model, *options)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count(PRETRAINED) == (2 if model == "second" else 0)
    assert_same_weights(tmp_path / "first", tmp_path / "second")
