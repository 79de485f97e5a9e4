"""Padding words change nothing: a padded batch gives what each text gives alone."""

from __future__ import annotations

import pytest
import torch

from dwc.model.attention import cross_attention
from dwc.model.dwc import DWC, ModelConfig
from dwc.model.layers import GeM, Inception, MaskedBatchNorm1d

LENGTHS = (3, 7, 5)


@pytest.fixture(scope="module")
def model() -> DWC:
    torch.manual_seed(0)
    config = ModelConfig(backbone="resnet18", dim=16, words=11, word_dim=8, clip_dim=12, resolution=64)
    model = DWC(config).double().eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_()
            module.bias.data.normal_()
    return model


def padded_words() -> tuple[torch.Tensor, torch.Tensor]:
    words = torch.randint(0, 11, (len(LENGTHS), max(LENGTHS)), generator=torch.Generator().manual_seed(1))
    mask = torch.arange(max(LENGTHS))[None] < torch.tensor(LENGTHS)[:, None]
    return words, mask


def test_a_padded_batch_gives_what_each_text_gives_alone(model: DWC) -> None:
    images = torch.randn(3, 3, 64, 64, dtype=torch.float64)
    words, mask = padded_words()
    with torch.no_grad():
        together = model.cnn.query(images, words, mask)
        for row, length in enumerate(LENGTHS):
            alone = model.cnn.query(
                images[row : row + 1], words[row : row + 1, :length], mask[row : row + 1, :length]
            )
            torch.testing.assert_close(together.embedding[row], alone.embedding[0], rtol=1e-10, atol=1e-12)
            torch.testing.assert_close(together.image_weight[row], alone.image_weight[0])


def test_the_padding_words_themselves_do_not_matter(model: DWC) -> None:
    images = torch.randn(3, 3, 64, 64, dtype=torch.float64)
    words, mask = padded_words()
    with torch.no_grad():
        before = model.cnn.query(images, words, mask).embedding
        after = model.cnn.query(images, words.masked_fill(~mask, 9), mask).embedding
    torch.testing.assert_close(before, after)


def test_masked_batch_norm_learns_from_unmasked_positions_only() -> None:
    x = torch.randn(3, 4, 7, dtype=torch.float64)
    _, mask = padded_words()
    masked, packed = MaskedBatchNorm1d(4).double(), torch.nn.BatchNorm1d(4).double()
    result = masked(x, mask)
    expected = packed(x.transpose(1, 2)[mask])
    torch.testing.assert_close(result.transpose(1, 2)[mask], expected)
    assert not result.transpose(1, 2)[~mask].any()
    torch.testing.assert_close(masked.running_mean, packed.running_mean)
    torch.testing.assert_close(masked.running_var, packed.running_var)


def test_gem_of_two_values() -> None:
    pool = GeM(p=2.0).double()
    x = torch.tensor([[[3.0, 4.0, 100.0]]], dtype=torch.float64)
    mask = torch.tensor([[True, True, False]])
    assert pool(x, mask).item() == pytest.approx(((9 + 16) / 2) ** 0.5)


def test_attention_by_hand() -> None:
    words = torch.tensor([[[7.0, 0.0], [0.0, 7.0], [5.0, 5.0]]])
    locations = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])  # two locations, unit vectors
    mask = torch.tensor([[True, True, False]])
    found = cross_attention(words, locations, mask)
    high = torch.tensor(1.0).exp() / (torch.tensor(1.0).exp() + 1)
    torch.testing.assert_close(
        found.word_attention[0],
        torch.stack([torch.stack([high, 1 - high]), torch.stack([1 - high, high]), torch.zeros(2)]),
    )
    steep = torch.tensor(7.0 / 4).exp() / (torch.tensor(7.0 / 4).exp() + 1)
    torch.testing.assert_close(found.spatial_attention[0, 0], torch.stack([steep, 1 - steep]))
    assert not found.image_per_word[0, :, 2].any()
    torch.testing.assert_close(
        found.seen_text.projected(torch.eye(2))[0, 0], torch.stack([7 * high, 7 * (1 - high)])
    )


def test_inception_concatenates_four_branches_and_rejects_odd_sizes() -> None:
    block = Inception(4, 16, dimensions=2)
    assert [branch[-1].conv.out_channels for branch in block.branches] == [6, 4, 4, 2]
    with pytest.raises(ValueError, match="multiple of 8"):
        Inception(4, 12, dimensions=2)
