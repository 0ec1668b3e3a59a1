"""Hostile model folders, headers, signals and outputs are refused with a reason, at little cost of time and memory."""

import io
import json
import os
import pickle
import resource
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from ecg.classes import load_weights
from ecg.data.header import parse_header
from ecg.data.listing import find_recordings
from ecg.data.record import make_record, read_record
from ecg.data.signal_files import read_mat
from ecg.errors import EntryError, RecordError
from ecg.evaluation.metrics import score
from ecg.evaluation.outputs import load_labels_and_outputs, parse_outputs
from ecg.files import read_text
from team_code import load_model
from tests.conftest import header_text, noise, write_recording

WEIGHTS = load_weights()
MEGABYTE = 1 << 20


# ---------------------------------------------------------------------------------------------------- model folders


# Each function below, or the function it returns, edits a model folder.


def with_json(edit):
    """Edit the content of model.json."""

    def edit_folder(folder):
        content = json.loads((folder / "model.json").read_text())
        edit(content)
        (folder / "model.json").write_text(json.dumps(content))

    return edit_folder


def with_recipe(**values):
    return with_json(lambda content: content["recipe"].update(values))


def with_tensors(edit):
    """Edit the tensors of the first network."""

    def edit_folder(folder):
        tensors = load_file(folder / "fold-1.safetensors")
        edit(tensors)
        save_file(tensors, folder / "fold-1.safetensors")

    return edit_folder


def with_huge_json(folder):
    os.truncate(folder / "model.json", 1 << 30)  # a sparse file of 1 GB


def with_pickled_weights(folder):
    class Harm:
        def __reduce__(self):
            return os.system, (f"touch {folder}/harm",)

    (folder / "fold-1.safetensors").write_bytes(pickle.dumps(Harm()))
    torch.save(Harm(), folder / "fold-2.safetensors")


def with_false_size(size):
    """Replace the first network by a safetensors file that claims a tensor of ``size`` numbers and holds none."""
    header = json.dumps({"head.bias": {"dtype": "F32", "shape": [size], "data_offsets": [0, 4 * size]}}).encode()
    return lambda folder: (folder / "fold-1.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)


def with_special_file(make):
    """Replace model.json by what ``make`` creates there."""

    def edit_folder(folder):
        (folder / "model.json").unlink()
        make(folder / "model.json")

    return edit_folder


MODELS = [
    (with_special_file(os.mkfifo), "not an ordinary file"),
    (with_special_file(lambda path: path.symlink_to("/dev/zero")), "not an ordinary file"),
    (with_json(lambda content: content["folds"][0].update(thresholds=[10**400] * 24)), "not a model"),
    (with_recipe(kernel=8), "must be odd"),
    (with_recipe(window=1_000_000, shortest_window=1_000_000, batch=100_000), "would fill the memory"),
    (lambda folder: (folder / "model.json").unlink(), "no trained model"),
    (lambda folder: (folder / "model.json").write_text("{"), "not a model"),
    (lambda folder: (folder / "model.json").write_text("[]"), "not a model"),
    (lambda folder: (folder / "model.json").write_text('{"format": 2, "recipe": 3}'), "not a model"),
    (lambda folder: (folder / "model.json").write_text("[" * 100_000), "not a model"),
    (lambda folder: (folder / "model.json").write_bytes(b"\xff\xfe\x00"), "not a model"),
    (with_huge_json, "1,073,741,824 bytes, more"),
    (with_json(lambda content: content.update(format=99)), "by a newer version"),
    (with_json(lambda content: content.update(format=1)), "by an older version"),
    (with_json(lambda content: content.update(rewards=[[1.0]])), "one reward for each pair"),
    (with_json(lambda content: content["rewards"][3].__setitem__(3, float("inf"))), "one reward for each pair"),
    (with_json(lambda content: content.update(rewards=[["x"]])), "not a model"),
    (with_json(lambda content: content.update(rewards=[[1.0], []])), "not a model"),
    (with_json(lambda content: content.update(format="1")), "not a model"),
    (with_json(lambda content: content.update(classes=["1\n2"] * 24)), "not codes"),
    (with_json(lambda content: content.update(classes=[])), "not codes"),
    (with_json(lambda content: content.update(classes=[str(i) for i in range(10**6)])), "1000000 classes are more"),
    (with_json(lambda content: content.update(classes=[str(i) for i in range(25)])), "one threshold"),
    (with_json(lambda content: content["rewards"][3].__setitem__(3, 1e300)), "one reward for each pair"),
    (with_json(lambda content: content["folds"][0].update(thresholds=[0.5])), "one threshold"),
    (with_json(lambda content: content["folds"][0].update(thresholds=[float("nan")] * 24)), "one threshold"),
    (with_json(lambda content: content.update(folds=[])), "one threshold"),
    (with_recipe(resampling="x"), "resampling 'x' is not one of"),
    (with_recipe(overlap=512), "overlap 512 must be below"),
    (with_recipe(window="512"), "window '512' is not of type int"),
    (with_recipe(rate=1e12), "rate 1000000000000.0 is not"),
    (with_recipe(rate=float("nan")), "rate nan is not"),
    (with_recipe(batch=10**12), "batch 1000000000000 is not"),
    (with_recipe(width=8), "do not fit"),
    (with_recipe(width=4096, reduction=1), "do not fit"),
    (with_recipe(width=10**30), "width 1000000000000000000000000000000 is not"),
    (with_recipe(unheard_of=1), "not a model"),
    (lambda folder: (folder / "fold-2.safetensors").unlink(), "fold-2.safetensors"),
    (lambda folder: (folder / "fold-1.safetensors").write_bytes(b"x" * 100), "fold-1.safetensors"),
    (lambda folder: os.truncate(folder / "fold-1.safetensors", 5000), "fold-1.safetensors"),
    (with_false_size(10**15), "fold-1.safetensors"),
    (with_tensors(lambda tensors: tensors["head.bias"].fill_(torch.nan)), "not finite"),
    (with_tensors(lambda tensors: tensors.pop("head.bias")), "do not fit"),
    (with_tensors(lambda tensors: tensors.update(more=torch.zeros(3))), "do not fit"),
    (with_tensors(lambda tensors: tensors.update({"head.bias": tensors["head.bias"].long()})), "do not fit"),
    (with_tensors(lambda tensors: tensors.update({"head.bias": tensors["head.bias"][:3].clone()})), "do not fit"),
    (with_pickled_weights, "fold-1.safetensors"),
]


@pytest.mark.parametrize(("edit", "reason"), MODELS)
def test_an_invalid_model_folder_is_refused(model_copy, edit, reason):
    edit(model_copy)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(EntryError, match=reason):
        load_model(model_copy)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * 1024  # KB
    assert not (model_copy / "harm").exists()


def test_weights_in_half_precision_are_accepted(model_copy):
    path = model_copy / "fold-1.safetensors"
    tensors = load_file(path)
    for name, tensor in tensors.items():
        if "running" not in name and tensor.is_floating_point():  # the variance of raw counts exceeds half precision
            tensors[name] = tensor.half()
    save_file(tensors, path)
    assert all(t.dtype == torch.float32 for t in load_model(model_copy).networks[0].parameters())


# --------------------------------------------------------------------------------------------- headers and signals


def test_a_header_that_claims_a_trillion_leads_or_samples_takes_no_memory(tmp_path):
    path = write_recording(tmp_path, "A1")
    tracemalloc.start()
    for line in ("A1 1000000000000 500 5000", "A1 12 500 1000000000000"):
        path.write_text("\n".join([line, *path.read_text().split("\n")[1:]]))
        with pytest.raises(RecordError):
            read_record(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * MEGABYTE


@pytest.mark.parametrize("claimed", [(10**9, 10**9), (12, 2**31 - 1), (-12, 5000), (0, 5000)])
def test_a_signal_that_claims_a_wrong_size_takes_no_memory(tmp_path, claimed):
    path = tmp_path / "A1.mat"
    path.write_bytes(np.array([30, *claimed, 0, 4], "<i4").tobytes() + b"val\0" + bytes(1000))
    tracemalloc.start()
    with pytest.raises(RecordError, match="A1.mat"):
        read_mat(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * MEGABYTE


def test_a_compression_bomb_takes_little_memory(tmp_path):
    file = tmp_path / "A1.mat"
    scipy.io.savemat(file, {"val": np.zeros((12, 2_000_000))}, do_compression=True)
    tracemalloc.start()
    with pytest.raises(RecordError, match="A1.mat"):
        read_mat(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50 * MEGABYTE  # 192 MB uncompressed


def test_a_header_of_a_gigabyte_is_refused(tmp_path):
    path = write_recording(tmp_path, "A1")
    os.truncate(path, 1 << 30)
    with pytest.raises(RecordError, match="more than any such file"):
        read_text(path)


@pytest.mark.parametrize("suffix", [".hea", ".mat", ".dat"])
@pytest.mark.parametrize("kind", ["folder", "dead link", "pipe", "device", "loop of links"])
def test_a_path_that_is_no_file_is_an_error_of_that_recording(tmp_path, suffix, kind):
    path = write_recording(tmp_path, "A1")
    if suffix == ".dat":
        (tmp_path / "A1.mat").unlink()
        path.write_text(path.read_text().replace(".mat", ".dat"))
    place = path.with_suffix(suffix)
    place.unlink(missing_ok=True)
    if kind == "folder":
        place.mkdir()
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to({"dead link": "nowhere", "device": "/dev/zero", "loop of links": place.name}[kind])
    [header] = find_recordings(tmp_path)
    with pytest.raises(RecordError, match="A1"):
        read_record(header)


@st.composite
def damaged(draw, valid: bytes) -> bytes:
    """Bytes of a ``valid`` file with a few changes: readers fail on files that are nearly right."""
    content = bytearray(valid)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        piece = draw(
            st.one_of(st.binary(max_size=8), st.sampled_from((b",", b"\n", b"#", b" ", b"-1", b"nan", b"9" * 20)))
        )
        content[at : at + draw(st.sampled_from((0, 0, 1, 2, 8, 100, 10**6)))] = piece
    return bytes(content)


SIGNAL = noise(30)
HEADER = header_text("A1", SIGNAL).encode()
OUTPUTS = b"#A1\n" + ",".join(WEIGHTS.classes).encode() + b"\n" + b",".join([b"0", b"1"] * 12) + b"\n"
OUTPUTS += b",".join([b"0.25", b"1e-3"] * 12) + b"\n"


def mat(version: str) -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, {"val": SIGNAL}, format=version, do_compression=version == "5")
    return file.getvalue()


def fuzz(examples: int):
    """A few seconds of examples; tests/fuzz.py tries as many as one has time for."""
    checks = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    return settings(max_examples=examples, deadline=None, suppress_health_check=checks)


@fuzz(1500)
@given(st.one_of(damaged(HEADER), st.binary(max_size=300)))
def test_any_bytes_give_a_header_or_a_record_error(content):
    try:
        header = parse_header(content.decode("latin-1"))
    except RecordError:
        return
    assert 1 <= header.rate < 1e300 and len(header.signals) <= content.count(b"\n") + content.count(b"\r") + 100
    assert header.age is None or 0 <= header.age <= 130
    assert header.sex in (None, "male", "female")


@fuzz(1000)
@given(st.one_of(damaged(mat("4")), damaged(mat("5")), st.binary(max_size=300)))
def test_any_bytes_give_a_recording_or_a_record_error(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "A1.mat")
        path.write_bytes(content)
        try:
            record = make_record(parse_header(HEADER.decode()), read_mat(path))
        except RecordError:
            return
    assert record.counts.shape[0] == 12 and record.counts.dtype == np.int16


@fuzz(1000)
@given(st.one_of(damaged(OUTPUTS), st.text(max_size=300).map(str.encode)))
def test_any_bytes_give_outputs_that_can_be_scored(content):
    parsed = parse_outputs(content.decode("latin-1"))
    if parsed:
        codes, labels, scores = parsed
        assert len(codes) == len(labels) == len(scores)
    with tempfile.TemporaryDirectory() as folder:
        header = Path(folder, "A1.hea")
        header.write_bytes(HEADER)
        Path(folder, "A1.csv").write_bytes(content)
        truth, outputs, scores, malformed, _ = load_labels_and_outputs([str(header)], folder, WEIGHTS)
    assert truth.sum() == 1 and outputs.shape == scores.shape == truth.shape
    assert (outputs.sum() == 0 and malformed == ("A1",)) or not malformed
    figures = score(WEIGHTS, truth, outputs, scores)
    assert figures.challenge_metric <= 1


@fuzz(150)
@given(st.lists(st.one_of(damaged(HEADER), st.just(HEADER)), min_size=1, max_size=4), st.data())
def test_a_folder_of_any_bytes_gives_recordings_or_record_errors(headers, data):
    with tempfile.TemporaryDirectory() as folder:
        for i, content in enumerate(headers):
            Path(folder, f"A{i}.hea").write_bytes(content)
            Path(folder, f"A{i}.mat").write_bytes(data.draw(st.one_of(damaged(mat("4")), st.just(mat("4")))))
        for path in find_recordings(folder):
            try:
                read_record(path)
            except RecordError as error:
                assert path.stem in str(error)
