"""Augmentation: the same heart in another recording. Padding and missing leads stay zero."""

import numpy as np
import pytest
import torch

from ecg.training.augmentation import augment

RATE = 100.0


def windows(batch: int = 64) -> torch.Tensor:
    """A sine of 8 Hz and 200 counts in each lead. Lead 4 has an offset, lead 5 is missing, the last 3 s are padding."""
    time = torch.arange(1000) / RATE
    signal = 200 * torch.sin(2 * torch.pi * 8 * time + torch.arange(12)[:, None] + 0.3).repeat(batch, 1, 1)
    signal[:, 4] += 5000
    signal[:, :, 700:] = 0
    signal[:, 3, 100] = 0  # a sample at which the signal is 0
    signal[:, 5] = 0
    return signal


@pytest.fixture(scope="module")
def many_augmented() -> torch.Tensor:
    torch.manual_seed(0)
    return augment(windows(1000), RATE)


def test_padding_and_missing_leads_stay_zero():
    augmented = augment(windows(), RATE)
    assert (augmented[:, :, 700:] == 0).all() and (augmented[:, 5] == 0).all()
    assert (augmented[:, 3, 100] != 0).float().mean() > 0.4  # a measured 0 changes with baseline wander and noise


def test_signal_stays_recognisable_and_each_recording_changes_differently():
    torch.manual_seed(0)
    original = windows()
    augmented = augment(original, RATE)
    assert not torch.equal(augmented, original) and torch.isfinite(augmented).all()
    correlations = [np.corrcoef(a[0], b[0])[0, 1] for a, b in zip(original.numpy(), augmented.numpy()) if b[0].any()]
    assert np.median(correlations) > 0.9 and len({window.sum().item() for window in augmented}) == 64


def test_few_leads_are_lost_in_few_recordings(many_augmented):
    lost = (many_augmented[:, [0, 1, 2, 4, 6]] == 0).all(dim=2)
    assert 0.03 < lost.float().mean() < 0.1 and lost.any(dim=1).float().mean() < 0.4


def test_ratios_between_leads_change_little(many_augmented):
    """Many diagnoses depend on the ratios between leads."""
    kept = many_augmented[(many_augmented[:, :2].abs().amax(dim=2) > 0).all(dim=1)]
    spectra = torch.fft.rfft(kept[:, :2]).abs()[:, :, 80]  # at 8 Hz
    assert torch.log(spectra[:, 0] / spectra[:, 1]).abs().median() < 0.15


def test_same_seed_gives_the_same_augmentation():
    torch.manual_seed(3)
    first = augment(windows(), RATE)
    torch.manual_seed(3)
    assert torch.equal(first, augment(windows(), RATE))
