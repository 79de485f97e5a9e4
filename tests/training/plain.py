"""The two streams' training step as METHOD writes it down, with nothing made fast.

It reads the weights of our network, and nothing else of it: plain convolutions over concatenated maps, loops
over words and locations, a teacher computed anew instead of shared.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dwc.model.dwc import DWC
from dwc.model.layers import ConvBn, Inception
from dwc.training.batches import Batch


def convolved(layer: ConvBn, x: Tensor, mask: Tensor | None) -> Tensor:
    """Convolution and BatchNorm; over words the statistics are those of the words that are there."""
    weight = layer.conv.weight
    if mask is None:
        normalised: Tensor = layer.bn(F.conv2d(x, weight, padding=weight.shape[2] // 2))
        return normalised
    y = F.conv1d(x, weight, padding=weight.shape[2] // 2).transpose(1, 2)
    there = y[mask]
    normal = F.batch_norm(there, None, None, layer.bn.weight, layer.bn.bias, training=True, eps=layer.bn.eps)
    return torch.zeros_like(y).masked_scatter(mask.unsqueeze(2), normal).transpose(1, 2)


def inception(block: Inception, x: Tensor, mask: Tensor | None = None) -> Tensor:
    found = []
    for number, branch in enumerate(block.branches):
        y = x
        if number == 3:
            y = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False) if mask is None else neighbours(x, mask)
        for step, layer in enumerate(branch):
            y = convolved(layer, F.relu(y) if step else y, mask)
        found.append(y)
    return torch.cat(found, dim=1)


def neighbours(words: Tensor, mask: Tensor) -> Tensor:
    """Each word's mean with the words beside it."""
    result = torch.zeros_like(words)
    for row, length in enumerate(mask.sum(dim=1).tolist()):
        for place in range(length):
            result[row, :, place] = words[row, :, max(0, place - 1) : min(length, place + 2)].mean(dim=1)
    return result


def gem(pool: nn.Module, x: Tensor, mask: Tensor | None = None) -> Tensor:
    powers = x.clamp(min=pool.eps).pow(pool.p).flatten(2)
    if mask is None:
        return powers.mean(dim=2).pow(1 / pool.p)
    return torch.stack([row[:, there].mean(dim=1) for row, there in zip(powers, mask, strict=True)]).pow(
        1 / pool.p
    )


def attended(words: Tensor, visual: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Text seen from each location, image seen from each word; in loops."""
    locations = visual.flatten(2)
    text, image = torch.zeros_like(locations), torch.zeros_like(words).transpose(1, 2)
    for row in range(len(words)):
        there = words[row][mask[row]]
        scores = there @ locations[row]
        for place in range(locations.shape[2]):
            text[row, :, place] = (scores[:, place] / 7).softmax(dim=0) @ there
        for word in range(len(there)):
            image[row, :, word] = locations[row] @ (scores[word] / 4).softmax(dim=0)
    return text.view_as(visual), image


def backbone(network: nn.Sequential, images: Tensor) -> Tensor:
    """The ResNet with torch's own convolutions, whatever class its layers have."""
    saved = {layer: layer.__class__ for layer in network.modules() if isinstance(layer, nn.Conv2d)}
    for layer in saved:
        layer.__class__ = nn.Conv2d
    try:
        for part in network:
            images = part(images)
        return images
    finally:
        for layer, kind in saved.items():
            layer.__class__ = kind


def cnn_embeddings(model: DWC, batch: Batch) -> tuple[Tensor, Tensor]:
    cnn, mask = model.cnn, batch.mask
    feature_map = backbone(cnn.backbone, batch.reference)
    words = cnn.word_states(cnn.word_embedding(batch.words))[0] * mask.unsqueeze(2)
    visual = F.relu(inception(cnn.visual, feature_map))
    text, image = attended(words, visual, mask)
    words = words.transpose(1, 2)
    gate = inception(cnn.image_editor.gate, torch.cat([visual, text], dim=1)).sigmoid()
    edited = gate * feature_map + F.relu(inception(cnn.image_editor.addition, text))
    gate = inception(cnn.text_editor.gate, torch.cat([words, image], dim=1), mask).sigmoid()
    edited_words = gate * words + F.relu(inception(cnn.text_editor.addition, image, mask))
    picture = cnn.image_projection(gem(cnn.image_pool, edited))
    query = combined(
        cnn.combiner.weight, picture, cnn.text_projection(gem(cnn.text_pool, edited_words, mask))
    )
    target = cnn.image_projection(gem(cnn.target_pool, backbone(cnn.backbone, batch.target)))
    return query, F.normalize(target)


def clip_embeddings(model: DWC, batch: Batch) -> tuple[Tensor, Tensor]:
    clip = model.clip
    image = F.normalize(clip.image_projection(batch.clip_reference))
    text = F.normalize(clip.text_projection(batch.clip_text))
    both = torch.cat([image, text], dim=1)
    edited = clip.image_gate(both).sigmoid() * image, clip.text_gate(both).sigmoid() * text
    return combined(clip.combiner.weight, *edited), F.normalize(clip.image_projection(batch.clip_target))


def combined(weigh: nn.Module, image: Tensor, text: Tensor) -> Tensor:
    weight = weigh(torch.cat([image, text], dim=1)).sigmoid()
    return F.normalize(weight * image + (1 - weight) * text)


def losses(
    student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor], labels: Tensor
) -> tuple[Tensor, Tensor]:
    """Contrastive and mutual loss of METHOD section 3, α = 0.2, τ = 0.07."""
    query, target = student
    same = (labels[:, None] == labels[None]).to(query.dtype)
    wanted = 0.8 * same / same.sum(dim=1, keepdim=True) + 0.2 * (target @ target.T / 0.07).softmax(dim=1)
    contrastive = -(wanted * (query @ target.T / 0.07).log_softmax(dim=1)).sum(dim=1).mean()
    taught = (10 * teacher[0] @ teacher[1].T).softmax(dim=1).detach()
    mutual = (taught * (taught.log() - (10 * query @ target.T).log_softmax(dim=1))).sum(dim=1).mean()
    return contrastive, mutual


def plain_step(
    model: DWC, batch: Batch, optimisers: tuple[torch.optim.Adam, torch.optim.Adam]
) -> list[float]:
    """One alternating step; the losses in the order of `StepLosses`."""
    of_cnn, of_clip = optimisers
    with torch.no_grad():
        teacher = cnn_embeddings(model, batch)
    clip = losses(clip_embeddings(model, batch), teacher, batch.labels)
    updated(of_clip, clip)
    with torch.no_grad():
        teacher = clip_embeddings(model, batch)
    cnn = losses(cnn_embeddings(model, batch), teacher, batch.labels)
    updated(of_cnn, cnn)
    return [float(loss.detach()) for loss in (*cnn, *clip)]


def updated(optimiser: torch.optim.Adam, loss: tuple[Tensor, Tensor]) -> None:
    optimiser.zero_grad()
    sum(loss).backward()  # type: ignore[union-attr]
    optimiser.step()
