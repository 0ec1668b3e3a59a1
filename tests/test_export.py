"""An exported ensemble: what onnxruntime and NumPy make of it without PyTorch is what the driver writes."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from benchmarks.material import write_model
from ecg.errors import EntryError
from ecg.evaluation.outputs import parse_outputs
from ecg.recipe import PUBLISHED
from ecg.simulation.signal import simulate_signal
from team_code import load_model
from tests.conftest import CPU, LEADS, ROOT, noise, run_script, write_recording
from tools import export

WITHOUT_TORCH = (
    "import runpy, sys; sys.modules['torch'] = None; sys.argv[0] = 'examples/serve_onnx.py';"
    "runpy.run_path(sys.argv[0], run_name='__main__')"
)


def serve(*arguments) -> subprocess.CompletedProcess:
    """The example in a process where ``import torch`` raises."""
    command = [sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def simulated(label: str, rate: int, seconds: float) -> np.ndarray:
    return simulate_signal([label], 60, "female", rate, seconds, np.random.default_rng(round(seconds)))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Recordings of every length for windows of 512 samples at 257 Hz, and of up to 1600 at 100 Hz."""
    folder = tmp_path_factory.mktemp("data")
    counts = {
        "short": simulated("AF", 500, 1),
        "usual": simulated("LBBB", 500, 10),
        "sixteen": simulated("SNR", 500, 16),  # one window of `best`, whole
        "long": simulated("PVC", 500, 50),
        "sample": noise(1),
        "zeros": np.zeros((12, 5000), np.int16),
        "gaps": np.where(noise(5000, seed=1) > 0, simulated("STach", 500, 10), -32768).astype(np.int16),
    }
    for name, signal in counts.items():
        write_recording(folder, name, signal)
    write_recording(folder, "window", simulated("SB", 257, 10)[:, :512], rate="257")  # one of `published`, whole
    write_recording(folder, "slow", simulated("CRBBB", 100, 20), rate="100")
    write_recording(folder, "fast", simulated("IAVB", 1000, 12), rate="1000", comments=("#Age: NaN",))
    claimed = write_recording(folder, "claimed", simulated("LAD", 500, 10))
    claimed.write_text(claimed.read_text().replace("claimed 12 500 5000", "claimed 12 500 6000"))
    few = ("II", "V1", "V5")
    write_recording(folder, "few", simulated("TInv", 500, 10)[[LEADS.index(lead) for lead in few]], leads=few)
    return folder


@pytest.fixture(scope="module", params=["open", "published"])
def exported(request, tmp_path_factory):
    """A model folder, and the file it is exported to."""
    place = tmp_path_factory.mktemp(request.param)
    folder = ROOT / "models/open"
    if request.param == "published":  # narrow, untrained networks that vote on windows as they are
        folder = place / "model"
        write_model(folder, replace(PUBLISHED, width=4, reduction=2, window=512, shortest_window=512, overlap=64), CPU)
    result = run_script("tools/export.py", folder, "--onnx", place / "model.onnx")
    assert (result.returncode, result.stderr) == (0, "")
    assert "PyTorch's by at most" in result.stdout and result.stdout.count("\n") == 1
    assert [path.name for path in place.iterdir() if path != folder] == ["model.onnx"]
    return folder, place / "model.onnx"


def test_without_torch_it_says_what_the_driver_writes(exported, data, tmp_path):
    folder, file = exported
    assert run_script("driver.py", folder, data, tmp_path, "--float32").returncode == 0
    headers = sorted(data.glob("*.hea"))
    result = serve(file, *headers)
    assert (result.returncode, result.stderr) == (0, "")
    said = result.stdout.splitlines(keepends=True)
    assert len(said) == 4 * len(headers) == 48
    for at, header in enumerate(headers):
        lines = said[4 * at : 4 * at + 4]
        written = (tmp_path / f"{header.stem}.csv").read_text()
        assert lines[0] == written.splitlines(keepends=True)[0]
        ours, theirs = parse_outputs("".join(lines)), parse_outputs(written)
        assert ours[:2] == theirs[:2], header
        np.testing.assert_allclose(ours[2], theirs[2], atol=1e-4)


def test_windows_of_any_number_and_length_have_torchs_probabilities(exported):
    folder, file = exported
    ensemble = export.Ensemble(load_model(folder, compute=CPU).networks)
    session = onnxruntime.InferenceSession(file)
    for number, samples in ((1, 1), (1, 512), (2, 31), (7, 1600), (33, 97), (1, 5000)):
        windows = noise(number * samples, seed=samples).reshape(12, number, samples).swapaxes(0, 1).astype(np.float32)
        windows[0, :, samples // 2 :] = 0
        patients = np.random.default_rng(samples).random((number, 5), np.float32)
        with torch.inference_mode():
            expected = ensemble(torch.from_numpy(windows), torch.from_numpy(patients)).numpy()
        (given,) = session.run(None, {"windows": windows, "demographics": patients})
        assert given.shape == expected.shape and given.dtype == np.float32
        np.testing.assert_allclose(given, expected, atol=1e-4)


def test_the_file_says_all_that_is_needed_to_use_it_and_nothing_of_where_it_was_made(exported):
    folder, file = exported
    written = onnx.load(file)
    told = {entry.key: json.loads(entry.value) for entry in written.metadata_props}
    model = json.loads((folder / "model.json").read_text())
    assert told.pop("leads") == list(LEADS)
    assert told == model
    shapes = {
        value.name: [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*written.graph.input, *written.graph.output)
    }
    assert shapes == {
        "windows": ["windows", 12, "samples"],
        "demographics": ["windows", 5],
        "probabilities": [len(model["folds"]), "windows", 24],
    }
    assert str(ROOT).encode() not in file.read_bytes() and b"site-packages" not in file.read_bytes()


def test_a_model_that_is_broken_is_refused_and_leaves_no_file(model_copy, tmp_path):
    (model_copy / "fold-2.safetensors").write_bytes(b"x" * 100)
    result = run_script("tools/export.py", model_copy, "--onnx", tmp_path / "model.onnx")
    assert result.returncode == 2 and result.stderr.count("\n") == 1 and "fold-2.safetensors" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("bias", [0.1, np.nan])
def test_an_export_that_says_something_else_is_not_kept(exported, tmp_path, monkeypatch, bias):
    written = onnx.load(exported[1])
    (weights,) = (tensor for tensor in written.graph.initializer if tensor.name == "networks.1.head.bias")
    weights.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weights) + np.float32(bias), weights.name))
    monkeypatch.setattr(export, "to_onnx", lambda _: written)
    (tmp_path / "model.onnx").write_text("an older one")
    with pytest.raises(EntryError, match="is not kept"):
        export.export(load_model(exported[0], compute=CPU), tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_text() == "an older one" and len(list(tmp_path.iterdir())) == 1


def test_networks_too_large_for_one_file_are_refused(model_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "LARGEST", 1000)
    with pytest.raises(EntryError, match="too large for one ONNX file"):
        export.export(load_model(model_folder, compute=CPU), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_the_example_goes_on_after_a_recording_that_cannot_be_read(exported, data, tmp_path):
    result = serve(exported[1], tmp_path / "none", data / "usual.mat")
    assert result.returncode == 1 and result.stdout.startswith("#usual\n") and result.stdout.count("\n") == 4
    assert result.stderr.startswith("failed: ") and result.stderr.count("\n") == 1
    assert serve(exported[1], tmp_path / "none").returncode == 2


def test_the_example_refuses_what_is_no_exported_ensemble(exported, data, tmp_path):
    (tmp_path / "text.onnx").write_text("text")
    nothing = onnx.load(exported[1])
    del nothing.metadata_props[:]
    onnx.save_model(nothing, tmp_path / "nothing.onnx")
    fewer = onnx.load(exported[1])
    (folds,) = (entry for entry in fewer.metadata_props if entry.key == "folds")
    folds.value = json.dumps(json.loads(folds.value)[:-1])
    onnx.save_model(fewer, tmp_path / "fewer.onnx")
    reasons = {"text": "as an ONNX file", "none": "as an ONNX file", "nothing": "not a model", "fewer": "do not fit"}
    for name, reason in reasons.items():
        result = serve(tmp_path / f"{name}.onnx", data / "usual.hea")
        assert result.returncode == 2 and reason in result.stderr and result.stderr.count("\n") == 1


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "onnxscript"])
def test_what_is_not_installed_is_named_with_its_list(model_folder, tmp_path, package):
    code = WITHOUT_TORCH.replace("torch", package).replace("examples/serve_onnx.py", "tools/export.py")
    command = [sys.executable, "-c", code, str(model_folder), "--onnx", str(tmp_path / "model.onnx")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 2 and not list(tmp_path.iterdir())
    assert result.stderr == f"error: {package} is not installed: pip install -r requirements-export.txt\n"
