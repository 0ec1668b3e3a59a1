"""The features before the last layer: of a network, of a recording, and of a folder."""

import csv

import numpy as np
import pytest
import torch

from ecg.data.header import parse_header
from ecg.data.preprocessing import network_input
from ecg.data.record import make_record
from ecg.errors import NonFiniteError, RecordError
from ecg.model.answers import recording_features
from ecg.model.network import SEResNet
from team_code import load_model, run_features
from tests.conftest import CPU, call_script, header_text, noise, run_script, write_recording

EXACT = ("--device", "cpu", "--float32")


@pytest.fixture(scope="module")
def model(model_folder):
    return load_model(model_folder, compute=CPU)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features") / "data"
    for i in range(9):
        write_recording(folder, f"A{i:04d}", noise(1500 + 1500 * i, seed=i))
    return folder


def features_of_file(model, header):
    counts = noise(1500 + 1500 * int(header.stem[1:]), seed=int(header.stem[1:]))
    return run_features(model, header.read_text(), counts)


@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize("width", [16, 32])
def test_the_last_layer_makes_the_logits_of_the_features(scale, width):
    torch.manual_seed(0)
    network = SEResNet(width=width, scale=scale).eval()
    windows, people = 100 * torch.randn(3, 12, 512), torch.rand(3, 5)
    normalised, facts = network.normalise(windows, people)
    features = network.features(normalised)
    assert features.shape == (3, 8 * width) == (3, network.feature_size)
    joined = torch.cat([features, network.demographics(facts)], dim=1)
    assert torch.equal(network.head(joined), network(windows, people))


def test_features_are_the_last_layers_input_of_each_network(model):
    """Their product with the last layer's weights, and age and sex, are the logits: one window, so no mean."""
    counts = noise(2000)
    header = header_text("A1", counts)
    signal, people = network_input(make_record(parse_header(header), counts), model.recipe)
    features = run_features(model, header, counts)
    assert features.dtype == np.float32 and features.shape == (len(model.networks), 8 * model.recipe.width)
    padded = np.zeros((1, 12, -(-signal.shape[1] // 32) * 32), np.float32)
    padded[0, :, : signal.shape[1]] = signal
    for network, of_network in zip(model.networks, features):
        with torch.inference_mode():
            _, facts = network.normalise(torch.from_numpy(padded), torch.from_numpy(people[np.newaxis]))
            both = torch.cat([torch.from_numpy(of_network[np.newaxis]), network.demographics(facts)], dim=1)
            logits = network(torch.from_numpy(padded), torch.from_numpy(people[np.newaxis]))
            torch.testing.assert_close(network.head(both), logits, atol=1e-5, rtol=1e-5)


def test_features_do_not_depend_on_age_sex_and_neighbours(model):
    signals = [noise(samples) for samples in (900, 4000, 4000, 20_000)]
    records = [make_record(parse_header(header_text("A1", counts)), counts) for counts in signals]
    inputs = [network_input(record, model.recipe) for record in records]
    together = recording_features(model, inputs)
    for i, (signal, people) in enumerate(inputs):
        alone = recording_features(model, [(signal, np.zeros_like(people))])
        np.testing.assert_allclose(alone[:, 0], together[:, i], atol=1e-5, rtol=1e-4)


def test_features_of_a_long_recording_are_the_mean_over_its_windows(model):
    recipe = model.recipe
    counts = noise(2 * recipe.window - recipe.overlap)  # two windows at the network's own rate
    whole = run_features(model, header_text("A1", counts, rate=f"{recipe.rate:g}"), counts)
    halves = [counts[:, : recipe.window], counts[:, -recipe.window :]]
    parts = [run_features(model, header_text("A1", half, rate=f"{recipe.rate:g}"), half) for half in halves]
    np.testing.assert_allclose(whole, np.mean(parts, axis=0), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".NPZ"])
def test_the_tool_writes_the_features_of_each_recording(model_folder, model, data, tmp_path, suffix):
    path = tmp_path / f"features{suffix}"
    done = call_script("tools/features.py", model_folder, data, path, *EXACT)
    assert done.returncode == 0 and "features of 9 of 9 recordings" in done.stdout, done.stderr
    headers = sorted(data.glob("*.hea"))
    expected = np.stack([features_of_file(model, header).ravel() for header in headers])
    if suffix == ".csv":
        with open(path, newline="") as file:
            rows = list(csv.reader(file))
        columns, names, table = (
            rows[0],
            [row[0] for row in rows[1:]],
            np.array([row[1:] for row in rows[1:]], np.float32),
        )
        size = model.networks[0].feature_size
        assert (columns[0], columns[1], columns[-1]) == ("recording", "n1_f1", f"n{len(model.networks)}_f{size}")
        assert len(columns) == 1 + table.shape[1]
    else:
        with np.load(path) as stored:  # no pickle
            names, table = stored["names"].tolist(), stored["features"]
            assert stored["networks"] == len(model.networks)
    assert names == [header.stem for header in headers]
    assert table.dtype == np.float32
    np.testing.assert_allclose(table, expected, atol=1e-5, rtol=1e-4)


def test_recordings_without_features_are_named_and_left_out(model_folder, data, tmp_path):
    folder = tmp_path / "data"
    for name, counts in (("A1", noise()), ("A2", noise(seed=2)), ("flat", np.zeros((12, 5000), np.int16))):
        write_recording(folder, name, counts)
    (folder / "torn.hea").write_text("no header\n")
    write_recording(folder / "again", "A1")
    path = tmp_path / "features.npz"
    done = run_script("tools/features.py", "-d", folder, "-m", model_folder, "-o", path)
    assert done.returncode == 1 and "features of 2 of 5 recordings" in done.stdout
    assert sum(line.startswith("left out: ") for line in done.stderr.splitlines()) == 3
    assert all(name in done.stderr for name in ("flat", "torn", "same name")) and "Traceback" not in done.stderr
    with np.load(path) as stored:
        assert stored["names"].tolist() == ["A1", "A2"] and np.isfinite(stored["features"]).all()
    for name in ("A1", "A2"):
        (folder / f"{name}.mat").write_bytes(b"")
    other = tmp_path / "none.npz"
    done = call_script("tools/features.py", model_folder, folder, other)
    assert done.returncode == 2 and "features of 0 of 5 recordings" in done.stdout and not other.exists()


def test_mistakes_are_one_line(model_folder, data, tmp_path):
    for arguments, message in (
        ((model_folder, data, tmp_path / "features.txt"), "must end in .npz or .csv"),
        ((model_folder, tmp_path / "nowhere", tmp_path / "features.npz"), "no such folder"),
        ((model_folder, data, tmp_path / "no" / "folder" / "features.csv"), "cannot be written"),
    ):
        done = call_script("tools/features.py", *arguments)
        assert done.returncode == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1


def test_what_has_no_features_is_an_error(model_folder, model):
    with pytest.raises(RecordError, match="not an ECG"):
        run_features(model, header_text("A1", np.zeros((12, 5000), np.int16)), np.zeros((12, 5000), np.int16))
    broken = load_model(model_folder, compute=CPU)
    broken.networks[1].stem[0].weight.data[0] = np.nan
    with pytest.raises(NonFiniteError, match="no finite features"):
        run_features(broken, header_text("A1", noise(5000)), noise(5000))


def test_units_are_those_of_run_model(model):
    counts, header = noise(5000), header_text("A1", noise(5000))
    in_mv = run_features(model, header, counts / 1000, units="mV")
    np.testing.assert_allclose(in_mv, run_features(model, header, counts), atol=1e-5, rtol=1e-4)
