"""Pages that need nothing but themselves: templates, figures as inline SVG, pictures as data URIs.

Rendering the same values twice gives the same bytes, so a report changes only when its data do.
"""

from __future__ import annotations

import base64
import io
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from cycler import cycler
from jaxtyping import UInt8
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

INK, MUTED, RULE = "#1f2933", "#5f6c7b", "#dfe3e8"
COLOURS = ("#2f6690", "#d08c42", "#6a9a6c", "#8d6a9f", "#b5594e", "#7a8793")
"""Colours of a figure's series, in order; the style sheet in base.html.j2 uses the same."""


def render(template_name: str, **context: Any) -> str:
    """Fill a template of dwc/templates; an unset variable is an error, and all values are escaped."""
    return _environment().get_template(template_name).render(**context)


def figure_axes(width: float = 6.4, height: float = 2.4) -> tuple[Figure, Axes]:
    """Empty figure in the reports' style, `width` x `height` inches, with its one pair of axes."""
    with rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.add_subplot()
    axes.set_axisbelow(True)
    return figure, axes


def figure_svg(figure: Figure, label: str = "") -> Markup:
    """Return the figure as SVG to stand inside a page; `label` is what a screen reader says."""
    buffer = io.StringIO()
    with rc_context({**STYLE, "svg.fonttype": "none", "svg.hashsalt": "dwc"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata=_NO_METADATA)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", svg)  # needed in a file of its own, not inside a page
    return Markup(svg.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1))


def save_png(figure: Figure, file: Path) -> None:
    """Save the figure as a picture for documents, 200 dots per inch on white."""
    with rc_context(STYLE):
        figure.savefig(
            file, format="png", dpi=200, facecolor="white", bbox_inches="tight", metadata={"Software": None}
        )


def picture(image: UInt8[np.ndarray, "height width 3"] | Image.Image, quality: int = 85) -> str:
    """Return the picture as a JPEG data URI, for the `src` of an <img>."""
    image = image if isinstance(image, Image.Image) else Image.fromarray(np.asarray(image))
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, format="JPEG", quality=quality, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


@cache
def _environment() -> Environment:
    environment = Environment(loader=PackageLoader("dwc"), autoescape=True, undefined=StrictUndefined)
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.filters["thousands"] = lambda number: f"{number:,}"
    environment.filters["percent"] = lambda share, digits=1: f"{100 * share:.{digits}f} %"
    return environment


_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}

STYLE: Any = {
    # The page's own fonts: text stays text in the SVG, and takes the viewer's system font.
    "font.family": ["sans-serif"],
    "font.size": 9.0,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.prop_cycle": cycler(color=COLOURS),
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 9.0,
}
