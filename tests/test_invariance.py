"""What should not matter to a model: exactly where that can be, and where a signal was sampled anew, nearly."""

import numpy as np
import pytest

from benchmarks.invariance import WAYS
from ecg.data.header import read_header
from ecg.data.record import read_signal
from ecg.files import read_text
from ecg.simulation.dataset import simulate_folder
from team_code import load_model, run_model
from tests.conftest import CPU

TRIED = [way for way in WAYS if not way.endswith("uV")]  # that takes a network trained for longer
EXACT = {way for way in TRIED if not way.endswith(("Hz", "silence after it"))}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    headers = simulate_folder(tmp_path_factory.mktemp("invariance") / "data", 6, 5)
    return [(read_text(path), read_signal(path, read_header(path))) for path in headers]


@pytest.mark.parametrize("way", TRIED)
def test_the_answer_does_not_depend_on_it(way, recordings, model_folder):
    model = load_model(model_folder, compute=CPU)
    for text, signal in recordings:
        _, labels, p = run_model(model, text, signal)
        altered_text, altered = WAYS[way](text, signal)
        _, altered_labels, altered_p = run_model(model, altered_text, altered)
        if way in EXACT:
            assert (labels, p) == (altered_labels, altered_p)
        else:
            np.testing.assert_allclose(altered_p, p, atol=1e-6 if "silence" in way else 0.03)
