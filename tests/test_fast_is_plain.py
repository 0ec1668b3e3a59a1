"""Each fast path does what the plain way in benchmarks/plain.py does. Not timed: that is `make bench`."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

import driver
from benchmarks import plain
from ecg.classes import WEIGHTS_FILE, load_weights
from ecg.data import preprocessing
from ecg.data.listing import find_headers
from ecg.data.packed import pack
from ecg.data.record import read_record
from ecg.data.windows import Windows
from ecg.decision.labels import vote
from ecg.evaluation import metrics
from ecg.model.compute import Compute
from ecg.model.description import Description
from ecg.model.folder import save_model
from ecg.model.network import SEResNet
from ecg.recipe import RECIPES
from evaluate_model import evaluate_model
from team_code import load_model, predict, run_model, search_grid
from tests.conftest import CPU, noise, write_recording

PUBLISHED = RECIPES["published"]
CLASSES = load_weights()


def untrained() -> SEResNet:
    """A narrow network whose batch normalisations have seen something."""
    network = SEResNet(width=8, reduction=2).train()
    with torch.no_grad():
        network(300 * torch.randn(8, 12, 512), torch.rand(8, 5))
    return network.eval()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Recordings of several rates and lengths, none longer than a window."""
    folder = tmp_path_factory.mktemp("data")
    for i, (rate, seconds) in enumerate([(500, 10), (500, 10), (500, 6), (257, 10), (1000, 5), (100, 10), (500, 15)]):
        age, sex = ("NaN", "Unknown") if i == 2 else (40 + i, "Male" if i % 2 else "Female")
        comments = (f"#Age: {age}", f"#Sex: {sex}", "#Dx: 426783006")
        write_recording(folder, f"HR{i:05d}", noise(rate * seconds, seed=i), rate=str(rate), comments=comments)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model")
    recipe = replace(PUBLISHED, width=8, reduction=2)
    thresholds = np.random.default_rng(0).uniform(0.3, 0.7, (5, 24))
    description = Description(recipe, CLASSES.classes, CLASSES.matrix, thresholds)
    save_model(folder, description, [untrained() for _ in thresholds])
    return load_model(folder, compute=CPU)


def by_the_plain_way(model, header):
    levels = model.description.thresholds
    return plain.run(model.networks, levels, *plain.read(header))


def test_a_recording_is_seen_as_by_decoding_and_interpolating_it(data):
    for header in find_headers(data):
        counts, people = plain.read(header)
        seen, demographics = preprocessing.network_input(read_record(header), PUBLISHED)
        np.testing.assert_allclose(seen, counts, atol=1)  # a half may be rounded either way
        np.testing.assert_allclose(demographics, people, rtol=1e-6)


def test_training_on_cut_windows_has_the_plain_gradients(data):
    read = [plain.read(header) for header in find_headers(data)]
    recordings = pack((c.astype(np.int16), p.astype(np.float32)) for c, p in read)
    lefts = [7 * i for i in range(len(read))]
    windows = Windows(np.arange(len(read)), -np.array(lefts), plain.WINDOW)
    plainly = [torch.stack(part) for part in zip(*(plain.tensors(*r, left) for r, left in zip(read, lefts)))]
    gradients = []
    for batch in (plainly, recordings.cut(windows, CPU.device)):
        torch.manual_seed(0)
        network = SEResNet(width=4, reduction=2)
        functional.binary_cross_entropy_with_logits(network(*batch), torch.zeros(len(read), 24)).backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients))


def test_run_model_has_the_plain_labels_and_probabilities(data, model):
    for header in find_headers(data):
        _, labels, scores = run_model(model, header.read_text(), read_record(header).counts)
        plain_labels, plain_scores = by_the_plain_way(model, header)
        assert labels == plain_labels.astype(int).tolist()
        np.testing.assert_allclose(scores, plain_scores, atol=1e-5)


def test_a_folder_in_batches_has_the_plain_labels_and_probabilities(data, model):
    results = dict(driver.run_folder(model, find_headers(data)))
    assert list(results) == find_headers(data)
    for header, (labels, scores) in results.items():
        plain_labels, plain_scores = by_the_plain_way(model, header)
        assert labels == plain_labels.astype(int).tolist()
        np.testing.assert_allclose(scores, plain_scores, atol=1e-5)


def test_a_recording_has_the_same_result_alone_and_among_others_of_any_length(data, model):
    """Where windows fit their recordings too."""
    fitting = replace(
        model, description=replace(model.description, recipe=replace(RECIPES["best"], width=8, reduction=2, batch=3))
    )
    for path, (labels, scores) in driver.run_folder(fitting, find_headers(data)):
        _, alone, alone_scores = run_model(fitting, path.read_text(), read_record(path).counts)
        assert labels == alone
        np.testing.assert_allclose(scores, alone_scores, atol=1e-6)


def test_short_numbers_change_probabilities_little(model):
    counts = [preprocessing.network_signal(noise(5000, seed=seed), 500, PUBLISHED) for seed in range(6)]
    recordings = pack((signal, preprocessing.demographics(50.0, "female")) for signal in counts)
    networks = model.networks
    levels = model.description.thresholds
    long, short = (
        vote(predict(networks, recordings, np.arange(6), model.recipe, compute), levels)[1]
        for compute in (CPU, Compute(torch.device("cpu"), torch.bfloat16))
    )
    assert 0 < np.abs(long - short).max() < 0.005


def test_the_grid_is_the_plain_search():
    random = np.random.default_rng(3)
    labels = random.random((40, 24)) < 0.1
    p = np.round(0.5 * labels + 0.5 * random.random(labels.shape), 3)
    *_, expected = plain.grid_search(
        lambda outputs: plain.challenge_metric(CLASSES.matrix, labels, outputs, CLASSES.normal), p
    )
    found = search_grid(CLASSES, labels, p)
    metric = [
        metrics.challenge_metric(CLASSES, labels, plain.apply_thresholds(p, levels)) for levels in (expected, found)
    ]
    assert metric[1] == pytest.approx(metric[0], abs=1e-9)
    np.testing.assert_allclose(found, expected)


def test_the_figures_are_those_of_the_plain_loops(tmp_path):
    labels, outputs = tmp_path / "labels", tmp_path / "outputs"
    outputs.mkdir()
    random = np.random.default_rng(0)
    for i in range(60):
        truth, p = random.random(24) < 0.15, random.random(24).round(2)
        codes = ",".join(code for code, on in zip(CLASSES.classes, truth) if on) or "426783006"
        write_recording(labels, f"E{i:05d}", noise(20), comments=("#Age: 50", "#Sex: Male", f"#Dx: {codes}"))
        rows = [f"#E{i:05d}"], CLASSES.classes, (p > 0.7).astype(int), p
        (outputs / f"E{i:05d}.csv").write_text("\n".join(",".join(map(str, row)) for row in rows) + "\n")
    expected = plain.evaluate(labels, outputs, WEIGHTS_FILE)
    figures, _ = evaluate_model(labels, outputs)
    assert figures.challenge_metric == pytest.approx(expected["Challenge metric"], abs=1e-12)
    assert figures.accuracy == pytest.approx(expected["Accuracy"], abs=1e-12)
    for name, values in [
        ("AUROC", figures.auroc),
        ("AUPRC", figures.auprc),
        ("F-measure", figures.f_measure),
        ("Fbeta-measure", figures.f_beta),
        ("Gbeta-measure", figures.g_beta),
    ]:
        assert metrics.mean(values) == pytest.approx(expected[name], abs=1e-12)
