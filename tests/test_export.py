"""An exported ensemble: with onnxruntime and NumPy, without PyTorch, it has the outputs of the driver."""

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from benchmarks.material import write_model
from ecg import cli
from ecg.errors import EntryError
from ecg.evaluation.outputs import parse_outputs
from ecg.model.folder import Model, save_model
from ecg.recipe import PUBLISHED
from ecg.simulation.signal import simulate_signal
from team_code import load_model
from tests.conftest import CPU, LEADS, ROOT, call_script, noise, write_recording
from tools import export

EXPORT, EXAMPLE = "tools/export.py", "examples/serve_onnx.py"


def serve_without_torch(*arguments) -> subprocess.CompletedProcess:
    """Run the example in a process in which ``import torch`` raises."""
    program = f"import runpy, sys; sys.modules['torch'] = None; sys.argv[0] = {EXAMPLE!r};"
    program += "runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def simulated(label: str, rate: int, seconds: float) -> np.ndarray:
    """The counts of a simulated recording, int16 (12, samples)."""
    return simulate_signal([label], 60, "female", rate, seconds, np.random.default_rng(round(seconds)))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Recordings of all lengths. A window of `published` has 512 samples at 257 Hz, one of `best` 1600 at 100 Hz."""
    folder = tmp_path_factory.mktemp("data")
    counts = {
        "short": simulated("AF", 500, 1),
        "usual": simulated("LBBB", 500, 10),
        "sixteen": simulated("SNR", 500, 16),  # one window of `best`
        "long": simulated("PVC", 500, 50),
        "two samples": noise(2),
        "one flat lead": np.where(np.arange(12)[:, np.newaxis] == 7, 0, noise(5000)).astype(np.int16),
        "gaps": np.where(noise(5000, seed=1) > 0, simulated("STach", 500, 10), -32768).astype(np.int16),
    }
    for name, signal in counts.items():
        write_recording(folder, name, signal)
    write_recording(folder, "window", simulated("SB", 257, 10)[:, :512], rate="257")  # one window of `published`
    write_recording(folder, "slow", simulated("CRBBB", 100, 20), rate="100")
    write_recording(folder, "fast", simulated("IAVB", 1000, 12), rate="1000", comments=("#Age: NaN",))
    claimed = write_recording(folder, "claimed", simulated("LAD", 500, 10))
    claimed.write_text(claimed.read_text().replace("claimed 12 500 5000", "claimed 12 500 6000"))
    few = ("II", "V1", "V5")
    write_recording(folder, "few", simulated("TInv", 500, 10)[[LEADS.index(lead) for lead in few]], leads=few)
    return folder


def save_two_networks(model: Model, folder: Path) -> None:
    """Save ``model`` with its first two networks: each more costs seconds to export."""
    save_model(folder, replace(model.description, thresholds=model.description.thresholds[:2]), model.networks[:2])


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """The folders of two models and the files they are exported to by one process, which imports PyTorch once."""
    five, open_two, two, files = (tmp_path_factory.mktemp(name) for name in ("five", "open", "two", "files"))
    recipe = replace(PUBLISHED, width=8, reduction=2, window=512, shortest_window=512, overlap=64)
    model = write_model(five / "model", recipe, CPU)  # untrained networks
    save_two_networks(model, two)
    save_two_networks(load_model(ROOT / "models/open", compute=CPU), open_two)
    exported = {"open": (open_two, files / "open.onnx"), "published": (two, files / "published.onnx")}
    arguments = [[str(folder), "--onnx", str(file)] for folder, file in exported.values()]
    program = f"import sys\nfrom tools.export import main\nfor sys.argv[1:] in {arguments}:\n    assert main() == 0"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.count("PyTorch's by at most") == result.stdout.count("\n") == 2
    assert sorted(path.name for path in files.iterdir()) == ["open.onnx", "published.onnx"]
    return exported


@pytest.fixture(scope="module", params=["open", "published"])
def exported(request, exports):
    """A model folder, and the file that it is exported to."""
    return exports[request.param]


@pytest.mark.parametrize("decision", ["challenge", "clinical"])
def test_the_outputs_without_torch_are_those_of_the_driver(exports, data, tmp_path, decision):
    """The model `published` has no clinical thresholds."""
    folder, file = exports["open" if decision == "clinical" else "published"]
    options = ("--decide", decision)
    assert call_script("driver.py", folder, data, tmp_path, "--float32", *options).returncode == 0
    headers = sorted(data.glob("*.hea"))
    result = serve_without_torch(file, *options, *headers)
    notes = [f"{row['recording']}: {row['note']}\n" for row in csv.DictReader((tmp_path / "notes.csv").open())]
    assert result.returncode == 0 and sorted(result.stderr.splitlines(keepends=True)) == sorted(notes)
    assert "one flat lead: flat leads: V2\n" in notes
    served = result.stdout.splitlines(keepends=True)
    assert len(served) == 4 * len(headers) == 48
    for i, header in enumerate(headers):
        lines = served[4 * i : 4 * i + 4]
        written = (tmp_path / f"{header.stem}.csv").read_text()
        assert lines[0] == written.splitlines(keepends=True)[0]
        by_example, by_driver = parse_outputs("".join(lines)), parse_outputs(written)
        assert by_example[:2] == by_driver[:2], header
        np.testing.assert_allclose(by_example[2], by_driver[2], atol=1e-4)


def test_probabilities_are_those_of_torch_for_any_number_and_length_of_windows(exported):
    folder, file = exported
    ensemble = export.Ensemble(load_model(folder, compute=CPU).networks)
    session = onnxruntime.InferenceSession(file)
    for number, samples in ((1, 1), (1, 512), (2, 31), (7, 1600), (33, 97), (1, 5000)):
        windows = noise(number * samples, seed=samples).reshape(12, number, samples).swapaxes(0, 1).astype(np.float32)
        windows[0, :, samples // 2 :] = 0
        patients = np.random.default_rng(samples).random((number, 5), np.float32)
        with torch.inference_mode():
            expected = ensemble(torch.from_numpy(windows), torch.from_numpy(patients)).numpy()
        (probabilities,) = session.run(None, {"windows": windows, "demographics": patients})
        assert probabilities.shape == expected.shape and probabilities.dtype == np.float32
        np.testing.assert_allclose(probabilities, expected, atol=1e-4)


def test_the_file_has_the_description_of_the_model_and_no_path_of_this_machine(exported):
    folder, file = exported
    written = onnx.load(file)
    metadata = {entry.key: json.loads(entry.value) for entry in written.metadata_props}
    model = json.loads((folder / "model.json").read_text())
    assert metadata.pop("leads") == list(LEADS)
    assert metadata == model
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


def test_a_broken_model_is_refused_and_leaves_no_file(model_copy, tmp_path):
    (model_copy / "fold-2.safetensors").write_bytes(b"x" * 100)
    result = call_script(EXPORT, model_copy, "--onnx", tmp_path / "model.onnx")
    assert result.returncode == 2 and result.stderr.count("\n") == 1 and "fold-2.safetensors" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("bias", [0.1, np.nan])
def test_an_export_with_other_probabilities_is_not_kept(exported, tmp_path, monkeypatch, bias):
    written = onnx.load(exported[1])
    (weights,) = (tensor for tensor in written.graph.initializer if tensor.name == "networks.1.head.bias")
    weights.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weights) + np.float32(bias), weights.name))
    monkeypatch.setattr(export, "to_onnx", lambda _: written)
    (tmp_path / "model.onnx").write_text("an older file")
    with pytest.raises(EntryError, match="is not kept"):
        export.export(load_model(exported[0], compute=CPU), tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_text() == "an older file" and len(list(tmp_path.iterdir())) == 1


def test_networks_too_large_for_one_file_are_refused(model_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "LARGEST", 1000)
    with pytest.raises(EntryError, match="too large for one ONNX file"):
        export.export(load_model(model_folder, compute=CPU), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_the_example_goes_on_after_an_unreadable_recording(exported, data, tmp_path):
    result = call_script(EXAMPLE, exported[1], tmp_path / "none", data / "usual.mat")
    assert result.returncode == 1 and result.stdout.startswith("#usual\n") and result.stdout.count("\n") == 4
    assert result.stderr.startswith("failed: ") and result.stderr.count("\n") == 1
    assert call_script(EXAMPLE, exported[1], tmp_path / "none").returncode == 2


def test_the_example_refuses_a_file_that_is_not_an_exported_ensemble(exported, data, tmp_path):
    (tmp_path / "text.onnx").write_text("text")
    bare = onnx.load(exported[1])
    del bare.metadata_props[:]
    onnx.save_model(bare, tmp_path / "bare.onnx")
    fewer = onnx.load(exported[1])
    (folds,) = (entry for entry in fewer.metadata_props if entry.key == "folds")
    folds.value = json.dumps(json.loads(folds.value)[:-1])
    onnx.save_model(fewer, tmp_path / "fewer.onnx")
    reasons = {"text": "as an ONNX file", "none": "as an ONNX file", "bare": "not a model", "fewer": "do not fit"}
    for name, reason in reasons.items():
        result = call_script(EXAMPLE, tmp_path / f"{name}.onnx", data / "usual.hea")
        assert result.returncode == 2 and reason in result.stderr and result.stderr.count("\n") == 1


@pytest.mark.parametrize("exported", ["published"], indirect=True)
@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "onnxscript"])
def test_a_missing_package_is_named_with_its_requirements_file(
    exported, model_folder, tmp_path, monkeypatch, capsys, package
):
    written = onnx.load(exported[1])
    if package == "onnxruntime":  # it is used after the conversion, which takes seconds
        monkeypatch.setattr(export, "to_onnx", lambda _: written)
    monkeypatch.setattr(sys, "argv", [EXPORT, str(model_folder), "--onnx", str(tmp_path / "model.onnx")])
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SystemExit) as end:
        cli.run(export.main)
    assert end.value.code == 2 and not list(tmp_path.iterdir())
    assert capsys.readouterr().err == f"error: {package} is not installed: pip install -r requirements-export.txt\n"
