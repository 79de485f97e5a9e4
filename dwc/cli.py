"""The `dwc` command: what is done by hand beside the pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dwc.commands import regression, serve, versions
from dwc.console import errors_in_one_screen, print_table, progress_bar

ReferencePicture = Annotated[Path, typer.Option(exists=True, dir_okay=False, help="reference picture")]
Change = Annotated[str, typer.Option(help='what should change, such as "in red, with longer sleeves"')]
ModelUri = Annotated[
    str | None, typer.Option(help="default: models:/dwc-<data set of params.yaml>@challenger")
]

EXPLAINED_SIDE = 320  # pixels of an explained picture: sharp, and some 15 kB for each word

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)
for command in (
    versions.promote,
    versions.rollback,
    versions.lineage,
    versions.checkout,
    regression.regression,
    serve.serve,
):
    app.command()(command)


@app.callback()
def main() -> None:
    """Composed image retrieval with the Dynamic Weighted Combiner. The pipeline runs by `dvc repro`."""


@app.command()
def wardrobe(
    out: Annotated[Path, typer.Option(help="new or empty folder")] = Path("data"),
    images: Annotated[int, typer.Option(min=60, help="pictures in all; triplets scale with them")] = 4200,
    seed: Annotated[int, typer.Option(help="same seed, same data set")] = 7,
    side: Annotated[int, typer.Option(min=32, help="width and height of a picture, pixels")] = 96,
    noise: Annotated[float, typer.Option(min=0, max=1, help="share of captions that mislead")] = 0.15,
    workers: Annotated[int | None, typer.Option(min=1, help="processes; default: one for each core")] = None,
) -> None:
    """Draw the demo catalogue, of any size, in FashionIQ's folder layout."""
    from dwc.raw.wardrobe import generate

    with errors_in_one_screen(), progress_bar("Drawing") as progress:
        generate(
            out, images=images, seed=seed, side=side, noise_share=noise, workers=workers, progress=progress
        )
    typer.echo(f"{out}: {images} pictures. Next: `dvc add {out}`, then `dvc repro`.")


@app.command()
def css(
    out: Annotated[Path, typer.Option(help="new or empty folder")] = Path("data"),
    modifications: Annotated[int, typer.Option(min=4, help="training texts, each for three pairs")] = 600,
    seed: Annotated[int, typer.Option(help="same seed, same data set")] = 7,
    side: Annotated[int, typer.Option(min=32, help="width and height of a picture, pixels")] = 64,
) -> None:
    """Draw scenes of coloured shapes on a grid: the CSS benchmark, in its published layout."""
    from dwc.raw.css_drawing import generate

    with errors_in_one_screen(), progress_bar("Drawing") as progress:
        pictures = generate(out, modifications=modifications, seed=seed, side=side, progress=progress)
    typer.echo(f"{out}: {pictures} pictures. Next: `dwc preset css`, `dvc add {out}`, then `dvc repro`.")


@app.command()
def preset(
    name: Annotated[str | None, typer.Argument(help="a benchmark; without it, all are listed")] = None,
    show: Annotated[bool, typer.Option("--show", help="only say what would change")] = False,
) -> None:
    """Put the parameters of a benchmark into params.yaml; the file that was there is kept beside it."""
    from dwc.parameters import change_parameters, preset_changes, preset_names

    file = Path("params.yaml")
    with errors_in_one_screen():
        if name is None:
            for known, about in preset_names(file.parent).items():
                typer.echo(f"{known:<16} {about}")
            return
        changes = preset_changes(file, name)
        for change in changes:
            typer.echo(f"{change.key}: {change.before} → {change.after}")
        if not show and change_parameters(file, name, []):
            typer.echo(f"{file} holds the preset `{name}` now; what was there is in {file}.before-{name}.")
    if not changes:
        typer.echo(f"{file} holds the preset `{name}` already.")


@app.command()
def check(
    path: Annotated[Path, typer.Argument(help="folder of the data", show_default=False)],
) -> None:
    """Say in one screen whether data can be used and what to fix. Nothing is written."""
    from rich.console import Console

    from dwc.config import Validate
    from dwc.raw.detect import detect
    from dwc.tables.preview import preview
    from dwc.tables.screen import screen

    limits = Validate()
    with errors_in_one_screen(), progress_bar("Reading pictures") as progress:
        found = preview(
            path,
            detect(path),
            min_side=limits.min_side,
            max_megapixels=limits.max_megapixels,
            min_caption_words=limits.min_caption_words,
            progress=progress,
        )
    console = Console(soft_wrap=True, highlight=False, markup=False)
    for line in screen(found):
        console.print(line.text, style=line.style)
    raise typer.Exit(0 if found.usable else 1)


@app.command()
def fetch_images(
    links: Annotated[
        list[Path],
        typer.Argument(help="files of links (`id address` on a line), or folders of asin2url.*.txt"),
    ],
    out: Annotated[Path, typer.Option(help="folder for the pictures")] = Path("data/images"),
    connections: Annotated[int, typer.Option(min=1, max=64, help="pictures fetched at a time")] = 8,
    attempts: Annotated[int, typer.Option(min=1, help="times that a failing address is asked")] = 4,
    again: Annotated[bool, typer.Option("--again", help="ask lastingly dead links again")] = False,
) -> None:
    """Fetch the pictures that a data set links to. Run it again to go on; dead links are listed."""
    import asyncio

    from dwc.fetch.links import read_links
    from dwc.fetch.run import fetch_images as fetch

    report = out.with_name(f"{out.name}_dead_links.csv")
    try:
        with errors_in_one_screen(), progress_bar("Fetching") as progress:
            named = read_links(links)
            work = fetch(
                named, out, report, connections=connections, attempts=attempts, again=again, progress=progress
            )
            outcome = asyncio.run(work)
    except KeyboardInterrupt:
        typer.echo(f"Interrupted. What came is in {out}; the same command goes on from here.", err=True)
        raise typer.Exit(130) from None
    typer.echo(f"{out}: {outcome.fetched:,} pictures fetched, {outcome.present:,} were there.")
    if outcome.dead:
        typer.echo(f"Dead links: {len(outcome.dead):,}, with the reasons in {report}.")
        typer.echo("Next: `dwc check`; validate.missing_images says what becomes of missing images.")


@app.command()
def search(
    image: ReferencePicture,
    text: Change,
    k: Annotated[int, typer.Option(min=1, help="results to show")] = 10,
    model: ModelUri = None,
) -> None:
    """Search a registered model's gallery with a picture and a sentence."""
    from dwc.serving.retriever import Retriever

    with errors_in_one_screen():
        answer = Retriever.load(_package(_model_uri(model))).search(image.read_bytes(), text, k)
    typer.echo(f"image weight {answer.image_weight:.2f} (0 = only the text counts, 1 = only the picture)")
    for place, (image_id, score) in enumerate(zip(answer.ids, answer.scores, strict=True), start=1):
        typer.echo(f"{place:>4}  {score:.3f}  {image_id}")


@app.command()
def explain(
    image: ReferencePicture,
    text: Change,
    k: Annotated[int, typer.Option(min=1, help="results to show")] = 8,
    model: ModelUri = None,
    out: Annotated[Path, typer.Option(dir_okay=False, help="the page to write")] = Path("explain.html"),
    store: Annotated[
        Path, typer.Option(help="image store with the gallery's pictures; names alone where there is none")
    ] = Path("build/store"),
) -> None:
    """Show why a picture and a sentence find what they find: a page, and the words with bars."""
    from rich.console import Console

    from dwc.evaluation.explanation_page import stored_pictures, terminal_text, write_page
    from dwc.serving.retriever import Retriever
    from dwc.store.pictures import square_picture

    with errors_in_one_screen():
        uri = _model_uri(model)
        retriever = Retriever.load(_package(uri))
        found = retriever.explain(image.read_bytes(), text, k)
        write_page(
            out,
            found.explanation,
            square_picture(image, EXPLAINED_SIDE),
            captions=found.captions,
            model=uri,
            ids=found.answer.ids,
            scores=found.answer.scores,
            pictures=stored_pictures(store, found.answer.ids),
            gallery=len(retriever.ids),
        )
    Console().print(terminal_text(found.explanation))
    typer.echo(f"{out}: where the words look, and what was found.")


def _model_uri(model: str | None) -> str:
    """The model asked for, or the challenger of the data set in params.yaml."""
    from dwc.config import load_params
    from dwc.registry.versions import model_name

    return model or f"models:/{model_name(load_params(Path('params.yaml')).data.name)}@challenger"


def _package(uri: str) -> Path:
    """Folder of a model's serving package: a folder already, or fetched from the registry."""
    from dwc.registry import tracking
    from dwc.registry.versions import fetch_package

    if Path(uri).is_dir():
        return Path(uri)
    tracking.configure(None, Path.cwd())
    return fetch_package(uri)


@app.command()
def import_released(
    local: Annotated[Path, typer.Argument(metavar="LOCAL", help="checkpoint of the CNN stream")],
    global_: Annotated[Path, typer.Argument(metavar="GLOBAL", help="checkpoint of the CLIP stream")],
    out: Annotated[Path, typer.Option(help="new or empty folder")],
    vocabulary: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="words in the order of their ids, JSON or text"),
    ] = None,
    captions: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="or FashionIQ's captions that it was trained on"),
    ] = None,
    resolution: Annotated[int, typer.Option(min=32, help="side of its images, pixels")] = 224,
) -> None:
    """Turn two checkpoints of the authors' released code into a model folder."""
    from dwc.training.released import read_released, save_released

    with errors_in_one_screen():
        released = read_released(
            local, global_, resolution=resolution, vocabulary=vocabulary, captions=captions
        )
        kinds = ("taken", "not_needed", "missing", "unexpected", "wrong_shape")
        print_table(
            ("tensors", "CNN stream", "CLIP stream"),
            (
                (kind.replace("_", " "), *(len(getattr(fit, kind)) for fit in released.fits.values()))
                for kind in kinds
            ),
        )
        save_released(released, out)
    sizes = released.config
    typer.echo(
        f"{out}: {sizes.backbone}, D = {sizes.dim}, {sizes.words:,} words, CLIP embeddings of "
        f"{sizes.clip_dim}, pictures of {sizes.resolution} px."
    )
    if released.vocabulary is None:
        typer.echo(
            "It has no vocabulary.json and so reads word ids alone: checkpoints hold no words. Give "
            "--vocabulary, or --captions to count the words again as the released code did."
        )
