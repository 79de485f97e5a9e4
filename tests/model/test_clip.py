"""CLIPs of any kind: what their configuration decides, where weights come from, what is saved."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import huggingface_hub
import open_clip
import pytest
import torch
from open_clip.factory import _MODEL_CONFIGS
from open_clip.pretrained import _PRETRAINED

from dwc.model import weights
from dwc.model.clip import FrozenClip
from dwc.model.clip_source import clip_config
from dwc.model.clip_stream import ClipStream
from tests.model.servers import closed_address, file_server, silent_server
from tests.model.test_weights import Trap

TEXT = {"vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
VIT = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 12, **TEXT},
}
SIGLIP_LIKE = {
    "model_cfg": {
        "embed_dim": 40,
        "init_logit_bias": -10,
        "custom_text": True,
        "vision_cfg": {
            "image_size": 48,
            "timm_model_name": "resnet18",
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": "linear",
        },
        "text_cfg": {
            "context_length": 9,
            **TEXT,
            "tokenizer_kwargs": {"clean": "canonicalize"},
            "no_causal_mask": True,
            "proj_bias": True,
            "pool_type": "last",
            "norm_kwargs": {"eps": 1e-6},
        },
    },
    "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "resize_mode": "squash"},
}
GREY = torch.full((1, 20, 20, 3), 100, dtype=torch.uint8)


def write(folder: Path, config: dict[str, Any], name: str = "open_clip_config.json") -> str:
    file = folder / name
    file.write_text(json.dumps(config))
    return str(file)


def create(folder: Path, config: dict[str, Any], *arguments: Any, **options: Any) -> FrozenClip:
    torch.manual_seed(0)
    return FrozenClip.create(write(folder, config), *(arguments or (None,)), **options)


@pytest.mark.parametrize(
    ("config", "dim", "side", "context", "grey"),
    [
        (VIT, 24, 32, 12, (100 / 255 - 0.48145466) / 0.26862954),
        (SIGLIP_LIKE, 40, 48, 9, (100 / 255 - 0.5) / 0.5),
    ],
)
def test_a_custom_architecture_brings_its_own_sizes_and_colours(
    config: dict[str, Any], dim: int, side: int, context: int, grey: float, tmp_path: Path
) -> None:
    clip = create(tmp_path, config)
    assert (clip.dim, clip.side) == (dim, side)
    assert clip.tokenize(["a red dress"] * 2 + ["word " * 99]).shape == (3, context)
    images = clip.images(GREY)
    assert images.shape == (1, 3, side, side)
    torch.testing.assert_close(images[0, 0], torch.full((side, side), grey))
    stream = ClipStream(clip_dim=clip.dim, dim=8).eval()
    query = stream.query(clip.encode_images(GREY), clip.encode_texts(["is red"]))
    assert query.embedding.shape == (1, 8)


@pytest.mark.parametrize("config", [VIT, SIGLIP_LIKE])
def test_the_stores_resolution_may_be_any(config: dict[str, Any], tmp_path: Path) -> None:
    clip = create(tmp_path, config)
    grey = clip.encode_images(GREY)
    torch.testing.assert_close(clip.encode_images(GREY.repeat(1, 5, 5, 1)), grey)
    halves = torch.zeros(1, 100, 100, 3, dtype=torch.uint8)
    halves[:, :, 50:] = 255
    seen = clip.images(halves)[0]
    middle = clip.side // 2
    for channel, mean, std in zip(seen, clip.mean, clip.std, strict=True):
        torch.testing.assert_close(
            channel[:, : middle - 2], torch.full_like(channel[:, : middle - 2], -mean / std)
        )
        torch.testing.assert_close(
            channel[:, middle + 2 :], torch.full_like(channel[:, middle + 2 :], (1 - mean) / std)
        )


@pytest.mark.parametrize("config", [VIT, SIGLIP_LIKE])
def test_a_saved_clip_is_the_same(config: dict[str, Any], tmp_path: Path) -> None:
    clip = create(tmp_path, config)
    (tmp_path / "saved").mkdir()
    clip.save(tmp_path / "saved")
    loaded = FrozenClip.load(tmp_path / "saved")
    assert (loaded.side, loaded.dim, list(loaded.mean)) == (clip.side, clip.dim, list(clip.mean))
    assert torch.equal(loaded.encode_images(GREY), clip.encode_images(GREY))
    texts = ["is Red, isn't it?", "a b c d e f g h i j k l m n"]
    assert torch.equal(loaded.encode_texts(texts), clip.encode_texts(texts))


def test_a_tokenizer_that_is_not_open_clips_own_is_saved_too(tmp_path: Path) -> None:
    class Tokenizer:
        def save_pretrained(self, folder: Path) -> None:
            (folder / "tokenizer.json").write_text("{}")

    clip = create(tmp_path, VIT)
    clip._tokenizer = Tokenizer()
    (tmp_path / "saved").mkdir()
    clip.save(tmp_path / "saved")
    assert (tmp_path / "saved" / "tokenizer.json").is_file()


def test_a_siglips_own_tokenizer_is_read_and_saved(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="the extra `siglip` is not installed")
    tokenizers = pytest.importorskip("tokenizers")
    words = {"<unk>": 0, "</s>": 1, "is": 2, "red": 3, "and": 4, "long": 5}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    about = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "</s>", "eos_token": "</s>"}
    write(tmp_path, about, "tokenizer_config.json")
    text = {**SIGLIP_LIKE["model_cfg"]["text_cfg"], "hf_tokenizer_name": "timm/ViT-B-16-SigLIP"}
    config = {**SIGLIP_LIKE, "model_cfg": {**SIGLIP_LIKE["model_cfg"], "text_cfg": text}}
    clip = create(tmp_path, config)
    texts = ["Is RED, and blue!", "is " * 20]
    expected = [[2, 3, 4, 0, 1, 1, 1, 1, 1], [2] * 8 + [1]]
    assert clip.tokenize(texts).tolist() == expected
    (tmp_path / "saved").mkdir()
    clip.save(tmp_path / "saved")
    loaded = FrozenClip.load(tmp_path / "saved")
    assert loaded.tokenize(texts).tolist() == expected
    assert torch.equal(loaded.encode_texts(texts), clip.encode_texts(texts))


@pytest.mark.parametrize(
    ("name", "tag", "quick_gelu", "mean"),
    [
        ("RN50", "openai", True, 0.48145466),
        ("RN50", None, True, 0.48145466),
        ("ViT-B/32", "openai", True, 0.48145466),
        ("ViT-B-32", "laion2b_s34b_b79k", False, 0.48145466),
        ("ViT-B-32", None, False, 0.48145466),
        ("ViT-L-14", "laion2b_s32b_b82k", False, 0.5),
        ("ViT-L-14", "models/mine.pt", False, 0.48145466),
        ("ViT-B-16-SigLIP", None, False, 0.5),
        ("ViT-B-16-SigLIP2-256", "webli", False, 0.5),
    ],
)
def test_published_weights_decide_activation_and_colours(
    name: str, tag: str | None, quick_gelu: bool, mean: float
) -> None:
    config = clip_config(name, tag)
    assert config["model_cfg"].get("quick_gelu", False) == quick_gelu
    assert config["preprocess_cfg"]["mean"][0] == mean


def test_every_model_of_open_clip_has_a_configuration() -> None:
    assert len(open_clip.list_models()) > 140
    for name in open_clip.list_models():
        config = clip_config(name, None)
        assert config["model_cfg"]["embed_dim"] > 0
        assert len(config["preprocess_cfg"]["std"]) == 3


@pytest.mark.parametrize("name", ["ViT-B-32", "ViT-B-16-SigLIP"])
def test_a_named_architecture_with_random_weights(name: str, tmp_path: Path) -> None:
    config = clip_config(name, None)
    config["model_cfg"]["text_cfg"].pop("hf_tokenizer_name", None)  # its files are on the hub
    clip = create(tmp_path, config)
    assert clip.encode_images(GREY).shape == (1, clip.dim)
    assert (clip.dim, clip.side) == {"ViT-B-32": (512, 224), "ViT-B-16-SigLIP": (768, 224)}[name]
    assert clip.tokenize(["a"]).shape == (1, {"ViT-B-32": 77, "ViT-B-16-SigLIP": 64}[name])


def test_local_weights_files(tmp_path: Path) -> None:
    clip = create(tmp_path, VIT)
    state = clip.network.state_dict()
    torch.save(state, tmp_path / "w.pt")
    torch.manual_seed(9)
    other = FrozenClip.create(str(tmp_path / "open_clip_config.json"), str(tmp_path / "w.pt"))
    assert torch.equal(other.encode_images(GREY), clip.encode_images(GREY))
    state.pop("logit_scale")
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(ValueError, match=r"cannot be read as weights.*Missing key.*logit_scale"):
        create(tmp_path, VIT, str(tmp_path / "w.pt"))
    torch.save({"a": Trap(tmp_path / "sprung")}, tmp_path / "w.pt")
    with pytest.raises(ValueError, match="refused"):
        create(tmp_path, VIT, str(tmp_path / "w.pt"))
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("architecture", "tag", "message"),
    [
        ("RN5O", None, "open_clip knows no such model"),
        ("RN50", "opneai", r"neither a file nor a tag of RN50 \(tags: openai, yfcc15m, cc12m\)"),
        ("RN50", "models/clip.pt", "embed.weights = models/clip.pt: no such file"),
        ("none.json", None, "embed.architecture = none.json: no such file"),
        ("ViT-B-16-SigLIP", "webli", "uv pip install transformers"),
    ],
)
def test_what_cannot_be_had_is_named_in_one_line(
    architecture: str, tag: str | None, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=message) as caught:
        FrozenClip.create(architecture, tag)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not valid JSON"),
        ('{"embed_dim": 3}', "text_cfg is missing"),
        (json.dumps({**VIT, "vision_cfg": {"timm_model_name": "none"}}), "cannot be built"),
        (json.dumps({**VIT, "vision_cfg": {"layer": 1}}), "cannot be built"),
    ],
)
def test_a_wrong_architecture_file_is_named(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(ValueError, match=f"embed.architecture.*{message}"):
        FrozenClip.create(str(tmp_path / "a.json"), None)


@pytest.fixture
def tiny_on_a_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FrozenClip:
    """A model `tiny` with tag `demo` among open_clip's own, and the CLIP that is published under it."""
    published = {"hf_hub": "someone/tiny/", "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.2, 0.2)}
    monkeypatch.setitem(_MODEL_CONFIGS, "tiny", VIT)
    monkeypatch.setitem(_PRETRAINED, "tiny", {"demo": {**published, "quick_gelu": True}})
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    torch.manual_seed(4)
    clip = FrozenClip.create("tiny", None)
    (tmp_path / "published").mkdir()
    clip.save(tmp_path / "published")
    return clip


def use_hub(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


def test_a_tag_is_fetched_once_and_then_needs_no_network(
    tiny_on_a_hub: FrozenClip,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    content = (tmp_path / "published" / "open_clip_model.safetensors").read_bytes()
    monkeypatch.setenv("TQDM_POSITION", "-1")  # a bar even where nobody looks at a terminal
    with file_server({"/someone/tiny/resolve/main/open_clip_model.safetensors": content}) as address:
        use_hub(monkeypatch, address)
        first = FrozenClip.create("tiny", "demo")
    assert "100%" in capfd.readouterr().err  # progress
    use_hub(monkeypatch, closed_address())
    again = FrozenClip.create("tiny", "demo")
    for clip in (first, again):
        assert torch.equal(clip.encode_texts(["is red"]), tiny_on_a_hub.encode_texts(["is red"]))
        assert (list(clip.mean), list(clip.std)) == ([0.5, 0.4, 0.3], [0.2, 0.2, 0.2])


@pytest.mark.parametrize("firewall", [False, True])
def test_without_network_a_tag_says_at_once_how_to_get_the_file(
    firewall: bool,
    tiny_on_a_hub: FrozenClip,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(weights, "WAIT", 0.3)
    capfd.readouterr()
    with silent_server() as silent:
        use_hub(monkeypatch, silent if firewall else closed_address())
        started = time.monotonic()
        with pytest.raises(ValueError, match="could not be fetched") as caught:
            FrozenClip.create("tiny", "demo")
        assert time.monotonic() - started < 3
    message = str(caught.value)
    assert "`hf download someone/tiny open_clip_model.safetensors --local-dir .`" in message
    assert "embed.weights_file" in message
    assert "\n" not in message
    assert capfd.readouterr() == ("", "")
    file = tmp_path / "published" / "open_clip_model.safetensors"
    clip = FrozenClip.create("tiny", "demo", weights_file=file)  # what the message advises
    assert torch.equal(clip.encode_texts(["is red"]), tiny_on_a_hub.encode_texts(["is red"]))
    assert list(clip.mean) == [0.5, 0.4, 0.3]


def test_quick_gelu_is_saved_with_the_clip(tiny_on_a_hub: FrozenClip, tmp_path: Path) -> None:
    loaded = FrozenClip.load(tmp_path / "published")
    assert torch.equal(loaded.encode_texts(["is red"]), tiny_on_a_hub.encode_texts(["is red"]))
    plain = create(tmp_path, VIT, str(tmp_path / "published" / "open_clip_model.safetensors"))
    assert not torch.allclose(plain.encode_texts(["is red"]), tiny_on_a_hub.encode_texts(["is red"]))
