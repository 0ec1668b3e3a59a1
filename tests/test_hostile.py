"""What strangers send: a model folder, a header, a signal, an output. Refused with a reason, at no great cost."""

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
from ecg.data.listing import find_headers
from ecg.data.record import make_record, read_mat, read_record
from ecg.errors import EntryError, RecordError
from ecg.evaluation.metrics import score
from ecg.evaluation.outputs import load_labels_and_outputs, parse_outputs
from ecg.files import read_text
from team_code import load_model
from tests.conftest import header_text, noise, write_recording

WEIGHTS = load_weights()
A_MEGABYTE = 1 << 20


# ---------------------------------------------------------------------------------------------------- model folders


def described(change):
    """A model folder whose model.json is changed."""

    def changed(folder):
        content = json.loads((folder / "model.json").read_text())
        change(content)
        (folder / "model.json").write_text(json.dumps(content))

    return changed


def with_numbers(**numbers):
    return described(lambda content: content["recipe"].update(numbers))


def weighed(change):
    """A model folder whose first network's tensors are changed."""

    def changed(folder):
        tensors = load_file(folder / "fold-1.safetensors")
        change(tensors)
        save_file(tensors, folder / "fold-1.safetensors")

    return changed


def large(folder):
    os.truncate(folder / "model.json", 1 << 30)  # 1 GB, that take no place on the disk


def pickled(folder):
    class Harm:
        def __reduce__(self):
            return os.system, (f"touch {folder}/harm",)

    (folder / "fold-1.safetensors").write_bytes(pickle.dumps(Harm()))
    torch.save(Harm(), folder / "fold-2.safetensors")


def claiming(size):
    """A safetensors file that says it has a tensor of ``size`` numbers, and has none of them."""
    head = json.dumps({"head.bias": {"dtype": "F32", "shape": [size], "data_offsets": [0, 4 * size]}}).encode()
    return lambda folder: (folder / "fold-1.safetensors").write_bytes(len(head).to_bytes(8, "little") + head)


def instead(make):
    """A model folder with something else in the place of model.json."""

    def changed(folder):
        (folder / "model.json").unlink()
        make(folder / "model.json")

    return changed


MODELS = [
    (instead(os.mkfifo), "no ordinary file"),
    (instead(lambda path: path.symlink_to("/dev/zero")), "no ordinary file"),
    (described(lambda content: content["folds"][0].update(thresholds=[10**400] * 24)), "not a model"),
    (with_numbers(kernel=8), "must be odd"),
    (with_numbers(window=1_000_000, shortest_window=1_000_000, batch=100_000), "would fill the memory"),
    (lambda folder: (folder / "model.json").unlink(), "no trained model"),
    (lambda folder: (folder / "model.json").write_text("{"), "not a model"),
    (lambda folder: (folder / "model.json").write_text("[]"), "not a model"),
    (lambda folder: (folder / "model.json").write_text('{"format": 2, "recipe": 3}'), "not a model"),
    (lambda folder: (folder / "model.json").write_text("[" * 100_000), "not a model"),
    (lambda folder: (folder / "model.json").write_bytes(b"\xff\xfe\x00"), "not a model"),
    (large, "1,073,741,824 bytes, more"),
    (described(lambda content: content.update(format=99)), "by a newer version"),
    (described(lambda content: content.update(format=1)), "by an older version"),
    (described(lambda content: content.update(rewards=[[1.0]])), "one reward for each pair of classes"),
    (described(lambda content: content["rewards"][3].__setitem__(3, float("inf"))), "one reward for each pair"),
    (described(lambda content: content.update(rewards=[["x"]])), "not a model"),
    (described(lambda content: content.update(rewards=[[1.0], []])), "not a model"),
    (described(lambda content: content.update(format="1")), "not a model"),
    (described(lambda content: content.update(classes=["1\n2"] * 24)), "not codes"),
    (described(lambda content: content.update(classes=[])), "not codes"),
    (described(lambda content: content.update(classes=[str(i) for i in range(10**6)])), "1000000 classes are more"),
    (described(lambda content: content.update(classes=[str(i) for i in range(25)])), "one threshold"),
    (described(lambda content: content["rewards"][3].__setitem__(3, 1e300)), "one reward for each pair of classes"),
    (described(lambda content: content["folds"][0].update(thresholds=[0.5])), "one threshold"),
    (described(lambda content: content["folds"][0].update(thresholds=[float("nan")] * 24)), "one threshold"),
    (described(lambda content: content.update(folds=[])), "one threshold"),
    (with_numbers(resampling="x"), "resampling 'x' is not one of"),
    (with_numbers(overlap=512), "overlap 512 must be below"),
    (with_numbers(window="512"), "window '512' is not of type int"),
    (with_numbers(rate=1e12), "rate 1000000000000.0 is not"),
    (with_numbers(rate=float("nan")), "rate nan is not"),
    (with_numbers(batch=10**12), "batch 1000000000000 is not"),
    (with_numbers(width=8), "do not fit"),
    (with_numbers(width=4096, reduction=1), "do not fit"),
    (with_numbers(width=10**30), "width 1000000000000000000000000000000 is not"),
    (with_numbers(unheard_of=1), "not a model"),
    (lambda folder: (folder / "fold-2.safetensors").unlink(), "fold-2.safetensors"),
    (lambda folder: (folder / "fold-1.safetensors").write_bytes(b"x" * 100), "fold-1.safetensors"),
    (lambda folder: os.truncate(folder / "fold-1.safetensors", 5000), "fold-1.safetensors"),
    (claiming(10**15), "fold-1.safetensors"),
    (weighed(lambda tensors: tensors["head.bias"].fill_(torch.nan)), "not finite"),
    (weighed(lambda tensors: tensors.pop("head.bias")), "do not fit"),
    (weighed(lambda tensors: tensors.update(more=torch.zeros(3))), "do not fit"),
    (weighed(lambda tensors: tensors.update({"head.bias": tensors["head.bias"].long()})), "do not fit"),
    (weighed(lambda tensors: tensors.update({"head.bias": tensors["head.bias"][:3].clone()})), "do not fit"),
    (pickled, "fold-1.safetensors"),
]


@pytest.mark.parametrize(("change", "reason"), MODELS)
def test_a_model_folder_that_is_not_right_is_refused(model_copy, change, reason):
    change(model_copy)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(EntryError, match=reason):
        load_model(model_copy)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * 1024  # KB
    assert not (model_copy / "harm").exists()


def test_weights_in_half_precision_are_taken(model_copy):
    path = model_copy / "fold-1.safetensors"
    tensors = load_file(path)  # the variance of raw counts is more than half precision holds
    save_file(
        {name: t if "running" in name or not t.is_floating_point() else t.half() for name, t in tensors.items()}, path
    )
    assert all(t.dtype == torch.float32 for t in load_model(model_copy).networks[0].parameters())


# --------------------------------------------------------------------------------------------- headers and signals


def test_a_header_that_claims_a_trillion_leads_and_samples_costs_nothing(tmp_path):
    path = write_recording(tmp_path, "A1")
    tracemalloc.start()
    for line in ("A1 1000000000000 500 5000", "A1 12 500 1000000000000"):
        path.write_text("\n".join([line, *path.read_text().split("\n")[1:]]))
        with pytest.raises(RecordError):
            read_record(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * A_MEGABYTE


@pytest.mark.parametrize("claimed", [(10**9, 10**9), (12, 2**31 - 1), (-12, 5000), (0, 5000)])
def test_a_signal_that_claims_more_than_it_holds_costs_nothing(tmp_path, claimed):
    path = tmp_path / "A1.mat"
    path.write_bytes(np.array([30, *claimed, 0, 4], "<i4").tobytes() + b"val\0" + bytes(1000))
    tracemalloc.start()
    with pytest.raises(RecordError, match="A1.mat"):
        read_mat(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * A_MEGABYTE


def test_a_compressed_bomb_costs_little(tmp_path):
    file = tmp_path / "A1.mat"
    scipy.io.savemat(file, {"val": np.zeros((12, 2_000_000))}, do_compression=True)
    tracemalloc.start()
    with pytest.raises(RecordError, match="A1.mat"):
        read_mat(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50 * A_MEGABYTE  # of 192


def test_a_text_file_of_a_gigabyte_is_no_header(tmp_path):
    path = write_recording(tmp_path, "A1")
    os.truncate(path, 1 << 30)
    with pytest.raises(RecordError, match="more than any such file"):
        read_text(path)


@pytest.mark.parametrize("suffix", [".hea", ".mat", ".dat"])
@pytest.mark.parametrize("what", ["a folder", "a dead link", "a pipe", "a device", "a loop of links"])
def test_what_is_no_file_is_an_error_of_that_recording(tmp_path, suffix, what):
    path = write_recording(tmp_path, "A1")
    if suffix == ".dat":
        (tmp_path / "A1.mat").unlink()
        path.write_text(path.read_text().replace(".mat", ".dat"))
    place = path.with_suffix(suffix)
    place.unlink(missing_ok=True)
    if what == "a folder":
        place.mkdir()
    elif what == "a pipe":
        os.mkfifo(place)
    else:
        place.symlink_to({"a dead link": "nowhere", "a device": "/dev/zero", "a loop of links": place.name}[what])
    [found] = find_headers(tmp_path)
    with pytest.raises(RecordError, match="A1"):
        read_record(found)


# Bytes that were a file of the kind once: what readers stumble over is nearly right.
@st.composite
def damaged(draw, whole: bytes) -> bytes:
    content = bytearray(whole)
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


def cases(examples: int):
    checks = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    return settings(max_examples=examples, deadline=None, suppress_health_check=checks)


@cases(4000)
@given(st.one_of(damaged(HEADER), st.binary(max_size=300)))
def test_any_bytes_are_a_header_or_a_record_error(content):
    try:
        header = parse_header(content.decode("latin-1"))
    except RecordError:
        return
    assert 1 <= header.rate < 1e300 and len(header.signals) <= content.count(b"\n") + content.count(b"\r") + 100
    assert header.age is None or 0 <= header.age <= 130
    assert header.sex in (None, "male", "female")


@cases(3000)
@given(st.one_of(damaged(mat("4")), damaged(mat("5")), st.binary(max_size=300)))
def test_any_bytes_are_a_recording_or_a_record_error(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "A1.mat")
        path.write_bytes(content)
        try:
            record = make_record(parse_header(HEADER.decode()), read_mat(path))
        except RecordError:
            return
    assert record.counts.shape[0] == 12 and record.counts.dtype == np.int16


@cases(3000)
@given(st.one_of(damaged(OUTPUTS), st.text(max_size=300).map(str.encode)))
def test_any_bytes_are_outputs_that_can_be_scored(content):
    found = parse_outputs(content.decode("latin-1"))
    if found:
        codes, labels, scores = found
        assert len(codes) == len(labels) == len(scores)
    with tempfile.TemporaryDirectory() as folder:
        header = Path(folder, "A1.hea")
        header.write_bytes(HEADER)
        Path(folder, "A1.csv").write_bytes(content)
        truth, outputs, scores, malformed = load_labels_and_outputs([str(header)], folder, WEIGHTS)
    assert truth.sum() == 1 and outputs.shape == scores.shape == truth.shape
    assert (outputs.sum() == 0 and malformed == ("A1",)) or not malformed
    figures = score(WEIGHTS, truth, outputs, scores)
    assert figures.challenge_metric <= 1


@cases(300)
@given(st.lists(st.one_of(damaged(HEADER), st.just(HEADER)), min_size=1, max_size=4), st.data())
def test_a_folder_of_any_bytes_is_read_recording_by_recording(headers, data):
    with tempfile.TemporaryDirectory() as folder:
        for i, content in enumerate(headers):
            Path(folder, f"A{i}.hea").write_bytes(content)
            Path(folder, f"A{i}.mat").write_bytes(data.draw(st.one_of(damaged(mat("4")), st.just(mat("4")))))
        for path in find_headers(folder):
            try:
                read_record(path)
            except RecordError as error:
                assert path.stem in str(error)
