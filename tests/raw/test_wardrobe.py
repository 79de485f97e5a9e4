"""The demo catalogue: its layout, its truth (against brute force), its sentences and its pictures."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dwc.raw.drawn import phrases
from dwc.raw.drawn.catalogue import plan_catalogue
from dwc.raw.drawn.families import (
    Wish,
    accepted_values,
    changed_traits,
    choose_pairs,
    grow_families,
    intend,
    satisfying,
)
from dwc.raw.drawn.garments import draw
from dwc.raw.drawn.traits import CATEGORIES, COLOURS, Attributes, contrasts, darker_than, values_of, wearable
from dwc.raw.drawn.words import LENGTHS, NECKLINES, PATTERN_IS, SLEEVES_HAS
from dwc.raw.wardrobe import contact_sheet, generate

RED = Attributes("dress", "red", "solid", "none", "short", "crew", "knee", "none", "none")
STRIPED = RED._replace(pattern="striped", second_colour="white")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("wardrobe") / "data"
    generate(root, images=140, seed=3, side=48, workers=1)
    return root


def read(path: Path):
    return json.loads(path.read_text(encoding="utf-8"))


def table(root: Path) -> dict[str, dict[str, str]]:
    with (root / "attributes.csv").open(encoding="utf-8", newline="") as file:
        return {row["image_id"]: row for row in csv.DictReader(file)}


def test_layout_and_sizes(root: Path) -> None:
    rows = table(root)
    assert len(rows) == 140
    for category, count, val in (("dress", 47, 10), ("shirt", 47, 10), ("toptee", 46, 10)):
        splits = {s: read(root / f"image_splits/split.{category}.{s}.json") for s in ("train", "val")}
        assert (len(splits["train"]), len(splits["val"])) == (count - val, val)
        assert not set(splits["train"]) & set(splits["val"])
        for split, image_ids in splits.items():
            triplets = read(root / f"captions/cap.{category}.{split}.json")
            assert len(triplets) == round(len(image_ids) * (15 / 11 if split == "train" else 1))
            pairs = {(t["candidate"], t["target"]) for t in triplets}
            assert len(pairs) == len(triplets) and {i for pair in pairs for i in pair} <= set(image_ids)
            assert all(len(t["captions"]) == 2 and all(t["captions"]) for t in triplets)
            for image_id in image_ids:
                assert (rows[image_id]["category"], rows[image_id]["split"]) == (category, split)
                with Image.open(root / f"images/{image_id}.jpg") as picture:
                    assert (picture.size, picture.mode) == ((48, 48), "RGB")
    assert len(list((root / "images").iterdir())) == 140


def test_relevant_images_are_those_that_brute_force_finds(root: Path) -> None:
    rows, noise, relevant = table(root), read(root / "noise.json"), read(root / "relevant.json")
    assert len(relevant) == 30
    for category in CATEGORIES:
        gallery = read(root / f"image_splits/split.{category}.val.json")
        for n, triplet in enumerate(read(root / f"captions/cap.{category}.val.json")):
            key, reference = f"{category}.val.{n:06d}", rows[triplet["candidate"]]
            intended = noise[key]["intended"]
            assert 1 <= len(intended) <= 3 and triplet["target"] in relevant[key]
            assert triplet["candidate"] not in relevant[key]
            followed = "none" in (reference["second_colour"], rows[triplet["target"]]["second_colour"])
            free = {*intended, *(["second_colour"] if followed else [])}
            exact = [name for name in Attributes._fields if name not in free]
            found = {
                i
                for i in gallery
                if all(rows[i][name] == reference[name] for name in exact)
                and all(rows[i][name] in values for name, values in intended.items())
            }
            assert set(relevant[key]) == found


def test_equal_arguments_give_equal_bytes_whatever_the_workers(root: Path, tmp_path: Path) -> None:
    again, told = tmp_path / "again", []
    generate(again, images=140, seed=3, side=48, workers=2, progress=lambda *counts: told.append(counts))
    files = sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert all((root / file).read_bytes() == (again / file).read_bytes() for file in files)
    assert told == [(64, 140), (128, 140), (140, 140)]


def test_smallest_size_has_queries_everywhere(tmp_path: Path) -> None:
    for seed in range(20):
        counts = [(len(part.items), len(part.queries)) for part in plan_catalogue(60, seed, 0.15)]
        assert counts == [(16, 22), (4, 4)] * 3
    with pytest.raises(ValueError, match="at least 60 images, not 59"):
        generate(tmp_path / "data", images=59)


def test_a_folder_in_use_is_refused_and_an_empty_one_taken(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(ValueError, match="is not an empty folder; name another one, or remove it"):
        generate(tmp_path, images=60)
    (tmp_path / "empty").mkdir()
    generate(tmp_path / "empty", images=60, side=32)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "mine.txt"]


def test_an_interrupted_run_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path / "data", images=60, side=32, workers=1, progress=interrupt)
    assert not list(tmp_path.iterdir())


def test_changed_traits_count_a_print_and_its_colour_once() -> None:
    assert changed_traits(RED, STRIPED) == ("pattern",)
    assert changed_traits(STRIPED, STRIPED._replace(second_colour="yellow")) == ("second_colour",)
    assert changed_traits(RED, RED._replace(colour="blue", sleeves="long")) == ("colour", "sleeves")


def test_comparatives_are_satisfied_by_every_value_beyond() -> None:
    long = RED._replace(sleeves="long")
    longer = Wish(trait="sleeves", old="short", new="long", accepted=("three-quarter", "long"), tone="more")
    shelf = {
        RED: ["reference"],
        long: ["b", "a"],
        RED._replace(sleeves="three-quarter"): ["c"],
        RED._replace(sleeves="sleeveless"): ["too short"],
        long._replace(colour="blue"): ["other colour"],
    }
    assert satisfying(RED, accepted_values(RED, long, [longer]), shelf) == ["a", "b", "c"]
    seen = {intend(RED, long, np.random.default_rng(seed))[0].accepted for seed in range(20)}
    assert seen == {("long",), ("three-quarter", "long")}
    assert darker_than("grey") == ("black", "brown", "red", "burgundy", "green", "blue", "navy", "purple")


def test_a_new_prints_colour_matters_only_when_named() -> None:
    plain = Wish(trait="pattern", old="solid", new="striped", accepted=("striped",))
    named = Wish(trait="pattern", old="solid", new="striped", accepted=("striped",), second="white")
    gone = Wish(trait="pattern", old="striped", new="solid", accepted=("solid",))
    assert accepted_values(RED, STRIPED, [plain])["second_colour"] == tuple(COLOURS)
    assert accepted_values(RED, STRIPED, [named])["second_colour"] == ("white",)
    assert accepted_values(STRIPED, RED, [gone])["second_colour"] == ("none",)


def test_pairs_are_distinct_and_spread_over_targets() -> None:
    families = grow_families("shirt", 50, np.random.default_rng(0))
    assert [len(family) for family in families] == [25, 25]
    garments = [garment for family in families for garment in family]
    assert all(wearable(garment) for garment in garments)
    pairs = choose_pairs(families, 50, np.random.default_rng(1))
    assert len(set(pairs)) == 50 and {target for _, target in pairs} == set(range(50))
    assert all(1 <= len(changed_traits(garments[r], garments[t])) <= 2 for r, t in pairs)
    assert choose_pairs([[RED, RED]], 5, np.random.default_rng(1)) == []


def test_sentences_say_the_wish() -> None:
    to_navy = Wish(trait="colour", old="red", new="navy", accepted=("navy",))
    longer = Wish(trait="length", old="mini", new="maxi", accepted=("knee", "maxi"), tone="more")
    no_belt = Wish(trait="detail", old="belt", new="none", accepted=("none",))
    for seed in range(50):
        rng = np.random.default_rng(seed)
        both = phrases.sentence([to_navy, longer], rng)
        assert ("navy" in both or "dark blue" in both) and "longer" in both
        assert "belt" in phrases.sentence([no_belt], rng)
        assert "maxi" not in phrases.sentence([longer], rng)  # more exact than the wish


def test_misleading_captions_are_as_many_as_asked_and_named() -> None:
    kinds = [kind for part in plan_catalogue(1500, 1, 0.15) for query in part.queries for kind in query.noise]
    shares = {kind: kinds.count(kind) / len(kinds) for kind in set(kinds)}
    assert set(shares) == {"clean", "vague", "wrong_neighbour", "contradicting"}
    assert shares["clean"] == pytest.approx(0.85, abs=0.02)
    for share, clean in ((0.0, {"clean"}), (1.0, set())):
        found = {
            kind for part in plan_catalogue(60, 1, share) for query in part.queries for kind in query.noise
        }
        assert found & {"clean"} == clean and (share or found == {"clean"})


def test_contradictions_ask_for_what_the_wish_excludes() -> None:
    longer = Wish(trait="sleeves", old="short", new="long", accepted=("three-quarter", "long"), tone="more")
    red = Wish(trait="colour", old="blue", new="red", accepted=("red",))
    rng = np.random.default_rng(0)
    assert phrases._contradicted(longer, "dress", rng).tone == "less"
    wrong = {phrases._contradicted(red, "dress", rng).new for _ in range(200)}
    assert wrong == set(COLOURS) - {"red", "blue", "burgundy"}  # neither wanted, nor old, nor the neighbour
    assert phrases._neighboured(red) == Wish(trait="colour", old="blue", new="burgundy", accepted=("red",))
    assert phrases._neighboured(longer) is None


def test_titles_name_the_attributes_each_in_its_own_words() -> None:
    garment = RED._replace(pattern="dotted", second_colour="white", detail="belt")
    titles = [phrases.title(garment, np.random.default_rng(seed)) for seed in range(30)]
    for said in ("red", "dress", "belt"):
        assert all(said in title for title in titles)
    for options in (PATTERN_IS["dotted"], NECKLINES["crew"], LENGTHS["knee"], SLEEVES_HAS["short"]):
        used = {option for option in options for title in titles if option in title}
        assert used == set(options)


def test_the_words_of_a_title_leave_the_rest_of_the_catalogue_alone() -> None:
    """Titles of garments with more to say must not shift the stream that draws what follows."""
    after = []
    for detail in ("none", "belt"):
        rng = np.random.default_rng(4)
        phrases.title(RED._replace(detail=detail), rng)
        after.append(rng.random())
    assert after[0] == after[1]


def test_contrast_keeps_colours_apart() -> None:
    assert contrasts("navy", "white") and not contrasts("navy", "blue") and not contrasts("red", "red")


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_value_can_be_drawn_and_is_seen(category: str) -> None:
    """Same random stream, one attribute changed: the pictures differ over a visible part of the garment."""
    plain = Attributes(category, "green", "solid", "none", "long", "crew", "regular", "none", "none")
    plain = plain._replace(length=values_of("length", category)[0])
    pictures = {plain: np.asarray(draw(plain, np.random.default_rng(5), 96), dtype=int)}
    for trait in ("colour", "pattern", "sleeves", "neckline", "length", "graphic", "detail"):
        for value in values_of(trait, category):
            garment = plain._replace(**{trait: value})
            if trait in ("pattern", "graphic") and value not in ("solid", "none"):
                garment = garment._replace(second_colour="white")
            picture = np.asarray(draw(garment, np.random.default_rng(5), 96), dtype=int)
            changed = (np.abs(picture - pictures[plain]).max(axis=2) > 25).mean()
            assert (changed > 0.004) == (garment != plain), (trait, value, changed)


def test_colours_survive_light_and_camera() -> None:
    names, table = list(COLOURS), np.array(list(COLOURS.values()))
    right = 0
    for n in range(150):
        garment = RED._replace(colour=names[n % 15])
        picture = np.asarray(draw(garment, np.random.default_rng([9, n]), 96), dtype=float)
        seen = np.median(picture[36:60, 42:54].reshape(-1, 3), axis=0)
        right += names[int(np.abs(table - seen).sum(axis=1).argmin())] == garment.colour
    assert right >= 140


def test_contact_sheet(root: Path) -> None:
    image_ids = read(root / "image_splits/split.dress.val.json")
    sheet = contact_sheet(root, image_ids[:10], columns=8, gap=2)
    assert sheet.size == (8 * 50 - 2, 2 * 50 - 2)
    with Image.open(root / f"images/{image_ids[8]}.jpg") as ninth:
        assert np.array_equal(np.asarray(sheet.crop((0, 50, 48, 98))), np.asarray(ninth))
