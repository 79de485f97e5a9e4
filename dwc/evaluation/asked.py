"""The protocol that the parameters ask for."""

from __future__ import annotations

from dwc.config import Params
from dwc.evaluation.protocols import Protocol, Selection


def asked_protocol(params: Params, selection: Selection) -> Protocol:
    """What the parameters of all stages make of the measurement; the training says how it chose its epoch."""
    settings, texts = params.evaluate, params.preprocess
    return Protocol(
        split=settings.split,
        gallery=settings.gallery,
        mask_reference=settings.mask_reference,
        joint_gallery=settings.joint_gallery,
        text=params.data.pairs.text if params.data.layout == "fashion200k" else "captions",
        caption_joining=texts.caption_joining,
        training_captions=texts.caption_variants,
        selection=selection,
    )
