"""The network of the paper, and the input scaled to unit amplitude."""

import pytest
import torch

from ecg.model.network import Dropout, SEResNet, SqueezeExcite, to_unit_amplitude


def test_number_of_parameters_is_the_papers():
    assert sum(parameter.numel() for parameter in SEResNet().parameters()) == 8_837_060


@pytest.mark.parametrize("samples", [1, 257, 2570, 4096])
def test_windows_of_any_length_are_accepted(samples):
    network = SEResNet(width=16).eval()
    logits = network(torch.randn(3, 12, samples), torch.zeros(3, 5))
    assert logits.shape == (3, 24) and torch.isfinite(logits).all()


def test_output_depends_on_age_and_sex():
    network, window = SEResNet(width=16).eval(), torch.randn(1, 12, 500)
    young_woman, old_man = torch.tensor([[0.2, 1, 1, 0, 1]]), torch.tensor([[0.9, 1, 0, 1, 1]])
    assert not torch.allclose(network(window, young_woman), network(window, old_man))


@pytest.fixture
def windows() -> torch.Tensor:
    """Noise of 300 counts. Lead 3 of window 1 is missing, the last 100 samples of window 2 are padding."""
    torch.manual_seed(0)
    windows = (300 * torch.randn(4, 12, 500)).round()
    windows[0, 2, ::7] = 0  # samples at which the signal is 0
    windows[1, 3] = 0
    windows[2, :, 400:] = 0
    return windows


def test_unit_amplitude_ignores_gain_offset_padding_and_missing_leads(windows):
    louder = 7 * windows + 50
    louder[1, 3] = 0
    louder[2, :, 400:] = 0
    (unit, amplitude), (unit_of_louder, amplitude_of_louder) = to_unit_amplitude(windows), to_unit_amplitude(louder)
    torch.testing.assert_close(unit, unit_of_louder, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(amplitude_of_louder, 7 * amplitude)
    assert amplitude[:, 0].tolist() == pytest.approx([300] * 4, rel=0.03)
    assert (unit[1, 3] == 0).all() and (unit[2, :, 400:] == 0).all()


def test_scaled_network_gets_the_amplitude_only_as_a_number_beside_the_signal(windows):
    network, people = SEResNet(width=16, scale=True).eval(), torch.zeros(4, 5)
    assert torch.isfinite(network(torch.zeros(1, 12, 500), people[:1])).all()
    assert not torch.allclose(network(windows, people), network(7 * windows, people), atol=1e-4)
    with torch.no_grad():
        network.demographics.weight[:, -1] = 0  # the weights of the amplitude
    torch.testing.assert_close(network(windows, people), network(7 * windows, people), atol=1e-4, rtol=1e-3)


def test_squeeze_excite_scales_whole_channels():
    unit, features = SqueezeExcite(32, 16), torch.rand(2, 32, 10) + 0.1
    scale = unit(features) / features
    assert torch.allclose(scale, scale[:, :, :1].expand_as(scale)) and scale.min() > 0 and scale.max() < 1


@pytest.mark.parametrize("p", [0.0, 0.2, 0.75])
def test_dropout_has_the_distribution_of_nn_dropout(p):
    torch.manual_seed(0)
    dropout, features = Dropout(p), torch.ones(7, 33, 1001)
    kept = dropout(features)
    assert set(kept.unique().tolist()) <= {0.0, float(torch.tensor(1 / (1 - p)))}
    assert float((kept == 0).float().mean()) == pytest.approx(p, abs=0.005)
    assert float(kept.mean()) == pytest.approx(1, abs=0.01)
    both_dropped = (kept.flatten()[1:] == 0) & (kept.flatten()[:-1] == 0)
    assert float(both_dropped.float().mean()) == pytest.approx(p**2, abs=0.005)  # neighbours are independent
    torch.manual_seed(0)
    assert torch.equal(dropout(features), kept)
    assert not torch.equal(dropout(features), kept) or p == 0
    assert torch.equal(dropout.eval()(features), features)
