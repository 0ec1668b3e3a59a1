#!/usr/bin/env python
"""Write a trained ensemble as one ONNX file, to run it without PyTorch:  python tools/export.py MODEL --onnx model.onnx

The file's inputs are `windows`, float32 (windows, 12, samples), in ADC counts with the leads in the usual order, for
any number of windows and samples; and `demographics`, float32 (windows, 5). Its output is `probabilities`, float32
(networks, windows, classes). Its metadata are the description in model.json: how a recording is cut into windows, and
how probabilities become labels. ecg.data.preprocessing.network_input does the preprocessing: gaps, silence, sampling
rate, missing limb leads. examples/serve_onnx.py does all of it.

The file is kept only if onnxruntime and PyTorch agree.
"""

import json
import logging
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the project's root, for a call from anywhere

from ecg.cli import ALL_WELL, Arguments, run
from ecg.data.lead_names import LEADS
from ecg.data.preprocessing import demographics, network_signal
from ecg.errors import EntryError
from ecg.files import write_whole
from ecg.model.compute import pick_compute
from ecg.model.folder import Model
from ecg.model.network import SEResNet
from ecg.progress import print_line
from ecg.simulation.signal import simulate_signal
from team_code import load_model

TOLERANCE = 1e-4  # largest accepted difference of a probability between PyTorch and onnxruntime
RATE, SECONDS = 500, (3, 20)  # the simulated recordings of the comparison: Hz, s
LARGEST = 2_000_000_000  # bytes of weights; an ONNX file holds at most 2^31


class Ensemble(nn.Module):
    """The probabilities of all networks, (networks, windows, classes)."""

    def __init__(self, networks: list[SEResNet]):
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, windows: torch.Tensor, demographics: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(torch.stack([network(windows, demographics) for network in self.networks]))


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("model", type=Path, metavar="MODEL", help="the folder of the trained model (read only)")
    arguments.add_argument("--onnx", type=Path, metavar="FILE", required=True, help="the file to write")
    args = arguments.parse()
    difference = export(load_model(args.model, compute=pick_compute("cpu", float32=True)), args.onnx)
    size = args.onnx.stat().st_size
    print_line(f"{size / 1e6:.1f} MB in {args.onnx}; probabilities differ from PyTorch's by at most {difference:.1g}")
    return ALL_WELL


def export(model: Model, path: Path) -> float:
    """Write ``model``, on the CPU in float32, to ``path``; return the largest difference of a probability.

    Raises EntryError, and keeps no file, if onnxruntime and PyTorch disagree.
    """
    import onnx

    ensemble = Ensemble(model.networks).eval()
    if sum(weights.nbytes for weights in ensemble.state_dict().values()) > LARGEST:
        raise EntryError(f"{path}: the networks are too large for one ONNX file; train narrower or fewer ones")
    graph = to_onnx(ensemble)
    description = model.description.as_json() | {"leads": LEADS}
    onnx.helper.set_model_props(graph, {key: json.dumps(value) for key, value in description.items()})
    differences: list[float] = []

    def write(temporary: Path) -> None:
        onnx.save_model(graph, temporary)
        onnx.checker.check_model(temporary, full_check=True)
        differences.append(largest_difference(ensemble, model, temporary))
        if not differences[0] <= TOLERANCE:
            raise EntryError(f"{path}: onnxruntime's probabilities differ by {differences[0]:.1g}; it is not kept")

    write_whole(path, write)
    return differences[0]


def to_onnx(ensemble: Ensemble):
    """``ensemble`` as an onnx.ModelProto, without the exporter's notes, which name paths of this machine."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of packages that are not needed here
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            ensemble,
            (torch.ones(2, len(LEADS), 512), torch.zeros(2, 5)),
            input_names=["windows", "demographics"],
            output_names=["probabilities"],
            dynamic_shapes=({0: "windows", 2: "samples"}, {0: "windows"}),
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # it is None only with dynamo=False
    graph = program.model_proto
    graph.doc_string = __doc__.split("\n\n")[1]
    for item in (*graph.graph.node, *graph.graph.value_info, *graph.graph.input, *graph.graph.output):
        del item.metadata_props[:]
    del graph.graph.metadata_props[:]
    return graph


@torch.inference_mode()
def largest_difference(ensemble: Ensemble, model: Model, path: Path) -> float:
    """The largest difference of PyTorch's and onnxruntime's probabilities on simulated recordings.

    The recordings have several lengths and batch sizes; some lack a lead, some lack age and sex.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    largest = []
    for number, seconds in enumerate(SECONDS, 1):
        counts = simulate_signal(["LBBB"], 60, "female", RATE, seconds, np.random.default_rng(number))
        signals = np.stack([network_signal(counts, RATE, model.recipe)] * number).astype(np.float32)
        patients = np.stack([demographics(60, "female")] * number)
        signals[1:, 3], patients[1:] = 0, 0
        by_torch = ensemble(torch.from_numpy(signals), torch.from_numpy(patients)).numpy()
        by_onnx = session.run(["probabilities"], {"windows": signals, "demographics": patients})[0]
        largest.append(np.abs(by_onnx - by_torch).max())
    return float(np.max(largest))


if __name__ == "__main__":
    run(main)
