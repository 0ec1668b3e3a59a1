"""The augmentations: another recording of the same heart, and nothing where nothing was recorded."""

import numpy as np
import torch

from ecg.training.augmentation import augment

RATE = 100.0


def windows(batch: int = 64) -> torch.Tensor:
    """A sine of 8 Hz in each lead, of 200 counts, on an offset in lead 4; the last 3 s padding, lead 5 missing."""
    time = torch.arange(1000) / RATE
    signal = 200 * torch.sin(2 * torch.pi * 8 * time + torch.arange(12)[:, None] + 0.3).repeat(batch, 1, 1)
    signal[:, 4] += 5000
    signal[:, :, 700:] = 0
    signal[:, 3, 100] = 0  # as a signal crosses zero
    signal[:, 5] = 0
    return signal


def test_what_is_zero_stays_zero():
    changed = augment(windows(), RATE)
    assert (changed[:, :, 700:] == 0).all() and (changed[:, 5] == 0).all()
    assert (changed[:, 3, 100] != 0).float().mean() > 0.4  # where it has wandered


def test_the_heart_is_still_seen_and_each_recording_is_changed_in_its_own_way():
    torch.manual_seed(0)
    before = windows()
    changed = augment(before, RATE)
    assert not torch.equal(changed, before) and torch.isfinite(changed).all()
    alike = np.array([np.corrcoef(a[0], b[0])[0, 1] for a, b in zip(before.numpy(), changed.numpy()) if b[0].any()])
    assert np.median(alike) > 0.9 and len({window.sum().item() for window in changed}) == 64


def test_a_lead_is_lost_now_and_then_and_seldom_many():
    torch.manual_seed(0)
    lost = (augment(windows(2000), RATE)[:, [0, 1, 2, 4, 6]] == 0).all(dim=2)
    assert 0.03 < lost.float().mean() < 0.1 and lost.any(dim=1).float().mean() < 0.4


def test_the_leads_keep_their_ratios_nearly():
    """What a lead is to another is what many diagnoses are read from."""
    torch.manual_seed(0)
    changed = augment(windows(2000), RATE)
    kept = changed[(changed[:, 0].abs().amax(dim=1) > 0) & (changed[:, 1].abs().amax(dim=1) > 0)]
    spectra = torch.fft.rfft(kept[:, :2]).abs()[:, :, 80]  # at 8 Hz
    assert torch.log(spectra[:, 0] / spectra[:, 1]).abs().median() < 0.15


def test_the_same_random_numbers_give_the_same():
    torch.manual_seed(3)
    one = augment(windows(), RATE)
    torch.manual_seed(3)
    assert torch.equal(one, augment(windows(), RATE))
