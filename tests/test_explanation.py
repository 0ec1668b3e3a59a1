"""The explanation: its relevance adds up, lies on the wave that carries the diagnosis, and depends on the training."""

import re
from dataclasses import replace
from shutil import copytree, ignore_patterns

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation
from scipy.stats import spearmanr

from benchmarks.pointing import DIAGNOSTIC_WAVE, random_network, simulated_record, wave_figures
from ecg import progress
from ecg.classes import find_class
from ecg.data.header import Header
from ecg.data.lead_names import LEADS
from ecg.data.packed import pack
from ecg.data.preprocessing import network_input
from ecg.data.record import INVALID, Record, read_record
from ecg.data.windows import covering_windows
from ecg.decision.adaptation import FROM_LABELS, Adaptation
from ecg.explanation.attribution import relevance, unit_weights, with_each_lead_zero
from ecg.explanation.counterfactual import NORMAL_HEARTS, WAVES, wave_masks, with_normal_waves
from ecg.explanation.lead_states import lead_states
from ecg.model.folder import save_model
from ecg.report.explanation import shading
from ecg.simulation.signal import simulate_signal
from team_code import load_model
from tests.browser import in_browser, needs_browser, printed_widths
from tests.conftest import CPU, ROOT, call_script, noise, run_script, write_recording


@pytest.fixture(scope="module")
def model():
    return load_model(ROOT / "models/open", compute=CPU)


@pytest.fixture(scope="module")
def networks(model):
    return model.networks[:1]


def logits(networks, records, class_, recipe):
    """The logit of a class for each of the records, averaged over the networks: (records,)."""
    inputs = pack(network_input(record, recipe) for record in records)
    total = np.zeros(len(records))
    with torch.inference_mode():
        for windows in covering_windows(inputs.lengths, recipe):
            for network in networks:
                total[windows.recording] += network.eval()(*inputs.cut(windows, CPU.device))[:, class_].numpy()
    return total / len(networks)


def added_logits(networks, record, class_, recipe):
    """What each wave adds to the logit by not being a normal one, averaged over the normal hearts: (WAVES,)."""
    counterfactuals = [counterfactual for _, counterfactual in with_normal_waves(record)]
    (recorded,) = logits(networks, [record], class_, recipe)
    added = recorded - logits(networks, counterfactuals, class_, recipe)
    return added.reshape(NORMAL_HEARTS, len(WAVES)).mean(axis=0)


@pytest.fixture(scope="module")
def one_network(model, tmp_path_factory):
    """The folder of the model with one of its networks, which is explained in less time, as if it were adapted."""
    folder = tmp_path_factory.mktemp("one network")
    adapted = Adaptation(np.zeros(24), 50, FROM_LABELS, "0" * 64)
    facts = {"thresholds": model.description.thresholds[:1], "histories": (), "adapted": adapted}
    save_model(folder, replace(model.description, **facts), model.networks[:1])
    return folder


@pytest.fixture(scope="module")
def explain(one_network):
    """A function that runs tools/explain.py and returns the page's content."""

    def explain(record_path, page, *options):
        done = call_script("tools/explain.py", one_network, record_path, page, *options)
        assert done.returncode == 0, done.stderr
        return page.read_text()

    return explain


def test_the_relevance_of_a_wave_is_what_it_adds_to_the_logit(model, networks):
    record, class_ = simulated_record("TInv", 1), find_class(model.classes, "TInv")
    relevant = relevance(networks, record, class_, model.recipe)
    by_wave = [relevant[:, mask].sum() for mask in wave_masks(record).values()]
    added = added_logits(networks, record, class_, model.recipe)
    assert sum(by_wave) == pytest.approx(sum(added), abs=0.15 * abs(sum(added)))
    assert by_wave == pytest.approx(added, abs=0.15 * max(np.abs(added)))  # the waves are blended over 30 ms


@pytest.mark.parametrize("label", ["IAVB", "TInv"])
def test_the_relevance_lies_on_the_wave_that_carries_the_diagnosis(model, networks, label):
    wave, class_ = WAVES.index(DIAGNOSTIC_WAVE[label]), find_class(model.classes, label)
    time, share, added = wave_figures(networks, model.recipe, label, class_, recordings=1)
    untrained = [random_network(model.recipe, 24)]
    _, random_share, randomly_added = wave_figures(untrained, model.recipe, label, class_, recordings=1)
    assert share[wave] > 0.6 > time[wave] and share[wave] > 1.2 * random_share[wave]
    assert added[wave] > 2 * np.abs(np.delete(added, wave)).max() and added[wave] > 10 * np.abs(randomly_added).max()


def test_each_sample_is_in_exactly_one_wave():
    for label in ("STach", "AF", "PVC"):
        masks = np.array(list(wave_masks(simulated_record(label, 1)).values()))
        assert (masks.sum(axis=0) == 1).all() and (masks.mean(axis=1) > 0.05).all()


@pytest.mark.parametrize("label", ["TInv", "CRBBB"])
def test_only_the_named_wave_is_replaced(label):
    record = simulated_record(label, 2)
    counterfactuals, masks = list(with_normal_waves(record)), wave_masks(record)
    different = {counterfactual.counts.tobytes() for _, counterfactual in counterfactuals}
    assert len(different) == len(counterfactuals) == NORMAL_HEARTS * len(WAVES)
    for wave, counterfactual in counterfactuals:
        changed = counterfactual.counts != record.counts
        outside = ~binary_dilation(masks[wave], iterations=round(0.02 * record.header.rate))
        assert not changed[:, outside].any(), wave
        assert changed[:, masks[wave]].mean() > 0.9, wave


def test_a_missing_lead_stays_missing_and_a_gap_makes_no_spike():
    record = simulated_record("SNR", 1)
    counts, mask = record.counts.copy(), record.mask.copy()
    counts[7], mask[7] = 0, False
    counts[1, 1000:1200] = INVALID
    for lead_mask in (mask, np.ones(12, bool)):  # a flat lead counts as missing, whatever the header says
        for _, counterfactual in with_normal_waves(replace(record, counts=counts, mask=lead_mask)):
            assert not counterfactual.counts[7].any() and abs(counterfactual.counts.astype(int)).max() < 5000


def test_a_long_pause_has_no_qrs_and_no_t_wave():
    record = simulated_record("SNR", 1)
    for pause in (slice(0, 2500), slice(2500, 5000)):
        counts = record.counts.copy()
        counts[:, pause] = 0
        masks = wave_masks(replace(record, counts=counts))
        middle = slice(pause.start + 500, pause.stop - 500)
        assert masks["P and PR"][middle].mean() > 0.6, pause  # one more beat is assumed beside the last one found
        assert not masks["QRS"][slice(0, 1000) if pause.start == 0 else slice(4000, 5000)].any()


@pytest.mark.parametrize("rate", [50, 257])
def test_the_relevance_has_the_same_sum_at_any_sampling_rate(model, networks, rate):
    counts = simulate_signal(["LAnFB"], 60, "male", rate, 10, np.random.default_rng(4))
    record = Record(Header("X1", float(rate), counts.shape[1], (), 60.0, "male", ()), counts, np.ones(12, bool))
    class_ = find_class(model.classes, "LAnFB")
    added = added_logits(networks, record, class_, model.recipe).sum()
    assert relevance(networks, record, class_, model.recipe).sum() == pytest.approx(added, rel=0.05)


def test_the_page_says_if_no_beat_was_found(explain, tmp_path):
    header = write_recording(tmp_path, "A1", np.zeros((12, 3000), np.int16))
    page = explain(header, tmp_path / "page.html")
    assert "No beat was found" in page and "Wave by wave" not in page


def test_an_untrained_network_gives_a_different_relevance(model, networks):
    record, class_ = simulated_record("TInv", 1), find_class(model.classes, "TInv")
    trained = relevance(networks, record, class_, model.recipe)
    untrained = relevance([random_network(model.recipe, 24)], record, class_, model.recipe)
    assert abs(spearmanr(trained.ravel(), untrained.ravel()).statistic) < 0.3


@pytest.mark.parametrize(
    "samples, rate, silent", [(900, "500", 0), (12_000, "500", 0), (5000, "1000", 2000), (1, "500", 0), (1, "1", 0)]
)
def test_the_relevance_has_the_recordings_length(tmp_path, model, networks, samples, rate, silent):
    counts = noise(samples)
    counts[:, :silent] = 0
    relevant = relevance(networks, read_record(write_recording(tmp_path, "A1", counts, rate=rate)), 0, model.recipe)
    assert relevant.shape == counts.shape and np.isfinite(relevant).all()
    assert not relevant[:, : max(silent - 10, 0)].any()  # the network does not see these samples
    shade = shading(relevant, 500)
    assert shade.min() >= 0 and shade.max() <= 1


def test_each_lead_is_zero_in_turn(model, tmp_path):
    record = read_record(write_recording(tmp_path, "A1", noise(2500)))
    inputs = with_each_lead_zero(record, model.recipe).counts.reshape(13, 12, -1)
    zero_leads = [lead_counts.any(dim=1).logical_not().nonzero().ravel().tolist() for lead_counts in inputs]
    assert zero_leads == [[], *([lead] for lead in range(12))]


def test_there_is_a_weight_for_each_channel_of_each_unit(model, networks, tmp_path):
    record = read_record(write_recording(tmp_path, "A1", noise(2500)))
    weights = unit_weights(networks[0], record, model.recipe)
    assert [len(of_unit) for of_unit in weights] == [32, 32, 64, 64, 128, 128, 256, 256]
    assert all(of_unit.min() >= 0 and of_unit.max() <= 1 for of_unit in weights)


@pytest.fixture(scope="module")
def page(explain, tmp_path_factory):
    folder = tmp_path_factory.mktemp("explained")
    header = write_recording(folder, "A<1>", noise(5000))
    explain(header, folder / "page.html", "--class", "lad")
    return folder / "page.html"


def test_the_page_says_that_the_model_is_adapted(page):
    assert "Note: the model is adapted to a hospital by 50 of its recordings and their labels." in page.read_text()


def test_the_page_is_one_file(page):
    content = page.read_text()
    assert content.count("data:image/png;base64,") == 1 and not re.findall(r'src="(?!data:)', content)


def test_a_lead_that_was_not_recorded_is_marked_computed_or_missing(explain, tmp_path):
    leads = [lead for lead in LEADS if lead not in ("aVL", "V4")]
    header = write_recording(tmp_path, "A1", noise(2500, 10), leads=leads)
    states = re.findall(r"<td>(\w+)(?: \((\w+)\))?</td><td>[\d.]+</td>", explain(header, tmp_path / "page.html"))
    assert {lead: state for lead, state in states if lead in LEADS and state} == {"aVL": "computed", "V4": "missing"}


def test_a_flat_lead_is_named(model):
    record = simulated_record("SNR", 1)
    counts, mask = record.counts.copy(), record.mask.copy()
    counts[[3, 5, 7, 8]], counts[9], mask[[5, 8]] = 0, 50, False
    states = dict(zip(LEADS, lead_states(replace(record, counts=counts, mask=mask))))
    other = {lead: state for lead, state in states.items() if state != "recorded"}
    assert other == {"aVR": "flat, computed", "aVF": "computed", "V2": "flat", "V3": "missing", "V4": "flat"}


@needs_browser
def test_the_page_in_a_browser(page, tmp_path):
    script = "return [document.querySelector('h1').textContent, document.querySelectorAll('tbody tr').length]"
    title, rows = in_browser(page, script, tmp_path)
    assert title == "A<1>: why left axis deviation" and rows >= 16


@needs_browser
def test_the_page_gives_the_prediction_first_and_a_legend(page, tmp_path):
    script = """const verdict = document.querySelector('.verdict'), ramp = document.querySelector('.ramp');
        return [document.querySelector('h1').nextElementSibling === verdict, verdict.textContent,
                getComputedStyle(ramp).backgroundImage, document.querySelector('details').open,
                document.documentElement.scrollWidth <= innerWidth];"""
    is_first, verdict, ramp, is_open, fits = in_browser(page, script, tmp_path, (420, 800))
    assert is_first and re.fullmatch(
        r"left axis deviation: (yes|no), probability 0\.\d\d \(clinical threshold (none|0\.\d\d)\)", verdict
    )
    assert ramp.startswith("linear-gradient") and not is_open and fits


@needs_browser
def test_the_printed_page_is_to_scale(page, tmp_path):
    assert printed_widths(page, tmp_path) == pytest.approx([270], abs=0.3)


def test_an_unknown_class_is_an_error(tmp_path):
    header = write_recording(tmp_path, "A1", noise(5000))
    done = call_script("tools/explain.py", ROOT / "models/open", header, tmp_path / "page.html", "--class", "XYZ")
    assert done.returncode == 2 and "XYZ: none of the classes: sinus rhythm (SNR)" in done.stderr


def test_an_unknown_class_is_refused_before_anything_is_computed(tmp_path, model):
    """A folder without networks: the description is enough to refuse a class."""
    copytree(ROOT / "models/open", tmp_path / "model", ignore=ignore_patterns("*.safetensors"))
    done = call_script(
        "tools/explain.py", tmp_path / "model", tmp_path / "no.hea", tmp_path / "page.html", "--class", "XYZ"
    )
    assert done.returncode == 2 and "XYZ: none of the classes" in done.stderr


def test_a_class_is_found_by_its_full_name_and_the_work_shows_its_progress(one_network, tmp_path):
    header = write_recording(tmp_path, "A1", noise(2500))
    done = call_script("tools/explain.py", one_network, header, tmp_path / "page.html", "--class", "T wave inversion")
    assert done.returncode == 0 and "explaining T wave inversion, probability 0." in done.stdout
    assert "full name" in run_script("tools/explain.py", "--help").stdout


def test_the_relevance_moves_a_bar_in_many_steps(networks, model, monkeypatch):
    steps = []
    monkeypatch.setattr(progress, "bar", lambda iterable, total, *_: steps.append(total) or iterable)
    relevance(networks, simulated_record("SNR", 1), 0, model.recipe)
    assert steps == [NORMAL_HEARTS]
