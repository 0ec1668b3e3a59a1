"""The network is the paper's."""

import pytest
import torch

from ecg.network import SEResNet, SqueezeExcite


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


def test_a_squeeze_excite_unit_scales_whole_channels():
    unit, features = SqueezeExcite(32, 16), torch.rand(2, 32, 10) + 0.1
    scale = unit(features) / features
    assert torch.allclose(scale, scale[:, :, :1].expand_as(scale)) and scale.min() > 0 and scale.max() < 1
