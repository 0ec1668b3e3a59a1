"""Train, load, run: the contract of team_code, and that a training can be repeated and gone on with."""

import copy
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import driver
import run_12ECG_classifier
import team_code
import train_12ECG_classifier
from ecg.classes import load_weights
from ecg.data import preprocessing, record
from ecg.data.header import read_header
from ecg.data.listing import find_headers
from ecg.data.packed import PackedRecordings
from ecg.errors import EntryError, NonFiniteError, RecordError
from ecg.evaluation import metrics
from ecg.recipe import PUBLISHED
from ecg.training.schedule import learning_rate
from ecg.training.setup import prepare
from team_code import load_model, run_model, training_code
from tests.conftest import CPU, LEADS, assert_same_weights, header_text, noise, write_recording


def run(model, counts, **header):
    return run_model(model, header_text("A1", counts, **header), counts)


@pytest.fixture(scope="module")
def model(model_folder):
    return load_model(model_folder, compute=CPU)


def test_the_published_recipe_is_the_papers():
    drops = [round(part * PUBLISHED.epochs) for part in PUBLISHED.learning_rate_drops]
    assert (PUBLISHED.rate, PUBLISHED.window, PUBLISHED.overlap) == (257, 4096, 256)
    assert (PUBLISHED.folds, PUBLISHED.epochs, PUBLISHED.batch, drops) == (5, 50, 64, [20, 40])
    assert (PUBLISHED.learning_rate, PUBLISHED.weight_decay, PUBLISHED.dropout) == (0.003, 1e-5, 0.2)
    assert (PUBLISHED.threshold_search, PUBLISHED.stem_kernel, PUBLISHED.kernel, PUBLISHED.width) == ("grid", 15, 7, 64)


def test_a_model_folder_is_weights_and_one_json(model_folder):
    """No store of the patients' signals is left, nothing that would have to be unpickled."""
    names = sorted(path.name for path in model_folder.iterdir())
    assert names == ["epochs.csv", "fold-1.safetensors", "fold-2.safetensors", "model.json", "out_of_fold.csv"]
    content = json.loads((model_folder / "model.json").read_text())
    assert content["classes"] == list(load_weights().classes)
    assert len(content["folds"]) == 2 and len(content["folds"][0]["history"]) == 2


def test_the_official_signature(model):
    counts = noise(5000)
    classes, labels, probabilities = run(model, counts)
    assert classes == list(load_weights().classes)
    assert len(labels) == len(probabilities) == 24 and set(labels) <= {0, 1} and sum(labels) >= 1
    assert all(0 < p < 1 for p in probabilities)


def test_a_recording_without_a_probability_is_an_error_and_no_guess(model, tmp_path):
    """Whatever makes a network overflow: nothing is said of the recording, and of the others all."""
    broken = copy.deepcopy(model)
    with torch.no_grad():
        broken.networks[0].head.bias[3] = torch.nan
    with pytest.raises(NonFiniteError, match="no finite probability"):
        run(broken, noise(5000))
    path = write_recording(tmp_path, "A1")
    assert "A1.hea" in str(
        driver.run_alone(broken, path, preprocessing.network_input(record.read_record(path), model.recipe))
    )


def test_the_way_of_2020_survives_a_recording_that_cannot_be_run(model, capsys):
    labels, scores, classes = run_12ECG_classifier.run_12ECG_classifier(noise(leads=3), ["A1 12 500 5000\n"], model)
    assert len(classes) == 24 and labels == scores == [0] * 24 and "A1" in capsys.readouterr().err


def test_the_way_of_2020_survives_networks_that_give_no_number(model, capsys):
    broken = copy.deepcopy(model)
    with torch.no_grad():
        broken.networks[0].head.bias[3] = torch.nan
    counts = noise(5000)
    lines = header_text("A1", counts).splitlines(keepends=True)
    labels, _, _ = run_12ECG_classifier.run_12ECG_classifier(counts, lines, broken)
    assert labels == [0] * 24 and "no finite probability" in capsys.readouterr().err


def test_the_way_of_2020(model_folder):
    counts = noise(5000)
    text = header_text("A1", counts)
    model = run_12ECG_classifier.load_12ECG_model(model_folder)
    lines = text.splitlines(keepends=True)
    labels, scores, classes = run_12ECG_classifier.run_12ECG_classifier(counts.astype(np.float64), lines, model)
    assert (classes, labels, scores) == run_model(model, text, counts)
    assert train_12ECG_classifier.train_12ECG_classifier is training_code


def test_training_and_running_see_the_same(training_data, model_folder, tiny_recipe):
    """The driver's probabilities of a held-out recording are those that its fold's thresholds were searched on."""
    rows = [line.split(",") for line in (model_folder / "out_of_fold.csv").read_text().splitlines()[1:]]
    assert len(rows) == 20
    model = load_model(model_folder, compute=CPU)
    for name, fold, *expected in rows:
        path = next(training_data.rglob(f"{name}.hea"))
        alone = replace(model, networks=[model.networks[int(fold) - 1]])
        _, _, p = run_model(alone, path.read_text(), record.read_signal(path, read_header(path)))
        np.testing.assert_allclose(p, np.array(expected, float), rtol=1e-4)


def test_a_training_can_be_repeated(training_data, model_folder, tiny_recipe, tmp_path):
    training_code(training_data, tmp_path / "again", tiny_recipe, CPU)
    assert_same_weights(model_folder, tmp_path / "again")
    training_code(training_data, tmp_path / "other", replace(tiny_recipe, seed=1), CPU)
    with pytest.raises(AssertionError):
        assert_same_weights(model_folder, tmp_path / "other")


def test_each_network_learns_from_the_other_folds_alone(training_data, tiny_recipe, tmp_path, monkeypatch):
    train_epoch, cut, read, seen, learned_simulated = team_code.train_epoch, PackedRecordings.cut, [], [], []

    def reading(recordings, windows, device):
        read.extend(windows.recording)
        return cut(recordings, windows, device)

    def spy(training, *arguments):
        read.clear()
        rate = train_epoch(training, *arguments)
        names = list(training.store.names())
        seen.append({names[i] for i in read if not training.store.simulated[i]})
        learned_simulated.append({i for i in read if training.store.simulated[i]})
        return rate

    monkeypatch.setattr(PackedRecordings, "cut", reading)
    monkeypatch.setattr(team_code, "train_epoch", spy)
    training_code(training_data, tmp_path / "model", replace(tiny_recipe, folds=3, epochs=1), CPU)
    rows = [line.split(",")[:2] for line in (tmp_path / "model/out_of_fold.csv").read_text().splitlines()[1:]]
    assert len(seen) == 6 and not any(seen[::2])  # each begins with simulated recordings, and nobody's
    assert {len(learned) for learned in learned_simulated[::2]} == {tiny_recipe.simulated}
    for fold, (learned, simulated) in enumerate(zip(seen[1::2], learned_simulated[1::2]), start=1):
        assert learned == {name for name, number in rows if int(number) != fold} and len(learned) >= 12
        assert len(simulated) == round(tiny_recipe.replay * len(learned))


def test_no_two_networks_begin_alike(training_data, tiny_recipe, tmp_path):
    training = prepare(training_data, tmp_path, tiny_recipe, CPU)
    first, second = (team_code.pretrain(training, fold)["head.weight"] for fold in range(2))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("replay, fewest, expected", [(0.1, 0.5, 3), (0.0, 0.0, 0), (0.4, 0.5, 4), (9.0, 0.1, 6)])
def test_few_recordings_have_more_simulated_ones_beside_them(
    training_data, tiny_recipe, tmp_path, replay, fewest, expected
):
    recipe = replace(tiny_recipe, replay=replay, min_replay=fewest)
    training = prepare(training_data, tmp_path, recipe, CPU)
    task = training.fold_task(0)
    assert len(task.train) == 10 and len(task.replay) == tiny_recipe.simulated == 6
    train = task.recordings_of_epoch(np.random.default_rng(0))
    assert train[:10].tolist() == task.train.tolist()
    assert len(set(train[10:])) == expected and set(train[10:]) <= set(task.replay)


@pytest.mark.parametrize(("keep", "expected", "other"), [("best", 0, 2), ("last", 2, 0)])
def test_the_best_epoch_is_kept(training_data, tiny_recipe, tmp_path, monkeypatch, keep, expected, other):
    """With a metric that only falls, three epochs end with the weights of the first, or of the last where asked for."""
    weights, train_epoch, metrics = [], team_code.train_epoch, iter(range(100, 0, -1))

    def spy(training, fold, network, *arguments):
        rate = train_epoch(training, fold, network, *arguments)
        weights.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
        return rate

    monkeypatch.setattr(team_code, "train_epoch", spy)
    monkeypatch.setattr(team_code.metrics, "challenge_metric", lambda *_: next(metrics))
    monkeypatch.setitem(team_code.SEARCHES, "exact", lambda weights, labels, p: np.full(24, 0.5))
    monkeypatch.setattr(team_code, "cross_validate", lambda *_: {})
    recipe = replace(tiny_recipe, epochs=3, simulated=0, keep=keep, calibrate=False)
    training_code(training_data, tmp_path / "model", recipe, CPU)
    kept = load_file(tmp_path / "model/fold-1.safetensors")
    assert all(torch.equal(kept[name], weights[expected][name]) for name in kept)
    assert not all(torch.equal(kept[name], weights[other][name]) for name in kept)


def test_the_learning_rate_drops_after_two_and_four_fifths():
    rates = [learning_rate(PUBLISHED, epoch, 0.5) for epoch in range(50)]
    np.testing.assert_allclose(rates, [0.003] * 20 + [0.0003] * 20 + [0.00003] * 10)
    short = [learning_rate(replace(PUBLISHED, epochs=5), epoch, 0.0) for epoch in range(5)]
    np.testing.assert_allclose(short, [0.003, 0.003, 0.0003, 0.0003, 0.00003])
    assert learning_rate(replace(PUBLISHED, epochs=1), 0, 0.9) == 0.003


def test_one_cycle_rises_to_the_learning_rate_and_falls_to_nothing():
    cycle = replace(PUBLISHED, schedule="one-cycle", epochs=10, warm_up=0.3)
    rates = np.array([learning_rate(cycle, epoch, part) for epoch in range(10) for part in (0.0, 0.5)])
    assert rates[0] == pytest.approx(0.003 / 25) and rates.argmax() == 6 and rates[6] == pytest.approx(0.003)
    assert (np.diff(rates[:7]) > 0).all() and (np.diff(rates[6:]) < 0).all()
    assert learning_rate(cycle, 9, 1.0) == pytest.approx(0, abs=1e-12)


def test_the_optimiser_is_given_that_learning_rate(training_data, tiny_recipe, tmp_path, monkeypatch):
    rates, step = [], torch.optim.Adam.step
    monkeypatch.setattr(
        torch.optim.Adam, "step", lambda self, *a: rates.append(self.param_groups[0]["lr"]) or step(self, *a)
    )
    cycle = replace(tiny_recipe, schedule="one-cycle", epochs=2, batch=5, simulated=0)
    training_code(training_data, tmp_path / "model", cycle, CPU)
    expected = [learning_rate(cycle, epoch, part) for epoch in (0, 1) for part in (0.0, 0.5)]
    np.testing.assert_allclose(rates, expected * 2)  # two folds of two epochs of two batches


def test_the_thresholds_are_searched_on_each_folds_own_recordings(training_data, model_folder):
    weights = load_weights()
    rows = [line.split(",") for line in (model_folder / "out_of_fold.csv").read_text().splitlines()[1:]]
    folds = json.loads((model_folder / "model.json").read_text())["folds"]
    for number, fold in enumerate(folds, start=1):
        here = [row for row in rows if int(row[1]) == number]
        paths = [next(training_data.rglob(f"{row[0]}.hea")) for row in here]
        labels = np.stack([weights.encode(read_header(path).diagnoses) for path in paths])
        p = np.array([row[2:] for row in here], float)
        searched, reached = (
            metrics.challenge_metric(weights, labels, team_code.apply_thresholds(p, thresholds))
            for thresholds in (team_code.search_exact(weights, labels, p), np.array(fold["thresholds"]))
        )
        assert reached == pytest.approx(searched, abs=0.02)  # the csv's six digits may move one decision


def test_a_loss_that_is_no_number_ends_the_training_at_once(training_data, tiny_recipe, tmp_path, monkeypatch):
    def failing(*arguments):
        return float("nan"), 1.0

    monkeypatch.setattr(team_code, "train_epoch", failing)
    with pytest.raises(EntryError, match="fold 1/2, simulated recordings, epoch 1: the loss is not finite"):
        training_code(training_data, tmp_path / "model", tiny_recipe, CPU)


def test_the_data_is_never_where_the_training_cleans_up(training_data, tiny_recipe, tmp_path):
    data = tmp_path / "model/.training"
    shutil.copytree(training_data, data)
    with pytest.raises(EntryError, match="give another model folder"):
        training_code(data, tmp_path / "model", tiny_recipe, CPU)
    assert len(list(data.rglob("*.mat"))) == 20


def test_an_unreadable_recording_is_named_and_left_out(training_data, tiny_recipe, tmp_path, capsys):
    data = tmp_path / "data"
    shutil.copytree(training_data, data)
    (data / "g1/HR00003.mat").write_bytes(b"")
    write_recording(data, "E1", comments=("#Dx: 12345",))
    training_code(data, tmp_path / "model", replace(tiny_recipe, epochs=1), CPU)
    said = capsys.readouterr().out
    assert "left out: " in said and "HR00003.mat" in said
    assert "19 recordings to train on, 1 without a scored label, 1 unreadable" in said


def test_folders_that_cannot_be_trained_on(tmp_path, tiny_recipe):
    for i in range(3):
        write_recording(tmp_path / "few", f"A{i}")
        write_recording(tmp_path / "unlabelled", f"A{i}", comments=())
    with pytest.raises(EntryError, match="too few for 5 folds"):
        training_code(tmp_path / "few", tmp_path / "m1", replace(tiny_recipe, folds=5), CPU)
    with pytest.raises(EntryError, match="no recording with a scored label"):
        training_code(tmp_path / "unlabelled", tmp_path / "m2", tiny_recipe, CPU)


def test_the_headers_gain_changes_nothing(model):
    counts = noise(5000)
    results = [run(model, counts, gain=gain) for gain in ("1000/mV", "4880/mV", "200/mV", "2000000/mV", "1000.0(0)/mv")]
    assert all(result == results[0] for result in results)


def test_the_order_of_the_leads_changes_nothing(model):
    counts = noise(5000)
    order = np.random.default_rng(0).permutation(12)
    assert run(model, counts[order], leads=[LEADS[i] for i in order]) == run(model, counts)


def test_a_patients_recordings_are_in_one_fold(training_data, tiny_recipe, tmp_path):
    names = [path.stem for path in find_headers(training_data)]
    table = tmp_path / "patients.csv"
    table.write_text("record,patient\n" + "".join(f"{name},{i // 4}\n" for i, name in enumerate(names)))
    one_epoch = replace(tiny_recipe, epochs=1, simulated=0)
    training_code(training_data, tmp_path / "model", one_epoch, CPU, table)
    rows = [line.split(",")[:2] for line in (tmp_path / "model/out_of_fold.csv").read_text().splitlines()[1:]]
    fold_of = dict(rows)
    assert len(fold_of) == len(names) and set(fold_of.values()) == {"1", "2"}
    assert all(len({fold_of[name] for name in names[i : i + 4]}) == 1 for i in range(0, len(names), 4))
    table.write_text("other,1\n")
    with pytest.raises(EntryError, match="names none of the recordings"):
        training_code(training_data, tmp_path / "other", one_epoch, CPU, table)


@pytest.mark.parametrize("leads", [12, 6, 4, 3, 2])
def test_fewer_leads_run(model, leads):
    counts = noise(5000)[:leads]
    _, labels, p = run(model, counts, leads=("I", "II", *LEADS[6:10], *LEADS[2:6], *LEADS[10:])[:leads])
    assert sum(labels) >= 1 and np.isfinite(p).all()


@pytest.mark.parametrize("rate", [100, 250, 257, 300, 500, 1000])
def test_other_rates_run(model, rate):
    _, labels, p = run(model, noise(10 * rate), rate=str(rate))
    assert sum(labels) >= 1 and np.isfinite(p).all()


@pytest.mark.parametrize("samples", [1, 50, 2500, 462_600])
def test_any_length_runs(model, samples):
    """From one sample to the 15 minutes at 500 Hz that are the longest of the training data."""
    _, labels, p = run(model, noise(samples))
    assert sum(labels) >= 1 and np.isfinite(p).all()


def test_eight_leads_are_twelve(model):
    """What many recorders store: the other limb leads are computed from I and II."""
    counts = noise(5000)
    one, two = 2 * (counts[:2] // 2)
    counts[:6] = one, two, two - one, -(one + two) // 2, one - two // 2, two - one // 2
    eight = [0, 1, *range(6, 12)]
    _, labels, p = run(model, counts)
    _, labels_of_eight, p_of_eight = run(model, counts[eight], leads=[LEADS[i] for i in eight])
    assert labels_of_eight == labels
    np.testing.assert_allclose(p_of_eight, p, atol=0.01)


@pytest.mark.parametrize("oddity", ["one flat lead", "all flat", "invalid samples", "spikes", "not a number"])
def test_odd_signals_run(model, oddity):
    counts = noise(5000).astype(float)
    if oddity == "one flat lead":
        counts[3] = 0
    elif oddity == "all flat":
        counts[:] = 0
    elif oddity == "invalid samples":
        counts[2, 100:200] = record.INVALID
        counts[5] = record.INVALID
    elif oddity == "spikes":
        counts[:, ::500] = 32000
    else:
        counts[1] = np.nan
    _, labels, p = run(model, counts)
    assert sum(labels) >= 1 and np.isfinite(p).all()


def test_two_recordings_alike_under_two_names_have_the_same_result(model):
    counts = noise(5000)
    results = [run_model(model, header_text(name, counts), counts) for name in ("E07509", "E07510")]
    assert results[0] == results[1]


def test_a_long_recording_is_the_mean_of_its_windows(model, tiny_recipe):
    counts = noise(12_000)
    samples = preprocessing.network_signal(counts, 500, tiny_recipe)
    starts = [0, 448, 896, 1344, 1792, samples.shape[1] - 512]
    windows = torch.tensor(np.stack([samples[:, start : start + 512] for start in starts])).float()
    people = torch.tensor(np.tile(preprocessing.demographics(60.0, "female"), (len(starts), 1)))
    with torch.inference_mode():
        p = [torch.sigmoid(network(windows, people)) for network in model.networks]
    np.testing.assert_allclose(run(model, counts)[2], torch.stack(p).mean(dim=(0, 1)), rtol=1e-5)


def test_a_recording_that_contradicts_its_header_is_a_record_error(model):
    with pytest.raises(RecordError, match="12 leads in the header"):
        run_model(model, header_text("A1", noise()), noise(leads=11))
