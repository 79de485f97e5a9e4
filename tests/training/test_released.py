"""Checkpoints of the released code become model folders, or say in one screen why not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner, Result

from dwc.cli import app
from dwc.model.bundle import load_bundle
from dwc.model.dwc import DWC, ModelConfig
from dwc.model.released import fit_released
from dwc.model.released_names import our_name
from dwc.store.released_words import read_words, words_of_captions
from dwc.store.vocabulary import Vocabulary
from tests.model.test_weights import Trap
from tests.parity.fill import released_shapes

RECORDS = [
    {"captions": ["is Blue, not red", "has a V-neck"]},
    {"captions": ["is more plain and black", "IS shiny!"]},
]
# As the released code counts them: its four special words, then words in order of appearance.
WORDS = [
    *["<UNK>", "<AND>", "<BOS>", "<EOS>"],
    *["is", "blue", "not", "red", "has", "a", "vneck", "more", "plain", "and", "black", "shiny"],
]
UNUSED = {"cnn": ("loss_weight", "fc_ret.weight", "txt_model.fc_output.1.bias"), "clip": ("loss_weight",)}
States = dict[str, dict[str, Tensor]]


@pytest.fixture(scope="module")
def model() -> DWC:
    """A small network whose vocabulary is the released code's."""
    torch.manual_seed(0)
    sizes = {"dim": 16, "words": len(WORDS), "word_dim": 8, "clip_dim": 12, "resolution": 64}
    return DWC(ModelConfig(backbone="resnet18", **sizes)).eval()


@pytest.fixture
def states(model: DWC) -> States:
    """The network's tensors under the released names, with tensors beside them that have no part in it."""
    released = {our_name(name): name for name in released_shapes()}
    found: States = {"cnn": {}, "clip": {}}
    for name, value in model.state_dict().items():
        theirs = released.get(name) or name.replace("cnn.backbone.", "cnn_stream.img_model.")
        found[name.split(".")[0]][theirs.partition(".")[2]] = value
    for stream, names in UNUSED.items():
        found[stream] |= {name: torch.ones(3) for name in names}
    return found


def save(states: States, folder: Path) -> None:
    for stream, file in (("cnn", "local.pth"), ("clip", "global.pth")):
        torch.save({"model_state_dict": states[stream]}, folder / file)


def run(folder: Path, *options: str) -> Result:
    files = (str(folder / "local.pth"), str(folder / "global.pth"))
    sizes = ("--out", str(folder / "model"), "--resolution", "64")
    return CliRunner().invoke(app, ["import-released", *files, *sizes, *options])


def batch() -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    return (torch.randn(1, 3, 64, 64, generator=generator), *torch.randn(2, 1, 12, generator=generator))


@torch.no_grad()
def test_the_model_is_the_released_one(model: DWC, states: States, tmp_path: Path) -> None:
    save(states, tmp_path)
    result = run(tmp_path)
    assert result.exit_code == 0, result.output
    table = {line.split("  ")[0]: line.split()[-2:] for line in result.stdout.splitlines()}
    taken = [sum(name.startswith(stream) for name in model.state_dict()) for stream in ("cnn.", "clip.")]
    assert table["taken"] == [str(number) for number in taken]
    assert table["not needed"] == ["3", "1"]
    assert table["missing"] == table["unexpected"] == table["wrong shape"] == ["0", "0"]
    assert "reads word ids alone" in result.stdout
    loaded = load_bundle(tmp_path / "model")
    assert loaded.config == model.config
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    assert not (tmp_path / "model" / "vocabulary.json").exists()


@torch.no_grad()
@pytest.mark.parametrize("option", ["vocabulary.txt", "vocabulary.json", "word2id.json", "captions"])
def test_words_are_read_as_the_released_network_read_them(
    option: str, model: DWC, states: States, tmp_path: Path
) -> None:
    save(states, tmp_path)
    contents = {
        "vocabulary.txt": "\n".join(WORDS),
        "vocabulary.json": json.dumps(WORDS),
        "word2id.json": json.dumps(
            {"word2id": {word: row for row, word in enumerate(WORDS)}, "wordcount": {}}
        ),
        "captions": json.dumps(RECORDS),
    }
    file = tmp_path / option
    file.write_text(contents[option])
    result = run(tmp_path, "--captions" if option == "captions" else "--vocabulary", str(file))
    assert result.exit_code == 0, result.output
    loaded = load_bundle(tmp_path / "model")
    words = Vocabulary.load(tmp_path / "model" / "vocabulary.json").encode(
        ["is blue", "has a v-neck, velvet"]
    )
    released = ["?", "is", "blue", "and", "has", "a", "vneck", "?", "?"]  # <BOS> and <EOS> are unknown words
    theirs = torch.tensor([[WORDS.index(word) if word in WORDS else 0 for word in released]])
    images, _, _ = batch()
    mask = torch.ones(1, len(released), dtype=torch.bool)
    ours = loaded.cnn.query(images, torch.tensor([words]), mask)
    torch.testing.assert_close(ours, model.cnn.query(images, theirs, mask), rtol=0, atol=0)


def test_captions_are_counted_as_the_released_code_does(tmp_path: Path) -> None:
    (tmp_path / "cap.json").write_text(json.dumps(RECORDS))
    assert words_of_captions(tmp_path / "cap.json") == {word: row for row, word in enumerate(WORDS)}


def test_the_published_names_and_sizes_fit_to_the_last_one() -> None:
    states: States = {"cnn": {}, "clip": {}}
    for name, shape in released_shapes().items():
        states[name.split("_")[0]][name] = torch.zeros(()).expand(shape)  # takes no memory
    config, fits = fit_released(states["cnn"], states["clip"], resolution=224)
    assert (config.backbone, config.dim, config.clip_dim, config.words) == ("resnet50", 1024, 1024, 23)
    assert [fit.problems for fit in fits.values()] == [[], []]
    assert {name.split(".")[0] for name in fits["cnn"].not_needed} == {
        "loss_weight", "fc_ret", "fc_rei", "combine", "txt_model",
    }  # fmt: skip
    assert fits["clip"].not_needed == ["loss_weight"]


def test_what_does_not_fit_is_listed_and_nothing_is_written(states: States, tmp_path: Path) -> None:
    states["cnn"]["fc_txt.weight"] = torch.ones(16, 15)
    states["cnn"]["novel.weight"] = torch.ones(2)
    del states["clip"]["atten_T.3.bias"]
    save(states, tmp_path)
    result = run(tmp_path)
    assert result.exit_code == 1
    for line in (
        "tensors that do not fit: 3. Nothing was written.",
        "cnn: wrong shape: fc_txt.weight: 16×15, needed 16×16",
        "cnn: unexpected: novel.weight",
        "clip: missing: clip.text_gate.3.bias",
    ):
        assert line in result.stderr
    assert "Traceback" not in result.output
    assert sorted(file.name for file in tmp_path.iterdir()) == ["global.pth", "local.pth"]


def test_many_misfits_stay_on_one_screen(states: States, tmp_path: Path) -> None:
    states["cnn"] = {name: value for name, value in states["cnn"].items() if not name.startswith("imgatt")}
    save(states, tmp_path)
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "tensors that do not fit: 42." in result.stderr
    assert "and 32 more" in result.stderr
    assert result.output.count("\n") < 24


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("swap", "the two files are swapped"),
        ("other", "LOCAL is no checkpoint of the CNN stream: it is of another network"),
        ("trap", "refused: it holds more than tensors"),
        ("gone", "GLOBAL = .*: no such file"),
    ],
)
def test_wrong_files_are_refused_in_one_line(
    change: str, message: str, states: States, tmp_path: Path
) -> None:
    if change == "swap":
        states = {"cnn": states["clip"], "clip": states["cnn"]}
    if change == "other":
        states["cnn"] = {"a": torch.ones(1)}
    if change == "trap":
        states["cnn"]["img_fc.weight"] = Trap(tmp_path / "sprung")
    save(states, tmp_path)
    if change == "gone":
        (tmp_path / "global.pth").unlink()
    result = run(tmp_path)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert re.search(message, result.stderr)
    assert not (tmp_path / "sprung").exists()
    assert not (tmp_path / "model").exists()


def test_a_vocabulary_of_another_training_is_refused(states: States, tmp_path: Path) -> None:
    save(states, tmp_path)
    (tmp_path / "words.txt").write_text("\n".join(WORDS[:-1]))
    result = run(tmp_path, "--vocabulary", str(tmp_path / "words.txt"))
    assert result.exit_code == 1
    assert "the vocabulary has 15 words, the checkpoint 16" in result.stderr
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("w.json", "{", "not valid JSON"),
        ("w.json", "3", "neither a list of words"),
        ("w.json", '{"a": "b"}', "neither a list of words"),
        ("w.txt", "a\nb\na", "1 words stand twice"),
    ],
)
def test_wrong_vocabulary_files(name: str, content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        read_words(tmp_path / name)


def test_a_folder_in_use_is_left_alone(states: States, tmp_path: Path) -> None:
    save(states, tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "kept.txt").write_text("mine")
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "is in use" in result.stderr
    assert (tmp_path / "model" / "kept.txt").read_text() == "mine"
