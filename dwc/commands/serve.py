"""The command `dwc serve`: the search server with its page."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from dwc.console import TerminalTeller, errors_in_one_screen

if TYPE_CHECKING:
    from dwc.serving.server import Started


def serve(
    model: Annotated[
        str | None,
        typer.Option(
            help="such as models:/dwc-wardrobe@champion; default: the champion, else the challenger"
        ),
    ] = None,
    gallery: Annotated[
        Path | None, typer.Option(help="folder that keeps the gallery; default: gallery/<model>")
    ] = None,
    pictures: Annotated[
        Path | None, typer.Option(file_okay=False, exists=True, help="search the pictures below this folder")
    ] = None,
    store: Annotated[
        Path, typer.Option(help="image store with the pictures of the model's own gallery")
    ] = Path("build/store"),
    host: Annotated[str, typer.Option(help="address to listen at")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 = any that is free")] = 8000,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="name under which a proxy offers the server; repeatable")
    ] = None,
    poll: Annotated[
        float, typer.Option(min=0.1, help="seconds between looks at whether the alias has moved")
    ] = 5.0,
) -> None:
    """Search with a picture and a sentence in the browser, and over HTTP. Ctrl-C ends it."""
    from dwc.model.precision import pick_device
    from dwc.registry import tracking
    from dwc.serving.server import Settings, run

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("dwc").setLevel(logging.INFO)
    with errors_in_one_screen():
        tracking.configure(None, Path.cwd())
        name = _name(model)
        settings = Settings(
            name=name,
            model=model,
            gallery=gallery or Path("gallery") / name,
            pictures=pictures,
            store=store,
            host=host,
            port=port,
            allowed_hosts=allow_host or [],
            poll=poll,
            device=pick_device("auto"),
        )
        console = Console(highlight=False, soft_wrap=True)
        try:
            run(settings, TerminalTeller(), lambda started: _tell(console, started, settings.gallery))
        except KeyboardInterrupt:
            console.print("Interrupted. The same command goes on from here.")
            raise typer.Exit(130) from None
    console.print("Stopped.")


def _name(model: str | None) -> str:
    """The registered model that is meant: named in the address, or of the data set in params.yaml."""
    from dwc.config import load_params
    from dwc.registry.champions import find_version
    from dwc.registry.versions import model_name

    if model is not None:
        return str(find_version(model).name)
    return model_name(load_params(Path("params.yaml")).data.name)


def _tell(console: Console, started: Started, gallery: Path) -> None:
    """One screen: what is served, from what, and where."""
    live = started.live
    version = live.served.version
    alias = live.served.address.rpartition("@")[2] if "@" in live.served.address else ""
    console.print(
        f"{version.name} version {version.version}" + (f" ({alias})" if alias else ""), style="bold"
    )
    console.print(f"  gallery  {len(live.gallery):,} images, kept in {gallery}")
    if started.hidden:
        console.print(f"           {started.hidden:,} more cannot be found: no picture of them is kept")
    if started.unreadable:
        listed = gallery / "unreadable.csv"
        console.print(f"           {len(started.unreadable):,} files cannot be read; see {listed}")
    console.print(f"  index    {live.gallery.kind}, recall@10 {live.gallery.recall_at_10:.3f}")
    console.print(f"  address  {started.address}", style="bold")
    if started.reachable:
        console.print(
            "  Other machines reach it, and nobody is asked who he is: docs/operating.md, Search server.",
            style="yellow",
        )
    console.print("Ctrl-C ends it.")
