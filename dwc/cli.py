"""The `dwc` command: what is done by hand beside the pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dwc.commands import regression, versions
from dwc.console import errors_in_one_screen, progress_bar

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)
for command in (
    versions.promote,
    versions.rollback,
    versions.lineage,
    versions.checkout,
    regression.regression,
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
    from dwc.registry.versions import fetch_package, model_name
    from dwc.serving.retriever import Retriever

    with errors_in_one_screen():
        tracking.configure(None, Path.cwd())
        uri = model or f"models:/{model_name(load_params(Path('params.yaml')).data.name)}@challenger"
        answer = Retriever.load(fetch_package(uri)).search(image.read_bytes(), text, k)
    typer.echo(f"image weight {answer.image_weight:.2f} (0 = only the text counts, 1 = only the picture)")
    for place, (image_id, score) in enumerate(zip(answer.ids, answer.scores, strict=True), start=1):
        typer.echo(f"{place:>4}  {score:.3f}  {image_id}")
