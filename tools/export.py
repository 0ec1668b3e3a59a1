#!/usr/bin/env python
"""Write a trained ensemble as one ONNX file, to run it without PyTorch:  python tools/export.py MODEL --onnx model.onnx

The file takes `windows`, float32 (windows, 12, samples), in ADC counts, the leads in the usual order, any number of
both; and `demographics`, float32 (windows, 5). It gives `probabilities`, float32 (members, windows, classes). Its
metadata are the model folder's model.json: how a recording is cut into windows, and how probabilities become labels.
What comes before - gaps bridged, silence cut off, another sampling rate, limb leads computed where they are missing -
is ecg.data.preprocessing.network_input. examples/serve_onnx.py does all of it.

The file is kept only if onnxruntime gives what PyTorch gives.
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
from ecg.data.preprocessing import demographics, network_signal
from ecg.data.record import LEADS
from ecg.errors import EntryError
from ecg.files import write_whole
from ecg.model.compute import pick_compute
from ecg.model.description import FORMAT
from ecg.model.network import SEResNet
from ecg.progress import print_line
from ecg.simulation.signal import simulate_signal
from team_code import Model, load_model

TOLERANCE = 1e-4  # of a probability, between PyTorch and onnxruntime
RATE, CHECKED = 500, (3, 20)  # Hz; seconds of the simulated recordings that both are asked about
LARGEST = 2_000_000_000  # bytes of weights: an ONNX file can have 2^31 in all


class Ensemble(nn.Module):
    """All members' probabilities, (members, windows, classes)."""

    def __init__(self, networks: list[SEResNet]):
        super().__init__()
        self.members = nn.ModuleList(networks)

    def forward(self, windows: torch.Tensor, demographics: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(torch.stack([member(windows, demographics) for member in self.members]))


def main() -> int:
    arguments = Arguments(__doc__)
    arguments.add_argument("model", type=Path, metavar="MODEL", help="the folder of the trained model (read only)")
    arguments.add_argument("--onnx", type=Path, metavar="FILE", required=True, help="the file to write")
    given = arguments.parse()
    difference = export(load_model(given.model, compute=pick_compute("cpu", float32=True)), given.onnx)
    size = given.onnx.stat().st_size
    print_line(f"{size / 1e6:.1f} MB in {given.onnx}; probabilities differ from PyTorch's by at most {difference:.1g}")
    return ALL_WELL


def export(model: Model, path: Path) -> float:
    """Writes ``model`` (on the processor, in float32) to ``path``; the largest difference of a probability.

    EntryError, and no file, where onnxruntime does not give what PyTorch gives.
    """
    import onnx

    ensemble = Ensemble([member.network for member in model.members]).eval()
    if sum(weights.nbytes for weights in ensemble.state_dict().values()) > LARGEST:
        raise EntryError(f"{path}: the networks are too large for one ONNX file; train narrower or fewer ones")
    written = in_onnx(ensemble)
    onnx.helper.set_model_props(written, {key: json.dumps(value) for key, value in description(model).items()})
    differences = []

    def write(temporary: Path) -> None:
        onnx.save_model(written, temporary)
        onnx.checker.check_model(temporary, full_check=True)
        differences.append(difference(ensemble, model, temporary))
        if not differences[0] <= TOLERANCE:
            raise EntryError(f"{path}: onnxruntime's probabilities differ by {differences[0]:.1g}; it is not kept")

    write_whole(path, write)
    return differences[0]


def in_onnx(ensemble: Ensemble):
    """``ensemble`` as an onnx.ModelProto, without the exporter's notes: these name places on this machine."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of packages that nobody needs here
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
    written = program.model_proto
    written.doc_string = __doc__.split("\n\n")[1]
    for noted in (*written.graph.node, *written.graph.value_info, *written.graph.input, *written.graph.output):
        del noted.metadata_props[:]
    del written.graph.metadata_props[:]
    return written


def description(model: Model) -> dict:
    """What model.json says, as far as it is needed to run the networks; and the order of the leads."""
    return {
        "format": FORMAT,
        "recipe": model.recipe.as_dict(),
        "classes": model.classes,
        "rewards": model.rewards.tolist(),
        "folds": [{"thresholds": member.thresholds} for member in model.members],
        "leads": LEADS,
    }


@torch.inference_mode()
def difference(ensemble: Ensemble, model: Model, path: Path) -> float:
    """The largest one between PyTorch's and onnxruntime's probabilities of simulated recordings, each one window.

    Of several lengths and numbers; whole and without a lead, with and without age and sex.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    largest = []
    for number, seconds in enumerate(CHECKED, 1):
        counts = simulate_signal(["LBBB"], 60, "female", RATE, seconds, np.random.default_rng(number))
        seen = np.stack([network_signal(counts, RATE, model.recipe)] * number).astype(np.float32)
        told = np.stack([demographics(60, "female")] * number)
        seen[1:, 3], told[1:] = 0, 0
        theirs = ensemble(torch.from_numpy(seen), torch.from_numpy(told)).numpy()
        ours = session.run(["probabilities"], {"windows": seen, "demographics": told})[0]
        largest.append(np.abs(ours - theirs).max())
    return float(np.max(largest))


if __name__ == "__main__":
    run(main)
