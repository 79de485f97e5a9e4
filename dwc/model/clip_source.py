"""Where a CLIP comes from: open_clip's models by name and tag, local files, or a JSON file of one's own.

`embed.architecture` is an open_clip name, or a JSON file with either open_clip's model configuration or the
`open_clip_config.json` that published models carry. `embed.weights` is a tag of that name, a local file, or
null; `embed.weights_file` is a local copy of what the tag names, for machines without network.
"""

from __future__ import annotations

import importlib.util
import json
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import huggingface_hub
import open_clip
from open_clip.pretrained import get_pretrained_cfg
from open_clip.tokenizer import DEFAULT_CONTEXT_LENGTH, HFTokenizer, SimpleTokenizer
from open_clip.transform import PreprocessCfg

from dwc.model.weights import in_short, local_file, unreachable

CONFIG_FILE = "open_clip_config.json"
_WEIGHTS_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")


def clip_config(architecture: str, weights: str | None) -> dict[str, Any]:
    """The content of an open_clip_config.json: `model_cfg` and `preprocess_cfg`.

    What a name leaves open comes from the published weights: of the tag, or else of all tags of the name —
    mean and std, and QuickGELU, without which weights that were trained with it give other embeddings.
    """
    if architecture.endswith(".json"):
        return _read_config(Path(architecture))
    name = _name(architecture)
    model = open_clip.get_model_config(name)
    if model is None:
        raise ValueError(
            f"embed.architecture = {architecture}: open_clip knows no such model. "
            "`python -c 'import open_clip; print(open_clip.list_models())'` lists them."
        )
    published = _published(name, weights)
    if published and all(entry.get("quick_gelu") for entry in published):
        model["quick_gelu"] = True
    return {"model_cfg": model, "preprocess_cfg": _preprocessing(published)}


def _name(architecture: str) -> str:
    return architecture.replace("/", "-")


def _published(name: str, weights: str | None) -> list[dict[str, Any]]:
    tagged = get_pretrained_cfg(name, weights) if weights else {}
    tags = open_clip.list_pretrained_tags_by_model(name)
    return [tagged] if tagged else [get_pretrained_cfg(name, tag) for tag in tags]


def _preprocessing(published: Sequence[dict[str, Any]]) -> dict[str, Any]:
    values = asdict(PreprocessCfg())
    for key in ("mean", "std", "interpolation", "resize_mode"):
        counted = Counter(entry[key] for entry in published if entry.get(key))
        if counted:
            values[key] = counted.most_common(1)[0][0]
    return values


def _read_config(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(local_file(file, "embed.architecture").read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"embed.architecture = {file}: not valid JSON: {error}.") from error
    model = content.get("model_cfg", content)
    missing = {"embed_dim", "vision_cfg", "text_cfg"} - set(model)
    if missing:
        raise ValueError(f"embed.architecture = {file}: no CLIP architecture: {min(missing)} is missing.")
    return {"model_cfg": model, "preprocess_cfg": asdict(PreprocessCfg()) | content.get("preprocess_cfg", {})}


def weights_path(architecture: str, weights: str | None, weights_file: Path | None) -> Path | None:
    """The local file of the weights, fetched where `weights` is a tag and it is not here; None = random ones.

    Raises ValueError saying how to supply what is missing.
    """
    name = _name(architecture)
    published = get_pretrained_cfg(name, weights) if weights else {}
    if weights_file is not None and (published or not weights):
        return local_file(weights_file, "embed.weights_file")
    if published:
        return _fetched(f"embed.weights = {weights}", published)
    if weights is None:
        return None
    if weights_file is None and (Path(weights).suffix or len(Path(weights).parts) > 1):
        return local_file(Path(weights), "embed.weights")
    tags = ", ".join(open_clip.list_pretrained_tags_by_model(name)) or "none"
    raise ValueError(f"embed.weights = {weights}: neither a file nor a tag of {architecture} (tags: {tags}).")


def _fetched(what: str, published: dict[str, Any]) -> Path:
    """A published weights file from the hub's local cache, or else from the hub."""
    repository, _, file = published["hf_hub"].rpartition("/")
    for name in (file,) if file else _WEIGHTS_FILES:
        cached = huggingface_hub.try_to_load_from_cache(repository, name)
        if isinstance(cached, str):
            return Path(cached)
    reason = _hub_unreachable()
    if reason is None:
        try:
            with quiet_open_clip():
                return Path(open_clip.download_pretrained(published))
        except (OSError, RuntimeError, ValueError) as error:
            reason = in_short(error)
    raise ValueError(
        f"{what}: not on this machine and could not be fetched: {reason}. Where there is a network: "
        f"`hf download {repository} {file or _WEIGHTS_FILES[0]} --local-dir .`; copy the file here and name "
        "it in embed.weights_file."
    )


def _hub_unreachable() -> str | None:
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    return unreachable(huggingface_hub.constants.ENDPOINT)


def clip_tokenizer(config: dict[str, Any], folders: Sequence[Path]) -> Any:
    """The tokenizer that the configuration asks for, with its context length.

    Most CLIPs read open_clip's own. SigLIP and multilingual models name one that is looked for in `folders`,
    then in the hub's cache and on the hub. Raises ValueError saying how to supply what is missing.
    """
    text = config["model_cfg"]["text_cfg"]
    options = {
        "context_length": text.get("context_length", DEFAULT_CONTEXT_LENGTH),
        **text.get("tokenizer_kwargs", {}),
    }
    name = text.get("hf_tokenizer_name")
    if not name:
        return SimpleTokenizer(**options)
    if importlib.util.find_spec("transformers") is None:
        raise ValueError(
            f"embed.architecture: the tokenizer {name} needs a package that is not installed: "
            "`uv pip install transformers`, or the extra `siglip` of this project."
        )
    local = next((folder for folder in folders if (folder / _TOKENIZER_FILES[0]).is_file()), None)
    return _published_tokenizer(name, local, options, text.get("tokenizer_mode"))


def _published_tokenizer(name: str, local: Path | None, options: dict[str, Any], mode: str | None) -> Any:
    cached = isinstance(huggingface_hub.try_to_load_from_cache(name, _TOKENIZER_FILES[1]), str)
    reason = None if local or cached else _hub_unreachable()
    if reason is None:
        try:
            return HFTokenizer(
                str(local or name), tokenizer_mode=mode, local_files_only=bool(local or cached), **options
            )
        except (ImportError, OSError, ValueError) as error:
            reason = in_short(error)
    raise ValueError(
        f"embed.architecture: the tokenizer {name} could not be loaded: {reason}. Where there is a network: "
        f"`hf download {name} {' '.join(_TOKENIZER_FILES)} --local-dir .`; copy the files here, beside the "
        "file that embed.weights_file names."
    )


@contextmanager
def quiet_open_clip() -> Iterator[None]:
    """Keep open_clip, which logs by the root logger, from warning of what was asked for."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        root.setLevel(level)
