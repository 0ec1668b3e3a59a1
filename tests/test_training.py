"""Training: the published recipe, reproducible weights, strictly separated folds, and clear errors."""

import contextlib
import fcntl
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import termios
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import team_code
import train_12ECG_classifier
from ecg.classes import load_weights
from ecg.data.header import read_header
from ecg.data.listing import find_recordings
from ecg.data.packed import PackedRecordings
from ecg.data.signal_files import read_counts
from ecg.decision.labels import apply_thresholds
from ecg.errors import EntryError, NonFiniteError
from ecg.evaluation.metrics import challenge_metric
from ecg.model.description import read_description
from ecg.recipe import PUBLISHED, parse_recipe
from ecg.training.epoch_log import EPOCH_LOG, write_epoch_log
from ecg.training.schedule import learning_rate
from ecg.training.setup import prepare
from ecg.training.time_left import PlannedFit, TimeLeft, read_time_left
from team_code import load_model, run_model, search_exact, train_fold, training_code
from tests.conftest import CPU, ROOT, assert_same_weights, write_recording


def read_out_of_fold(model: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """The columns of out_of_fold.csv: names, folds from 1 on, probabilities (recordings, classes)."""
    rows = [line.split(",") for line in (model / "out_of_fold.csv").read_text().splitlines()[1:]]
    return [row[0] for row in rows], np.array([int(row[1]) for row in rows]), np.array([row[2:] for row in rows], float)


def test_published_recipe_is_the_papers():
    drops = [round(part * PUBLISHED.epochs) for part in PUBLISHED.learning_rate_drops]
    assert (PUBLISHED.rate, PUBLISHED.window, PUBLISHED.overlap) == (257, 4096, 256)
    assert (PUBLISHED.folds, PUBLISHED.epochs, PUBLISHED.batch, drops) == (5, 50, 64, [20, 40])
    assert (PUBLISHED.learning_rate, PUBLISHED.weight_decay, PUBLISHED.dropout) == (0.003, 1e-5, 0.2)
    assert (PUBLISHED.threshold_search, PUBLISHED.stem_kernel, PUBLISHED.kernel, PUBLISHED.width) == ("grid", 15, 7, 64)


def test_function_of_2020_is_training_code():
    assert train_12ECG_classifier.train_12ECG_classifier is training_code


def test_model_folder_holds_weights_json_and_csv_only(model_folder):
    """The store with the patients' signals is removed, and no file has to be unpickled."""
    names = sorted(path.name for path in model_folder.iterdir())
    assert names == [
        "epochs.csv",
        "fold-1.safetensors",
        "fold-2.safetensors",
        "model.json",
        "out_of_fold.csv",
        "weights.csv",
    ]
    content = json.loads((model_folder / "model.json").read_text())
    assert content["classes"] == list(load_weights().classes)
    assert len(content["folds"]) == 2 and len(content["folds"][0]["history"]) == 2


def test_the_description_has_the_mean_of_the_out_of_fold_probabilities(model_folder):
    mean = read_out_of_fold(model_folder)[2].mean(axis=0)
    np.testing.assert_allclose(read_description(model_folder).mean_probabilities, mean, atol=1e-5)


def test_out_of_fold_probabilities_are_those_of_run_model(training_data, model_folder):
    model = load_model(model_folder, compute=CPU)
    names, folds, p = read_out_of_fold(model_folder)
    assert len(names) == 20
    for name, fold, expected in zip(names, folds, p):
        path = next(training_data.rglob(f"{name}.hea"))
        of_fold = replace(model, networks=[model.networks[fold - 1]])
        _, _, found = run_model(of_fold, path.read_text(), read_counts(path)[1])
        np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_thresholds_are_searched_on_the_recordings_of_each_fold(training_data, model_folder):
    weights = load_weights()
    names, folds, p = read_out_of_fold(model_folder)
    paths = [next(training_data.rglob(f"{name}.hea")) for name in names]
    labels = np.stack([weights.encode(read_header(path).diagnoses) for path in paths])
    content = json.loads((model_folder / "model.json").read_text())
    for number, fold in enumerate(content["folds"], start=1):
        held_out = folds == number
        metric_searched, metric = (
            challenge_metric(weights, labels[held_out], apply_thresholds(p[held_out], thresholds))
            for thresholds in (search_exact(weights, labels[held_out], p[held_out]), np.array(fold["thresholds"]))
        )
        assert metric == pytest.approx(metric_searched, abs=0.02)  # six digits in the csv may change one label


def test_training_is_reproducible_and_depends_on_the_seed(training_data, model_folder, tiny_recipe, tmp_path):
    training_code(training_data, tmp_path / "again", tiny_recipe, CPU)
    assert_same_weights(model_folder, tmp_path / "again")
    training_code(training_data, tmp_path / "other", replace(tiny_recipe, seed=1), CPU)
    with pytest.raises(AssertionError):
        assert_same_weights(model_folder, tmp_path / "other")


def test_each_network_trains_on_the_other_folds_and_simulated_recordings_only(
    training_data, tiny_recipe, tmp_path, monkeypatch
):
    train_epoch, cut = team_code.train_epoch, PackedRecordings.cut
    read, epochs = [], []

    def record_cut(recordings, windows, device):
        read.extend(windows.recording)
        return cut(recordings, windows, device)

    def record_epoch(training, *arguments):
        read.clear()
        result = train_epoch(training, *arguments)
        names, simulated = list(training.store.names()), training.store.simulated
        epochs.append(({names[i] for i in read if not simulated[i]}, {i for i in read if simulated[i]}))
        return result

    monkeypatch.setattr(PackedRecordings, "cut", record_cut)
    monkeypatch.setattr(team_code, "train_epoch", record_epoch)
    training_code(training_data, tmp_path / "model", replace(tiny_recipe, folds=3, epochs=1), CPU)
    names, folds, _ = read_out_of_fold(tmp_path / "model")
    assert len(epochs) == 6  # in turn: one of pretraining, one on the other folds
    for real, simulated in epochs[::2]:
        assert not real and len(simulated) == tiny_recipe.simulated
    for fold, (real, simulated) in enumerate(epochs[1::2], start=1):
        assert real == {name for name, number in zip(names, folds) if number != fold} and len(real) >= 12
        assert len(simulated) == round(tiny_recipe.replay * len(real))


def test_pretrained_networks_differ_between_folds(training_data, tiny_recipe, tmp_path):
    training = prepare(training_data, tmp_path, tiny_recipe, CPU)
    first, second = (team_code.pretrain(training, fold)["head.weight"] for fold in range(2))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("replay, min_replay, replayed", [(0.1, 0.5, 3), (0.0, 0.0, 0), (0.4, 0.5, 4), (9.0, 0.1, 6)])
def test_replay_adds_simulated_recordings_to_an_epoch(
    training_data, tiny_recipe, tmp_path, replay, min_replay, replayed
):
    recipe = replace(tiny_recipe, replay=replay, min_replay=min_replay)
    task = prepare(training_data, tmp_path, recipe, CPU).fold_task(0)
    assert len(task.train) == 10 and len(task.replay) == tiny_recipe.simulated == 6
    recordings = task.recordings_of_epoch(np.random.default_rng(0))
    assert recordings[:10].tolist() == task.train.tolist()
    assert len(set(recordings[10:])) == replayed and set(recordings[10:]) <= set(task.replay)


@pytest.mark.parametrize(("keep", "kept", "other"), [("best", 0, 2), ("last", 2, 0)])
def test_best_or_last_epoch_is_kept(training_data, tiny_recipe, tmp_path, monkeypatch, keep, kept, other):
    """The metric falls from epoch to epoch, so the first epoch is the best."""
    weights, train_epoch, falling = [], team_code.train_epoch, iter(range(100, 0, -1))

    def record_weights(training, task, network, *arguments):
        result = train_epoch(training, task, network, *arguments)
        weights.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
        return result

    monkeypatch.setattr(team_code, "train_epoch", record_weights)
    monkeypatch.setattr(team_code.metrics, "challenge_metric", lambda *_: next(falling))
    recipe = replace(tiny_recipe, epochs=3, simulated=0, keep=keep)
    network, _ = train_fold(prepare(training_data, tmp_path / "model", recipe, CPU), 0)
    found = network.state_dict()
    assert len(weights) == 3
    assert all(torch.equal(found[name], weights[kept][name]) for name in found)
    assert not all(torch.equal(found[name], weights[other][name]) for name in found)


def test_published_learning_rate_drops_after_two_and_four_fifths_of_the_epochs():
    rates = [learning_rate(PUBLISHED, epoch, 0.5) for epoch in range(50)]
    np.testing.assert_allclose(rates, [0.003] * 20 + [0.0003] * 20 + [0.00003] * 10)
    short = [learning_rate(replace(PUBLISHED, epochs=5), epoch, 0.0) for epoch in range(5)]
    np.testing.assert_allclose(short, [0.003, 0.003, 0.0003, 0.0003, 0.00003])
    assert learning_rate(replace(PUBLISHED, epochs=1), 0, 0.9) == 0.003


def test_one_cycle_rises_to_the_learning_rate_and_falls_to_zero():
    cycle = replace(PUBLISHED, schedule="one-cycle", epochs=10, warm_up=0.3)
    rates = np.array([learning_rate(cycle, epoch, part) for epoch in range(10) for part in (0.0, 0.5)])
    assert rates[0] == pytest.approx(0.003 / 25) and rates.argmax() == 6 and rates[6] == pytest.approx(0.003)
    assert (np.diff(rates[:7]) > 0).all() and (np.diff(rates[6:]) < 0).all()
    assert learning_rate(cycle, 9, 1.0) == pytest.approx(0, abs=1e-12)


def test_optimiser_uses_the_scheduled_learning_rate_at_each_step(training_data, tiny_recipe, tmp_path, monkeypatch):
    rates, step = [], torch.optim.Adam.step

    def record_rate(optimiser, *arguments):
        rates.append(optimiser.param_groups[0]["lr"])
        return step(optimiser, *arguments)

    monkeypatch.setattr(torch.optim.Adam, "step", record_rate)
    recipe = replace(tiny_recipe, schedule="one-cycle", epochs=2, batch=5, simulated=0)
    training = prepare(training_data, tmp_path / "model", recipe, CPU)
    for fold in range(2):
        train_fold(training, fold)
    expected = [learning_rate(recipe, epoch, part) for epoch in (0, 1) for part in (0.0, 0.5)]
    np.testing.assert_allclose(rates, expected * 2)  # two folds of two epochs of two batches


def test_non_finite_loss_ends_the_training(training_data, tiny_recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(team_code, "train_epoch", lambda *_: (float("nan"), 1.0))
    with pytest.raises(NonFiniteError, match="network 1 of 2, simulated recordings, epoch 1: the loss is not finite"):
        training_code(training_data, tmp_path / "model", tiny_recipe, CPU)


def test_recordings_in_the_work_folder_are_refused_and_kept(training_data, tiny_recipe, tmp_path):
    data = tmp_path / "model/.training"
    shutil.copytree(training_data, data)
    with pytest.raises(EntryError, match="give another model folder"):
        training_code(data, tmp_path / "model", tiny_recipe, CPU)
    assert len(list(data.rglob("*.mat"))) == 20


def test_unreadable_recording_is_named_and_left_out(training_data, tiny_recipe, tmp_path, capsys):
    data = tmp_path / "data"
    shutil.copytree(training_data, data)
    (data / "g1/HR00003.mat").write_bytes(b"")
    write_recording(data, "E1", comments=("#Dx: 12345",))
    training_code(data, tmp_path / "model", replace(tiny_recipe, epochs=1), CPU)
    output = capsys.readouterr().out
    assert "skipped: " in output and "HR00003.mat" in output
    assert "19 recordings to train on, 1 without a scored label, 1 unreadable" in output


def test_folders_that_cannot_be_trained_on_are_an_error(tmp_path, tiny_recipe):
    for i in range(3):
        write_recording(tmp_path / "few", f"A{i}")
        write_recording(tmp_path / "unlabelled", f"A{i}", comments=())
    with pytest.raises(EntryError, match="too few for 5 folds"):
        training_code(tmp_path / "few", tmp_path / "m1", replace(tiny_recipe, folds=5), CPU)
    with pytest.raises(EntryError, match="no recording with a scored label"):
        training_code(tmp_path / "unlabelled", tmp_path / "m2", tiny_recipe, CPU)


def test_many_recordings_get_a_wider_network_unless_its_width_is_named(training_data, tiny_recipe, tmp_path, capsys):
    recordings = len(find_recordings(training_data))
    recipe = replace(tiny_recipe, epochs=1, folds=2, simulated=0)
    widths = []
    for wide_from in (recordings, recordings + 1):
        training_code(training_data, tmp_path / "model", replace(recipe, wide_from=wide_from), CPU)
        widths.append(read_description(tmp_path / "model").recipe.width)
        assert (f"{2 * recipe.width} channels instead of {recipe.width}" in capsys.readouterr().out) == (
            len(widths) == 1
        )
    assert widths == [2 * recipe.width, recipe.width]
    assert parse_recipe("best").wide_from == 3000 and parse_recipe("best,width=48").wide_from == 0


def test_recordings_of_a_patient_are_in_one_fold(training_data, tiny_recipe, tmp_path):
    names = [path.stem for path in find_recordings(training_data)]
    table = tmp_path / "patients.csv"
    table.write_text("record,patient\n" + "".join(f"{name},{i // 4}\n" for i, name in enumerate(names)))
    recipe = replace(tiny_recipe, epochs=1, simulated=0)
    training_code(training_data, tmp_path / "model", recipe, CPU, table)
    found, folds, _ = read_out_of_fold(tmp_path / "model")
    fold_of = dict(zip(found, folds))
    assert len(fold_of) == len(names) and set(folds) == {1, 2}
    assert all(len({fold_of[name] for name in names[i : i + 4]}) == 1 for i in range(0, len(names), 4))
    table.write_text("other,1\n")
    with pytest.raises(EntryError, match="names none of the recordings"):
        training_code(training_data, tmp_path / "other", recipe, CPU, table)


# --------------------------------------------------------------------------------------------------------- the log


def loss_lines(output: str) -> list[str]:
    return [line for line in output.splitlines() if "  loss " in line]


@pytest.mark.parametrize("keep", ["best", "last"])
def test_the_log_names_the_network_the_time_left_and_the_best_epoch_if_it_is_kept(
    training_data, tiny_recipe, tmp_path, capsys, keep
):
    training_code(training_data, tmp_path / "model", replace(tiny_recipe, keep=keep), CPU)
    output = capsys.readouterr().out
    first, second, third, *others = loss_lines(output)
    assert first.startswith("network 1 of 2, simulated recordings  epoch  1/1  loss ")
    assert second.startswith("network 1 of 2  epoch  1/2  loss ") and "Challenge metric" in second
    assert all(line.endswith(" left") for line in (first, second, third, *others[:-1]))
    assert others[-1].startswith("network 2 of 2  epoch  2/2") and others[-1].endswith("recordings/s")
    assert ("(best " in output) == (keep == "best")


def test_the_log_says_which_epochs_a_network_trains(training_data, tiny_recipe, tmp_path, capsys):
    prepare(training_data, tmp_path / "a", replace(tiny_recipe, epochs=7), CPU)
    pretraining = "1 epoch on 6 simulated recordings, then 7 epochs on about 10 recordings and 3 simulated ones"
    assert f"{pretraining}, for each of 2 networks" in capsys.readouterr().out
    prepare(training_data, tmp_path / "b", replace(tiny_recipe, epochs=1, simulated=0), CPU)
    assert "1 epoch on about 10 recordings, for each of 2 networks" in capsys.readouterr().out


PLAN = [
    PlannedFit(f"{name}-{fold + 1}", fold, name == "simulated", epochs, recordings)
    for fold in range(3)
    for name, epochs, recordings in (("simulated", 2, 1000), ("fold", 10, 100))
]


def log_epochs(folder: Path, **epochs: int) -> None:
    for name, number in epochs.items():
        history = [{"epoch": epoch + 1, "loss": 0.5} for epoch in range(number)]
        write_epoch_log(folder / EPOCH_LOG, name.replace("_", "-"), history)


def test_the_time_left_is_that_of_all_epochs_at_the_measured_speeds(tmp_path):
    """100 recordings/s in pretraining, 10 afterwards; validation takes 2 s."""
    time_left = TimeLeft(PLAN)
    log_epochs(tmp_path, simulated_1=1)
    assert time_left.end_epoch(tmp_path, "simulated-1", 100, 0) == "  about 1 min left"  # 5 x 10 s + 30 x 1 s
    log_epochs(tmp_path, simulated_1=2, fold_1=1)
    assert time_left.end_epoch(tmp_path, "fold-1", 10, 2) == "  about 6 min left"  # 4 x 10 s + 29 x 12 s
    assert read_time_left(tmp_path) == pytest.approx(388, abs=2)
    log_epochs(tmp_path, simulated_2=2, simulated_3=2, fold_1=10, fold_2=10, fold_3=10)
    assert time_left.end_epoch(tmp_path, "fold-3", 10, 2) == "" and read_time_left(tmp_path) == 0


def test_only_the_epochs_of_this_run_are_measured(tmp_path):
    """A training resumed in its second network: the epochs before are done, but their speed is not known."""
    log_epochs(tmp_path, simulated_1=2, fold_1=10, simulated_2=2, fold_2=6)
    time_left = TimeLeft(PLAN)
    assert time_left.text == ""
    # 14 epochs of 60 s, and 2 of pretraining at the same speed
    assert time_left.end_epoch(tmp_path, "fold-2", 100 / 60, 0) == "  about 34 min left"
    assert time_left.end_epoch(tmp_path, "fold-2", 0, 1) == "  about 34 min left"  # no batch was left to measure


def test_one_of_several_processes_tells_the_time_left_for_its_own_networks(tmp_path):
    first, second = TimeLeft(PLAN), TimeLeft(PLAN)
    first.folds, second.folds = range(0, 3, 2), range(1, 3, 2)
    log_epochs(tmp_path, simulated_1=2, simulated_2=2, fold_1=1, fold_2=9)
    text = first.end_epoch(tmp_path, "fold-1", 1, 0)  # 19 epochs of 100 s and 2 of 1000 s
    assert text == "  about 65 min left for networks 1, 3"
    assert second.end_epoch(tmp_path, "fold-2", 1, 0) == "  about 2 min left for network 2"
    assert read_time_left(tmp_path) == pytest.approx(3900, abs=2)  # of the slowest process


def test_a_resumed_training_forgets_the_estimates_of_the_run_before(training_data, tiny_recipe, tmp_path, monkeypatch):
    log_epochs(tmp_path, simulated_1=1)
    TimeLeft(PLAN).end_epoch(tmp_path, "simulated-1", 100, 0)
    shutil.copytree(tmp_path, tmp_path / "model/.training")
    prepare(training_data, tmp_path / "model", tiny_recipe, CPU)
    assert read_time_left(tmp_path / "model/.training") is None


def test_a_bar_shows_the_network_and_the_time_left_on_a_terminal(training_data, tmp_path):
    terminal, ours = os.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))  # 24 lines of 120 columns
    command = [sys.executable, ROOT / "train_model.py", training_data, tmp_path / "model", "--epochs", "2"]
    command += ["--recipe", "small,width=4,reduction=2,batch=4", "--folds", "2", "--simulated", "0"]
    with subprocess.Popen(command, stdout=ours, stderr=ours) as process:
        os.close(ours)
        shown = b""
        with contextlib.suppress(OSError):  # the end of the process
            while part := os.read(terminal, 4096):
                shown += part
    os.close(terminal)
    assert process.returncode == 0, shown.decode()
    bars = [line for line in re.split(r"[\r\n]+", shown.decode()) if "batches/s" in line or "batches]" in line]
    assert any(re.match(r"(\x1b\[A)*network 1 of 2  epoch 1/2: ", bar) for bar in bars), bars
    assert any(" left: " in bar and "epoch 2/2" in bar for bar in bars), bars
