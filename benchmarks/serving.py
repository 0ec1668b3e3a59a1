#!/usr/bin/env python
"""PyTorch beside onnxruntime, one thread each:  python benchmarks/serving.py models/open DATA

The windows of all recordings of DATA, cut before the clock runs, through all networks of the model: recording by
recording, and in batches of 32 windows of one length. Each of PyTorch's ways and onnxruntime in turn, three times:
medians, and how many times as fast onnxruntime is, with the lowest and the highest.
"""

import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measuring import against, processor_name
from ecg.cli import ALL_WELL, Arguments, run
from ecg.data.listing import find_headers
from ecg.data.packed import PackedRecordings, pack
from ecg.data.prefetch import read_batches
from ecg.data.windows import covering_windows
from ecg.errors import RecordError
from ecg.model.compute import Compute, pick_compute
from ecg.model.network import SEResNet
from ecg.recipe import Recipe
from team_code import load_model
from tools.export import export

Batch = tuple[torch.Tensor, torch.Tensor]  # what the networks get


def read(data: Path, recipe: Recipe) -> PackedRecordings:
    batches = read_batches(find_headers(data), recipe)
    return pack(view for batch in batches for _, view in batch if not isinstance(view, RecordError))


def one_by_one(recordings: PackedRecordings, recipe: Recipe) -> list[Batch]:
    chosen = [np.array([i]) for i in range(len(recordings.lengths))]
    return [
        recordings.cut(replace(windows, recording=one[windows.recording]), torch.device("cpu"))
        for one in chosen
        for windows in covering_windows(recordings.lengths[one], recipe)
    ]


def in_batches(recordings: PackedRecordings, recipe: Recipe) -> list[Batch]:
    batches = covering_windows(recordings.lengths, replace(recipe, batch=32))
    return [recordings.cut(windows, torch.device("cpu")) for windows in batches]


def by_torch(networks: list[SEResNet], compute: Compute, batches: list[Batch]) -> Callable[[], None]:
    @torch.inference_mode()
    def work() -> None:
        for batch in batches:
            with compute.autocast():
                torch.sigmoid(torch.stack([network(*batch) for network in networks]))

    return work


def by_onnxruntime(session, batches: list[Batch]) -> Callable[[], None]:
    given = [{"windows": windows.numpy(), "demographics": patients.numpy()} for windows, patients in batches]

    def work() -> None:
        for batch in given:
            session.run(["probabilities"], batch)

    return work


def main() -> int:
    import onnxruntime

    arguments = Arguments(__doc__)
    arguments.add_argument("model", type=Path, help="a model folder")
    arguments.add_argument("data", type=Path, help="a folder of recordings")
    given = arguments.parse()
    torch.set_num_threads(1)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    model = load_model(given.model, compute=pick_compute("cpu", float32=True))
    networks = model.networks
    with tempfile.TemporaryDirectory() as place:
        export(model, Path(place, "model.onnx"))
        session = onnxruntime.InferenceSession(Path(place, "model.onnx"), options, providers=["CPUExecutionProvider"])
    recordings = read(given.data, model.recipe)
    n = len(recordings.lengths)
    print(f"{processor_name()}; PyTorch {torch.__version__}, onnxruntime {onnxruntime.__version__}; {n} recordings")
    print("| recordings/s | PyTorch in | PyTorch | onnxruntime | ratio (lowest to highest) |\n|---|---|---|---|---|")
    for way in (one_by_one, in_batches):
        batches = way(recordings, model.recipe)
        ours = by_onnxruntime(session, batches)
        for compute in dict.fromkeys((model.compute, pick_compute("cpu"))):
            plain, fast, ratio = against(by_torch(networks, compute, batches), ours, 3, n, n)
            number = str(compute.dtype).removeprefix("torch.")
            print(f"| {way.__name__.replace('_', ' ')} | {number} | {plain:.3g} | {fast:.3g} | {ratio} |", flush=True)
    return ALL_WELL


if __name__ == "__main__":
    run(main)
