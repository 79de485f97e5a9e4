"""What goes over HTTP, with every limit; the OpenAPI of the server is made of these."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

MAX_TEXT = 500  # characters: some 80 words, more than the CLIP reads
MAX_TEXTS = 8
MAX_K = 200
MAX_PAGE = 200
MAX_ID = 200  # characters
MAX_CATEGORIES = 16

ID_PATTERN = r"^[A-Za-z0-9_][\w()+,.@ -]*(/[A-Za-z0-9_][\w()+,.@ -]*)*$"

NewId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_ID, pattern=ID_PATTERN),
    Field(description="letters, digits and `_()+,.@ -`, in parts that `/` separates"),
]
Category = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT, pattern=r"[^\s\x00-\x1f]")]


def _whole(value: object) -> object:
    """JSON knows no integers: 24.0 is the same number as 24."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Wanted = Annotated[int, Field(ge=1, le=MAX_K), BeforeValidator(_whole)]  # in this order it is in the OpenAPI
Picture = Annotated[str, Field(json_schema_extra={"contentEncoding": "base64", "format": "picture"})]
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Map = Annotated[
    list[list[float]],
    Field(description="one value for each region of the reference picture, top row first"),
]


class Problem(BaseModel):
    """Why a request was refused."""

    detail: str = Field(description="one sentence, and what to do")


class Status(BaseModel):
    """Whether the server lives, or is ready."""

    status: str


class IndexInfo(BaseModel):
    """How the gallery is searched."""

    kind: str = Field(description="flat = every image is looked at; hnsw = through a graph")
    recall_at_10: float = Field(description="share of the true ten best that a search finds")


class Example(BaseModel):
    """A question to begin with."""

    id: str
    text: str


class ModelInfo(BaseModel):
    """What answers at this moment."""

    name: str
    version: str
    uri: str = Field(description="the address that is followed")
    dataset: str
    categories: list[str]
    images: int
    index: IndexInfo
    loaded_at: datetime
    example: Example | None


class GalleryImage(BaseModel):
    """An image of the gallery."""

    id: str
    categories: list[str]


class GalleryPage(BaseModel):
    """Some of the images that were asked for, of `total`."""

    total: int
    images: list[GalleryImage]


def _one_picture(schema: dict[str, Any]) -> None:
    """Say in JSON Schema that exactly one of image and image_id is given."""
    given, missing = {"type": "string"}, {"type": "null"}
    schema["oneOf"] = [
        {"required": [one], "properties": {one: given, other: missing}}
        for one, other in (("image", "image_id"), ("image_id", "image"))
    ]


class SearchRequest(BaseModel):
    """A picture and how what is wanted differs from it."""

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra=_one_picture)

    image: Picture | None = Field(None, description="a picture file in base64")
    image_id: str | None = Field(None, max_length=MAX_ID, description="or the picture of this image")
    text: Text | Annotated[list[Text], Field(min_length=1, max_length=MAX_TEXTS)]
    k: Wanted = Field(24, description="images wanted")
    image_weight: Share | None = Field(
        None, description="0 = only the text counts, 1 = only the picture, null = as the model judges"
    )
    category: str | None = Field(None, max_length=100, description="search only there")


class SearchResult(BaseModel):
    """An image found; score: between -2 and 2."""

    id: str
    score: float
    categories: list[str]


class SearchAnswer(BaseModel):
    """Images found, best first, and how much of the query came from the picture."""

    results: list[SearchResult]
    image_weight: float = Field(description="what was used, mean of both streams")
    image_weight_cnn: float
    image_weight_clip: float
    learned_image_weight: float = Field(description="what the model itself gives")
    model_version: str
    took_ms: float


class ExplainedWord(BaseModel):
    """A word and what leaving it out changes."""

    text: str
    known: bool = Field(description="in the CNN stream's vocabulary")
    score: float = Field(description="what the judged image's score loses without the word")
    score_cnn: float
    score_clip: float
    change: float = Field(description="1 - cosine of the query with and without the word")
    attended: Map | None = Field(description="share of each region's attention that goes to the word")
    looked_at: Map | None = Field(description="where the word looks; sums to one")


class ExplainAnswer(BaseModel):
    """Why an image is found."""

    image_weight_cnn: float = Field(description="what was used: asked for, or the model's own")
    image_weight_clip: float
    judged: str = Field(description="the image whose score the words are judged by: the first one found")
    rank: int = Field(description="its place where every image is looked at, from 1")
    grid: tuple[int, int] | None = Field(description="rows and columns of the maps")
    words: list[ExplainedWord]
    rewritten: Map | None = Field(description="share of the text in each region of the edited picture")
