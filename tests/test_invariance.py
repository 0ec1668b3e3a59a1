"""Changes that leave the heart as it is do not change a model's output; resampling changes it little."""

import numpy as np
import pytest

from benchmarks.invariance import ALTERATIONS
from ecg.data.signal_files import read_counts
from ecg.files import read_text
from ecg.simulation.dataset import simulate_folder
from team_code import load_model, run_model
from tests.conftest import CPU

TESTED = [name for name in ALTERATIONS if not name.endswith("uV")]  # these need a longer training


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    headers = simulate_folder(tmp_path_factory.mktemp("invariance") / "data", 6, 5)
    return [(read_text(path), read_counts(path)[1]) for path in headers]


@pytest.fixture(scope="module")
def model(model_folder):
    return load_model(model_folder, compute=CPU)


@pytest.fixture(scope="module")
def expected(model, recordings):
    return [run_model(model, *recording) for recording in recordings]


@pytest.mark.parametrize("name", TESTED)
def test_output_does_not_depend_on(name, model, recordings, expected):
    for recording, (_, labels, p) in zip(recordings, expected):
        _, altered_labels, altered_p = run_model(model, *ALTERATIONS[name](*recording))
        if name.endswith("Hz"):
            np.testing.assert_allclose(altered_p, p, atol=0.03)
        elif "silence" in name:
            np.testing.assert_allclose(altered_p, p, atol=1e-6)
        else:
            assert (altered_labels, altered_p) == (labels, p)
