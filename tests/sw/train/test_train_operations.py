"""The operations of training give what torch's own give."""

import pytest
import torch
import torch.nn.functional as nnf
from stablespike.golden.in_bytes import bytes_are_exact
from stablespike.train.operations.spread import spread
from stablespike.train.operations.whole_conv2d import whole_conv2d


@pytest.mark.skipif(not bytes_are_exact(15, 128), reason="PyTorch has no exact bytes here")
@pytest.mark.parametrize(("high", "stride", "padding"), [(1, 1, 1), (15, 2, 0), (127, 3, 2)])
def test_a_convolution_of_whole_numbers(high, stride, padding):
    generator = torch.Generator().manual_seed(high)
    maps = torch.randint(0, high + 1, (3, 5, 9, 7), generator=generator).float()
    kernels = torch.randint(-128, 128, (6, 5, 3, 3), generator=generator).float()
    maps.requires_grad_(), kernels.requires_grad_()
    expected = nnf.conv2d(maps, kernels, None, stride, padding)
    found = whole_conv2d(maps, kernels, stride, padding, high)
    assert found.tolist() == expected.tolist()
    grad = torch.randn(expected.shape, generator=generator)
    ours, theirs = (torch.autograd.grad(each, (maps, kernels), grad) for each in (found, expected))
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other)


def test_the_spread_of_a_batch():
    generator = torch.Generator().manual_seed(0)
    values = (300 * torch.randn(999, 7, generator=generator)).round()
    values[:, 0] = 5.0  # no spread, and no gradient
    values.requires_grad_()
    expected, found = values.std(0, correction=0), spread(values, values.mean(0))
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=0)
    grad = torch.randn(7, generator=generator)
    ours, theirs = (torch.autograd.grad(each, values, grad)[0] for each in (found, expected))
    torch.testing.assert_close(ours, theirs)
    assert not ours[:, 0].any()
