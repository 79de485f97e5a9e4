"""The `dwc` command: what is done by hand beside the pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dwc.console import errors_in_one_screen, progress_bar

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)


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
    image: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="reference picture")],
    text: Annotated[str, typer.Option(help='what should change, such as "in red, with longer sleeves"')],
    k: Annotated[int, typer.Option(min=1, help="results to show")] = 10,
    model: Annotated[
        str | None, typer.Option(help="default: models:/dwc-<data set of params.yaml>@challenger")
    ] = None,
) -> None:
    """Search a registered model's gallery with a picture and a sentence."""
    from dwc.config import load_params
    from dwc.registry import tracking
    from dwc.registry.versions import fetch_package
    from dwc.serving.retriever import Retriever

    with errors_in_one_screen():
        tracking.configure(None, Path.cwd())
        uri = model or f"models:/dwc-{load_params(Path('params.yaml')).data.name}@challenger"
        answer = Retriever.load(fetch_package(uri)).search(image.read_bytes(), text, k)
    typer.echo(f"image weight {answer.image_weight:.2f} (0 = only the text counts, 1 = only the picture)")
    for place, (image_id, score) in enumerate(zip(answer.ids, answer.scores, strict=True), start=1):
        typer.echo(f"{place:>4}  {score:.3f}  {image_id}")
