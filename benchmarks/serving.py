#!/usr/bin/env python
"""Compare the speed of PyTorch and onnxruntime, one thread each:  python benchmarks/serving.py models/open DATA

All networks of the model run on the windows of all recordings of DATA: one recording at a time, and in batches of 32
windows of one length. The windows are cut before the time is taken. PyTorch, in each dtype, and onnxruntime are timed
in turn, three times. The table has the medians, and how many times as fast onnxruntime is, with the lowest and the
highest ratio.
"""

from __future__ import annotations  # so that --help needs no PyTorch

import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measuring import compare, processor_name
from ecg.cli import ALL_WELL, Arguments, run
from ecg.data.listing import find_recordings
from ecg.data.prefetch import read_batches
from ecg.data.windows import covering_windows
from ecg.errors import RecordError
from ecg.recipe import Recipe

if TYPE_CHECKING:
    import onnxruntime
    import torch

    from ecg.data.packed import PackedRecordings
    from ecg.model.compute import Compute
    from ecg.model.network import SEResNet

    Batch = tuple[torch.Tensor, torch.Tensor]  # the input of the networks: windows and demographics


def read_recordings(data: Path, recipe: Recipe) -> PackedRecordings:
    """The recordings that can be read."""
    from ecg.data.packed import pack

    batches = read_batches(find_recordings(data), recipe)
    return pack(result.input for batch in batches for _, result in batch if not isinstance(result, RecordError))


def one_at_a_time(recordings: PackedRecordings, recipe: Recipe) -> list[Batch]:
    batches = []
    for i in range(len(recordings.lengths)):
        for windows in covering_windows(recordings.lengths[i : i + 1], recipe):
            windows = replace(windows, recording=windows.recording + i)
            batches.append(recordings.cut(windows, recordings.counts.device))
    return batches


def batches_of_32(recordings: PackedRecordings, recipe: Recipe) -> list[Batch]:
    batches = covering_windows(recordings.lengths, replace(recipe, batch=32))
    return [recordings.cut(windows, recordings.counts.device) for windows in batches]


def pytorch_run(networks: list[SEResNet], compute: Compute, batches: list[Batch]) -> Callable[[], None]:
    import torch

    @torch.inference_mode()
    def run_batches() -> None:
        for batch in batches:
            with compute.autocast():
                torch.sigmoid(torch.stack([network(*batch) for network in networks]))

    return run_batches


def onnxruntime_run(session: onnxruntime.InferenceSession, batches: list[Batch]) -> Callable[[], None]:
    inputs = [{"windows": windows.numpy(), "demographics": rows.numpy()} for windows, rows in batches]

    def run_batches() -> None:
        for batch in inputs:
            session.run(["probabilities"], batch)

    return run_batches


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("model", type=Path, help="the folder of the trained model")
    arguments.add_argument("data", type=Path, help="a folder of recordings")
    args = arguments.parse()
    import onnxruntime
    import torch

    from ecg.model.compute import pick_compute
    from team_code import load_model
    from tools.export import export

    torch.set_num_threads(1)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    model = load_model(args.model, compute=pick_compute("cpu", float32=True))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.onnx")
        export(model, file)
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    recordings = read_recordings(args.data, model.recipe)
    number = len(recordings.lengths)
    versions = f"PyTorch {torch.__version__}, onnxruntime {onnxruntime.__version__}"
    print(f"{processor_name()}; {versions}; {number} recordings")
    print("| recordings/s | PyTorch dtype | PyTorch | onnxruntime | ratio (lowest to highest) |\n|---|---|---|---|---|")
    for cut in (one_at_a_time, batches_of_32):
        batches = cut(recordings, model.recipe)
        for compute in dict.fromkeys((model.compute, pick_compute("cpu"))):
            pytorch, onnx = pytorch_run(model.networks, compute, batches), onnxruntime_run(session, batches)
            pytorch_speed, onnx_speed, ratio = compare(pytorch, onnx, 3, number, number)
            dtype = str(compute.dtype).removeprefix("torch.")
            title = cut.__name__.replace("_", " ")
            print(f"| {title} | {dtype} | {pytorch_speed:.3g} | {onnx_speed:.3g} | {ratio} |", flush=True)
    return ALL_WELL


if __name__ == "__main__":
    run(main)
