"""The explanation: it adds up, it points at the wave that carries the diagnosis, and not with random networks."""

import re

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from benchmarks.pointing import example, randomised, shares
from ecg.explanation import for_the_eye, relevance, unit_weights, without_each_lead
from ecg.records import read_record
from ecg.signals import network_view
from ecg.windows import Recordings, covering_windows
from team_code import load_model
from tests.browser import in_browser, needs_browser
from tests.conftest import CPU, ROOT, noise, run_script, write_recording


@pytest.fixture(scope="module")
def model():
    return load_model(ROOT / "models/open", compute=CPU)


@pytest.fixture(scope="module")
def networks(model):
    return [member.network for member in model.members][:1]


def test_it_adds_up_to_what_the_recording_adds(model, networks):
    record, k = example("TInv", 1), 23
    seen = Recordings.of(*zip(network_view(record, model.recipe)))
    windows = next(covering_windows(seen.lengths, model.recipe))
    prepared, told = networks[0].eval().prepared(*seen.cut(windows, torch.device("cpu")))
    with torch.inference_mode():
        with_it, flat = (networks[0].logits(part, told)[0, k] for part in (prepared, torch.zeros_like(prepared)))
    total = relevance(networks, record, k, model.recipe).sum()
    assert total == pytest.approx(float(with_it - flat), abs=0.15 * abs(float(with_it - flat)) + 0.1)


@pytest.mark.parametrize("label", ["LBBB", "LAnFB", "QAb"])
def test_it_points_at_the_wave_that_carries_the_diagnosis(model, networks, label):
    """Not at T waves: docs/results.md has the figures of all classes."""
    there, time = shares(networks, model, label, recordings=3)
    assert there > 1.5 * time


def test_random_networks_do_not_look_before_the_qrs(model, networks):
    (there, _), (by_chance, _) = (shares(some, model, "IAVB", 3) for some in (networks, randomised(model.recipe, 24)))
    assert there > 1.3 * by_chance


def test_random_networks_give_another_map(model, networks):
    record = example("TInv", 1)
    one, other = (relevance(some, record, 23, model.recipe) for some in (networks, randomised(model.recipe, 24)))
    assert abs(spearmanr(one.ravel(), other.ravel()).statistic) < 0.3


@pytest.mark.parametrize(
    "samples, rate, silent", [(900, "500", 0), (12_000, "500", 0), (5000, "1000", 2000), (1, "500", 0)]
)
def test_it_is_as_long_as_the_recording(tmp_path, model, networks, samples, rate, silent):
    counts = noise(samples)
    counts[:, :silent] = 0
    relevant = relevance(networks, read_record(write_recording(tmp_path, "A1", counts, rate=rate)), 0, model.recipe)
    assert relevant.shape == counts.shape and np.isfinite(relevant).all()
    assert not relevant[:, : max(silent - 10, 0)].any()  # what the network does not see says nothing
    shade = for_the_eye(relevant, 500)
    assert shade.min() >= 0 and shade.max() <= 1


def test_each_lead_is_left_out(model, tmp_path):
    record = read_record(write_recording(tmp_path, "A1", noise(2500)))
    views = without_each_lead(record, model.recipe)
    rows = views.counts.reshape(13, 12, -1)
    assert rows[0].any(dim=1).all()
    assert [row.any(dim=1).logical_not().nonzero().ravel().tolist() for row in rows[1:]] == [
        [lead] for lead in range(12)
    ]


def test_the_units_weights(model, networks, tmp_path):
    record = read_record(write_recording(tmp_path, "A1", noise(2500)))
    weights = unit_weights(networks[0], record, model.recipe)
    assert [len(part) for part in weights] == [32, 32, 64, 64, 128, 128, 256, 256]
    assert all(part.min() >= 0 and part.max() <= 1 for part in weights)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explained")
    header = write_recording(folder, "A<1>", noise(5000))
    done = run_script("tools/explain.py", ROOT / "models/open", header, folder / "page.html", "--class", "lad")
    assert done.returncode == 0, done.stderr
    return folder / "page.html"


def test_the_page_is_one_file(page):
    content = page.read_text()
    assert content.count("data:image/png;base64,") == 1 and not re.findall(r'src="(?!data:)', content)


@needs_browser
def test_the_page_in_a_browser(page, tmp_path):
    script = "return [document.querySelector('h1').textContent, document.querySelectorAll('tbody tr').length]"
    title, rows = in_browser(page, script, tmp_path)
    assert title.startswith("A<1>: why LAD") and rows >= 13


def test_a_class_it_does_not_have(tmp_path):
    header = write_recording(tmp_path, "A1", noise(5000))
    done = run_script("tools/explain.py", ROOT / "models/open", header, tmp_path / "page.html", "--class", "XYZ")
    assert done.returncode == 2 and "XYZ: none of the classes" in done.stderr
