"""The section `train`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dwc.config.base import Positive, Rate, Section, Share


class Loss(Section):
    """Mixed-modality contrastive loss with soft labels, and mutual enhancement (METHOD section 3)."""

    alpha: Share = Field(0.2, description="share of the soft labels")
    temperature: Rate = Field(0.07, description="temperature of logits and soft labels")
    similarity: Literal["dot", "euclidean", "gaussian"] = Field(
        "dot", description="similarity behind soft labels"
    )
    detach_soft_labels: bool = Field(False, description="stop the gradient through the soft labels")
    mutual_weight: float = Field(1.0, ge=0.0, description="weight of the mutual enhancement; 0 = off")
    mutual_scale: Rate = Field(10.0, description="inverse temperature of the distributions compared")
    teacher_image: Literal["target", "reference"] = Field(
        "target",
        description="image behind the teacher's target embedding; the released code used the reference",
    )


class Cnn(Section):
    """Sizes of the CNN stream."""

    backbone: Literal["resnet18", "resnet50"] = "resnet50"
    weights: str | None = Field(
        None,
        description="start of the backbone: null = random, `imagenet` = torchvision's, `clip` = the image "
        "tower of the embed stage's CLIP (same ResNet), or a local safetensors/pth file",
    )
    word_dim: Positive = Field(512, description="size of a word embedding")


class Optimiser(Section):
    """Adam, one for each stream."""

    learning_rate: Rate = Field(1e-4, description="CNN stream's peak learning rate")
    clip_learning_rate: Rate | None = Field(None, description="CLIP stream's, where it differs")
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: Share = Field(0.0, description="share of the steps with rising learning rate")
    weight_decay: float = Field(1e-6, ge=0.0)
    clip_gradient_norm: float | None = Field(
        None, gt=0.0, description="largest gradient norm; null = no limit"
    )


class Augment(Section):
    """What training does to the stored images."""

    flip: bool = Field(True, description="mirror each image half of the time")
    rotation: float = Field(0.0, ge=0.0, le=180.0, description="largest random turn, degrees")
    crop_scale: Share = Field(
        1.0, description="smallest share of the area that a random crop keeps; 1 = no crop"
    )
    side: Positive | None = Field(
        None,
        description="side of the views that the CNN stream learns from, pixels; null = the stored side. "
        "Smaller views cost less; evaluation and serving always see the stored side",
    )


class Captions(Section):
    """Captions of the triplets learnt from, made cleaner or noisier (study); those held out keep theirs."""

    leave_out_known_noise: bool = Field(
        False, description="leave out the captions that the data set's own noise.json calls misleading"
    )
    replaced: Share = Field(0.0, description="share of the triplets that get another triplet's texts")


class Train(Section):
    """DWC's training."""

    seed: int = 1
    epochs: Positive = 200
    batch_size: Positive = 32
    dim: Positive = Field(1024, description="embedding size D of each stream")
    dropout: Share = Field(0.5, description="dropout of the CLIP stream and of both combiners")
    editors: bool = Field(
        True, description="edit image and text by each other before they are combined; false = study"
    )
    image_weight: Literal["learned", "equal", "untrained"] = Field(
        "learned",
        description="how the combiner weighs image and text: by its MLP, both one half, or by an MLP that "
        "stays at its random start; the last two = study",
    )
    cnn: Cnn = Cnn()
    loss: Loss = Loss()
    optimiser: Optimiser = Optimiser()
    augment: Augment = Augment()
    captions: Captions = Captions()
    challenger: bool = Field(
        True, description="package the model and register it as the challenger; false = study"
    )
    holdout: Share = Field(
        0.1, description="share of the training triplets kept back to choose the checkpoint"
    )
    select: Literal["best", "last", "evaluation"] = Field(
        "best",
        description="checkpoint by held-out recall, the last epoch's, or, as papers often do, the one that "
        "is best on the evaluation queries themselves, which flatters it; nothing is held out then",
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto = bf16 where the machine has it"
    )
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N")
    devices: Positive | Literal["all"] = Field(
        1,
        description="GPUs of each machine that train together, on the CPU processes; batch_size is the batch "
        "of them all",
    )
    nodes: Positive = Field(1, description="machines that train together (docs/operating.md)")
    chunk: Positive | None = Field(
        None,
        description="rows that go through a device's CNN stream at once: memory for a batch of any size, for "
        "a second forward; null = all. BatchNorm then sees a chunk",
    )
    pixels: Literal["auto", "disk", "device"] = Field(
        "auto",
        description="where the stored images are while training: read from the disk batch by batch, or kept "
        "whole on the device (CPU: in memory); auto = on a GPU of whose free memory they take at most half",
    )
    profile: int = Field(
        0, ge=0, description="training steps to trace and then to time part by part, at the start; 0 = none"
    )
    resume: bool = Field(True, description="continue an interrupted training of the same data and parameters")
