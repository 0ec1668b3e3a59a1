"""Each fast path gives the results of the plain one in benchmarks/plain.py. `make bench` compares their speed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

import driver
from benchmarks import plain
from ecg.classes import WEIGHTS_FILE, load_weights
from ecg.data import preprocessing
from ecg.data.listing import find_recordings
from ecg.data.packed import pack
from ecg.data.record import read_record
from ecg.data.windows import Windows
from ecg.decision.labels import vote
from ecg.evaluation import metrics
from ecg.model.compute import Compute
from ecg.model.description import Description
from ecg.model.ensemble import probabilities
from ecg.model.folder import build_network, save_model
from ecg.model.fused import FEW_WINDOWS, FusedNetworks
from ecg.model.network import SEResNet
from ecg.recipe import RECIPES
from evaluate_model import evaluate_model
from team_code import load_model, predict, run_model, search_grid
from tests.conftest import CPU, noise, write_recording

PUBLISHED = RECIPES["published"]
WEIGHTS = load_weights()


@pytest.fixture(scope="module")
def headers(tmp_path_factory):
    """The headers of recordings of several rates and lengths, none longer than a window."""
    folder = tmp_path_factory.mktemp("data")
    for i, (rate, seconds) in enumerate([(500, 10), (500, 10), (500, 6), (257, 10), (1000, 5), (100, 10), (500, 15)]):
        age, sex = ("NaN", "Unknown") if i == 2 else (40 + i, "Male" if i % 2 else "Female")
        comments = (f"#Age: {age}", f"#Sex: {sex}", "#Dx: 426783006")
        write_recording(folder, f"HR{i:05d}", noise(rate * seconds, seed=i), rate=str(rate), comments=comments)
    return find_recordings(folder)


def untrained_network() -> SEResNet:
    """A narrow network. One batch has set the statistics of its batch normalisations."""
    network = SEResNet(width=8, reduction=2).train()
    with torch.no_grad():
        network(300 * torch.randn(8, 12, 512), torch.rand(8, 5))
    return network.eval()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model")
    recipe = replace(PUBLISHED, width=8, reduction=2)
    thresholds = np.random.default_rng(0).uniform(0.3, 0.7, (5, 24))
    description = Description(recipe, WEIGHTS.classes, WEIGHTS.matrix, thresholds)
    save_model(folder, description, [untrained_network() for _ in thresholds])
    return load_model(folder, compute=CPU)


def test_network_input(headers):
    for header in headers:
        counts, people = plain.read(header)
        signal, demographics = preprocessing.network_input(read_record(header), PUBLISHED)
        np.testing.assert_allclose(signal, counts, atol=1)  # halves may be rounded up or down
        np.testing.assert_allclose(demographics, people, rtol=1e-6)


def test_gradients_on_cut_windows(headers):
    inputs = [plain.read(header) for header in headers]
    recordings = pack((counts.astype(np.int16), people.astype(np.float32)) for counts, people in inputs)
    lefts = [7 * i for i in range(len(inputs))]
    windows = Windows(np.arange(len(inputs)), -np.array(lefts), plain.WINDOW)
    batch = [torch.stack(part) for part in zip(*(plain.tensors(*item, left) for item, left in zip(inputs, lefts)))]
    gradients = []
    for signals, demographics in (batch, recordings.cut(windows, CPU.device)):
        torch.manual_seed(0)
        network = SEResNet(width=4, reduction=2)
        logits = network(signals, demographics)
        functional.binary_cross_entropy_with_logits(logits, torch.zeros(len(inputs), 24)).backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
    assert all(torch.equal(expected, found) for expected, found in zip(*gradients))


def test_run_model_and_a_folder_in_batches(headers, model):
    results = dict(driver.run_folder(model, headers, "challenge"))
    assert list(results) == headers
    for header in headers:
        plain_labels, plain_scores = plain.run(model.networks, model.description.thresholds, *plain.read(header))
        _, *alone = run_model(model, header.read_text(), read_record(header).counts)
        for labels, scores in (alone, results[header][:2]):
            assert labels == plain_labels.astype(int).tolist()
            np.testing.assert_allclose(scores, plain_scores, atol=1e-5)


def test_recording_has_the_same_result_alone_and_in_a_batch_if_windows_fit_their_recordings(headers, model):
    recipe = replace(RECIPES["best"], width=8, reduction=2, batch=3)
    fitting = replace(model, description=replace(model.description, recipe=recipe))
    for path, (labels, scores, _) in driver.run_folder(fitting, headers, "challenge"):
        _, labels_alone, scores_alone = run_model(fitting, path.read_text(), read_record(path).counts)
        assert labels == labels_alone
        np.testing.assert_allclose(scores, scores_alone, atol=1e-6)


def test_bfloat16_changes_probabilities_little(model):
    signals = [preprocessing.network_signal(noise(5000, seed=seed), 500, PUBLISHED) for seed in range(6)]
    recordings = pack((signal, preprocessing.demographics(50.0, "female")) for signal in signals)
    scores = []
    for compute in (CPU, Compute(torch.device("cpu"), torch.bfloat16)):
        p = predict(model.networks, recordings, np.arange(6), model.recipe, compute)
        scores.append(vote(p, model.description.thresholds)[1])
    assert 0 < np.abs(scores[0] - scores[1]).max() < 0.005


@pytest.mark.parametrize("name", ["best", "published"])
@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 1e-6), (torch.bfloat16, 0.005)])
def test_few_windows_by_fused_networks(name, dtype, tolerance):
    torch.manual_seed(1)
    recipe = replace(RECIPES[name], width=8, reduction=2)
    networks = [trained_like(build_network(recipe, 24)) for _ in range(3)]
    fused = FusedNetworks(networks, Compute(CPU.device, dtype))
    for windows, samples in ((1, 1), (1, 997), (2, 512), (FEW_WINDOWS, 1600)):
        signals = [noise(samples, seed=seed) for seed in range(windows)]
        signals[0][5] = 0  # a missing lead
        arguments = torch.from_numpy(np.array(signals, np.float32)), torch.rand(windows, 5)
        with torch.inference_mode():
            expected = probabilities(networks, *arguments)
            torch.testing.assert_close(fused.probabilities(*arguments), expected, atol=tolerance, rtol=0)


@pytest.mark.parametrize("fields", [{"kernel": 3, "stem_kernel": 7}, {"kernel": 9}, {"reduction": 8}, {"width": 3}])
def test_fused_networks_of_other_sizes(fields):
    torch.manual_seed(1)
    recipe = replace(RECIPES["best"], **({"width": 8, "reduction": 2} | fields))
    network = trained_like(build_network(recipe, 5))
    window, patient = torch.from_numpy(noise(700)[np.newaxis].astype(np.float32)), torch.rand(1, 5)
    with torch.inference_mode():
        fused = FusedNetworks([network], CPU).probabilities(window, patient)
        torch.testing.assert_close(fused, probabilities([network], window, patient), atol=1e-6, rtol=0)


def test_a_model_fuses_its_own_networks_only(model):
    window, patient = torch.from_numpy(noise(700)[np.newaxis].astype(np.float32)), torch.rand(1, 5)
    with torch.inference_mode():
        for networks in (model.networks, model.networks[1:2]):
            expected = probabilities(networks, window, patient)
            torch.testing.assert_close(model.probabilities(networks, window, patient), expected, atol=1e-5, rtol=0)
    assert len(model.networks) > 1


def trained_like(network: SEResNet) -> SEResNet:
    """The network with weights and statistics of batch normalisation that a new one does not have."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.momentum = 1.0
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.uniform_(-0.5, 0.5)
    signals = np.array([noise(1600, seed=seed) for seed in range(8)], np.float32)
    with torch.no_grad():
        network.train()(torch.from_numpy(signals), torch.rand(8, 5))
    return network.eval()


def test_grid_search():
    random = np.random.default_rng(3)
    labels = random.random((15, 24)) < 0.1
    p = np.round(0.3 * labels + 0.7 * random.random(labels.shape), 3)

    def metric(outputs: np.ndarray) -> float:
        return plain.challenge_metric(WEIGHTS.matrix, labels, outputs, WEIGHTS.normal)

    expected, found = plain.grid_search(metric, p), search_grid(WEIGHTS, labels, p)
    reached = [
        metrics.challenge_metric(WEIGHTS, labels, plain.apply_thresholds(p, levels)) for levels in (expected, found)
    ]
    assert reached[1] == pytest.approx(reached[0], abs=1e-9)
    assert len(set(expected)) > 10
    np.testing.assert_allclose(found, expected)


def test_evaluation(tmp_path):
    labels, outputs = tmp_path / "labels", tmp_path / "outputs"
    outputs.mkdir()
    random = np.random.default_rng(0)
    for i in range(60):
        observed, p = random.random(24) < 0.15, random.random(24).round(2)
        codes = ",".join(code for code, positive in zip(WEIGHTS.classes, observed) if positive) or "426783006"
        write_recording(labels, f"E{i:05d}", noise(20), comments=("#Age: 50", "#Sex: Male", f"#Dx: {codes}"))
        rows = [f"#E{i:05d}"], WEIGHTS.classes, (p > 0.7).astype(int), p
        (outputs / f"E{i:05d}.csv").write_text("\n".join(",".join(map(str, row)) for row in rows) + "\n")
    expected = plain.evaluate(labels, outputs, WEIGHTS_FILE)
    figures, _ = evaluate_model(labels, outputs)
    found = {
        "Challenge metric": figures.challenge_metric,
        "Accuracy": figures.accuracy,
        "AUROC": metrics.mean(figures.auroc),
        "AUPRC": metrics.mean(figures.auprc),
        "F-measure": metrics.mean(figures.f_measure),
        "Fbeta-measure": metrics.mean(figures.f_beta),
        "Gbeta-measure": metrics.mean(figures.g_beta),
    }
    assert found == pytest.approx(expected, abs=1e-12)
