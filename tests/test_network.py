"""The network is the paper's."""

import pytest
import torch

from ecg.model.network import Dropout, SEResNet, SqueezeExcite, to_unit_amplitude


def test_it_has_the_papers_number_of_parameters():
    assert sum(parameter.numel() for parameter in SEResNet().parameters()) == 8_837_060


@pytest.mark.parametrize("samples", [1, 257, 2570, 4096])
def test_it_takes_windows_of_any_length(samples):
    network = SEResNet(width=16).eval()
    logits = network(torch.randn(3, 12, samples), torch.zeros(3, 5))
    assert logits.shape == (3, 24) and torch.isfinite(logits).all()


def test_age_and_sex_matter():
    network, window = SEResNet(width=16).eval(), torch.randn(1, 12, 500)
    a, b = (network(window, torch.tensor([people])) for people in ([0.2, 1, 1.0, 0, 1], [0.9, 1, 0, 1.0, 1]))
    assert not torch.allclose(a, b)


def test_a_scaled_network_sees_the_amplitude_beside_the_signal_alone():
    """A recorder's gain changes what it is told, and nothing of what it sees; padding and offsets are nothing to it."""
    torch.manual_seed(0)
    windows = (300 * torch.randn(4, 12, 500)).round()
    windows[0, 2, ::7] = 0  # as a signal crosses zero
    there = torch.ones(4, 12, 500)
    there[1, 3] = 0
    there[2, :, 400:] = 0
    windows *= there
    unit, amplitude = to_unit_amplitude(windows)
    louder, its_amplitude = to_unit_amplitude((7 * windows + 50) * there)
    torch.testing.assert_close(unit, louder, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(its_amplitude, 7 * amplitude)
    assert amplitude[:, 0].tolist() == pytest.approx([300] * 4, rel=0.03)
    assert (unit[1, 3] == 0).all() and (unit[2, :, 400:] == 0).all()
    network = SEResNet(width=16, scale=True).eval()
    silence = network(torch.zeros(1, 12, 500), torch.zeros(1, 5))
    assert torch.isfinite(silence).all()
    people = torch.zeros(4, 5)
    assert not torch.allclose(network(windows, people), network(7 * windows, people), atol=1e-4)
    with torch.no_grad():
        network.demographics.weight[:, -1] = 0  # of the amplitude
    torch.testing.assert_close(network(windows, people), network(7 * windows, people), atol=1e-4, rtol=1e-3)


def test_a_squeeze_excite_unit_scales_whole_channels():
    unit, features = SqueezeExcite(32, 16), torch.rand(2, 32, 10) + 0.1
    scale = unit(features) / features
    assert torch.allclose(scale, scale[:, :, :1].expand_as(scale)) and scale.min() > 0 and scale.max() < 1


@pytest.mark.parametrize("p", [0.0, 0.2, 0.75])
def test_dropout_is_torchs(p):
    torch.manual_seed(0)
    dropout, features = Dropout(p), torch.ones(7, 33, 1001)
    kept = dropout(features)
    assert set(kept.unique().tolist()) <= {0.0, float(torch.tensor(1 / (1 - p)))}
    assert float((kept == 0).float().mean()) == pytest.approx(p, abs=0.005)
    assert float(kept.mean()) == pytest.approx(1, abs=0.01)
    neighbours = (kept.flatten()[1:] == 0).float() * (kept.flatten()[:-1] == 0).float()
    assert float(neighbours.mean()) == pytest.approx(p**2, abs=0.005)  # drawn apart, though from one number
    torch.manual_seed(0)
    assert torch.equal(dropout(features), kept)
    assert not torch.equal(dropout(features), kept) or p == 0
    assert torch.equal(dropout.eval()(features), features)
