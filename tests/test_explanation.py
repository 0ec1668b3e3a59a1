"""The explanation: it adds up, it points at the wave that carries the diagnosis, and not with random networks."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation
from scipy.stats import spearmanr

from benchmarks.pointing import CARRIED_BY, example, pointed, randomised
from ecg.classes import find_class
from ecg.data.header import Header
from ecg.data.packed import pack
from ecg.data.preprocessing import network_input
from ecg.data.record import INVALID, LEADS, Record, read_record
from ecg.data.windows import covering_windows
from ecg.explanation.attribution import relevance, shading, unit_weights, with_each_lead_zero
from ecg.explanation.counterfactual import HEARTS, WAVES, stretches, with_normal_waves
from ecg.simulation.signal import simulate_signal
from team_code import load_model
from tests.browser import in_browser, needs_browser
from tests.conftest import CPU, ROOT, noise, run_script, write_recording


@pytest.fixture(scope="module")
def model():
    return load_model(ROOT / "models/open", compute=CPU)


@pytest.fixture(scope="module")
def networks(model):
    return model.networks[:1]


def logits(networks, records, k, recipe):
    """(records,): of the class, the mean over the networks."""
    seen = pack(network_input(record, recipe) for record in records)
    total = np.zeros(len(records))
    with torch.inference_mode():
        for windows in covering_windows(seen.lengths, recipe):
            for network in networks:
                total[windows.recording] += network.eval()(*seen.cut(windows, CPU.device))[:, k].numpy()
    return total / len(networks)


def test_on_each_wave_it_adds_up_to_what_that_wave_adds(model, networks):
    record, k = example("TInv", 1), find_class(model.classes, "TInv")
    relevant = relevance(networks, record, k, model.recipe)
    found = [relevant[:, inside].sum() for inside in stretches(record).values()]
    (is_so,) = logits(networks, [record], k, model.recipe)
    adds = is_so - logits(networks, [other for _, other in with_normal_waves(record)], k, model.recipe)
    adds = adds.reshape(HEARTS, len(WAVES)).mean(axis=0)
    assert sum(found) == pytest.approx(sum(adds), abs=0.15 * abs(sum(adds)))
    assert found == pytest.approx(adds, abs=0.15 * max(np.abs(adds)))  # they blend into each other for 30 ms


@pytest.mark.parametrize("label", ["IAVB", "LAnFB", "QAb", "TInv", "TAb", "LQT"])
def test_it_points_at_the_wave_that_carries_the_diagnosis(model, networks, label):
    wave = list(WAVES).index(CARRIED_BY[label])
    time, share, adds = pointed(networks, model, label, recordings=2)
    _, by_chance, adds_by_chance = pointed(randomised(model.recipe, 24), model, label, recordings=2)
    assert share[wave] > 0.6 > time[wave] and share[wave] > 1.2 * by_chance[wave]
    assert adds[wave] > 2 * np.abs(np.delete(adds, wave)).max() and adds[wave] > 10 * np.abs(adds_by_chance).max()


def test_each_sample_is_one_waves():
    for record in (example("STach", 1), example("AF", 1), example("PVC", 1)):
        waves = np.array(list(stretches(record).values()))
        assert (waves.sum(axis=0) == 1).all() and (waves.mean(axis=1) > 0.05).all()


@pytest.mark.parametrize("label", ["TInv", "CRBBB"])
def test_only_the_one_wave_is_exchanged(label):
    record = example(label, 2)
    others, waves = list(with_normal_waves(record)), stretches(record)
    assert len({other.counts.tobytes() for _, other in others}) == len(others) == HEARTS * len(WAVES)
    for wave, other in others:
        away = ~binary_dilation(waves[wave], iterations=round(0.02 * record.header.rate))
        assert (other.counts[:, away] == record.counts[:, away]).all(), wave
        assert (other.counts[:, waves[wave]] != record.counts[:, waves[wave]]).mean() > 0.9, wave


def test_a_missing_lead_stays_missing_and_a_gap_is_no_spike():
    record = example("SNR", 1)
    counts, mask = record.counts.copy(), record.mask.copy()
    counts[7], mask[7] = 0, False
    counts[1, 1000:1200] = INVALID
    for known in (mask, np.ones(12, bool)):  # a lead of zeros is no lead, whatever the header says
        for _, other in with_normal_waves(replace(record, counts=counts, mask=known)):
            assert not other.counts[7].any() and abs(other.counts.astype(int)).max() < 5000


def test_a_long_pause_is_no_qrs_and_no_t():
    record = example("SNR", 1)
    for pause in (slice(0, 2500), slice(2500, 5000)):
        counts = record.counts.copy()
        counts[:, pause] = 0
        waves = stretches(replace(record, counts=counts))
        middle = slice(pause.start + 500, pause.stop - 500)
        assert waves["P and PR"][middle].mean() > 0.6, pause  # the beat that would be next is looked for
        assert not waves["QRS"][slice(0, 1000) if pause.start == 0 else slice(4000, 5000)].any()


@pytest.mark.parametrize("rate", [50, 128, 257, 500])
def test_the_sum_is_kept_at_any_rate(model, networks, rate):
    counts = simulate_signal(["LAnFB"], 60, "male", rate, 10, np.random.default_rng(4))
    record = Record(Header("X1", float(rate), counts.shape[1], (), 60.0, "male", ()), counts, np.ones(12, bool))
    k = find_class(model.classes, "LAnFB")
    adds = logits(networks, [record], k, model.recipe)[0] - logits(
        networks, [other for _, other in with_normal_waves(record)], k, model.recipe
    )
    total = adds.reshape(HEARTS, len(WAVES)).mean(axis=0).sum()
    assert relevance(networks, record, k, model.recipe).sum() == pytest.approx(total, rel=0.05)


def test_what_has_no_beat_is_compared_with_a_flat_line_and_that_is_said(tmp_path):
    header = write_recording(tmp_path, "A1", np.zeros((12, 3000), np.int16))
    assert run_script("tools/explain.py", ROOT / "models/open", header, tmp_path / "page.html").returncode == 0
    page = (tmp_path / "page.html").read_text()
    assert "No beat was found" in page and "Wave by wave" not in page


def test_random_networks_give_another_map(model, networks):
    record = example("TInv", 1)
    one, other = (
        relevance(some, record, find_class(model.classes, "TInv"), model.recipe)
        for some in (networks, randomised(model.recipe, 24))
    )
    assert abs(spearmanr(one.ravel(), other.ravel()).statistic) < 0.3


@pytest.mark.parametrize(
    "samples, rate, silent", [(900, "500", 0), (12_000, "500", 0), (5000, "1000", 2000), (1, "500", 0), (1, "1", 0)]
)
def test_it_is_as_long_as_the_recording(tmp_path, model, networks, samples, rate, silent):
    counts = noise(samples)
    counts[:, :silent] = 0
    relevant = relevance(networks, read_record(write_recording(tmp_path, "A1", counts, rate=rate)), 0, model.recipe)
    assert relevant.shape == counts.shape and np.isfinite(relevant).all()
    assert not relevant[:, : max(silent - 10, 0)].any()  # what the network does not see says nothing
    shade = shading(relevant, 500)
    assert shade.min() >= 0 and shade.max() <= 1


def test_each_lead_is_zero_in_turn(model, tmp_path):
    record = read_record(write_recording(tmp_path, "A1", noise(2500)))
    views = with_each_lead_zero(record, model.recipe)
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


def test_a_lead_that_the_recording_lacks_is_said_to_be_computed_or_missing(tmp_path):
    leads = [lead for lead in LEADS if lead not in ("aVL", "V4")]
    header = write_recording(tmp_path, "A1", noise(2500, 10), leads=leads)
    assert run_script("tools/explain.py", ROOT / "models/open", header, tmp_path / "page.html").returncode == 0
    states = re.findall(r"<td>(\w+)(?: \((\w+)\))?</td><td>[\d.]+</td>", (tmp_path / "page.html").read_text())
    assert {lead: state for lead, state in states if lead in LEADS and state} == {"aVL": "computed", "V4": "missing"}


@needs_browser
def test_the_page_in_a_browser(page, tmp_path):
    script = "return [document.querySelector('h1').textContent, document.querySelectorAll('tbody tr').length]"
    title, rows = in_browser(page, script, tmp_path)
    assert title.startswith("A<1>: why LAD") and rows >= 16


def test_a_class_it_does_not_have(tmp_path):
    header = write_recording(tmp_path, "A1", noise(5000))
    done = run_script("tools/explain.py", ROOT / "models/open", header, tmp_path / "page.html", "--class", "XYZ")
    assert done.returncode == 2 and "XYZ: none of the classes" in done.stderr
