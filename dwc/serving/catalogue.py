"""Which images can be found: their ids and categories by row number, in the order in which they came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

Rows = Int[np.ndarray, " rows"]


@dataclass(frozen=True, kw_only=True)
class Listed:
    """Some of the images that were asked for, and how many there are in all."""

    total: int
    ids: list[str]


class Catalogue:
    """Rows are only ever appended, and that of a removed image stays empty: numbers keep their meaning."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._categories: list[tuple[str, ...]] = []
        self._row_of: dict[str, int] = {}
        self._members: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._row_of)

    def __contains__(self, image_id: object) -> bool:
        return image_id in self._row_of

    @property
    def rows_in_use(self) -> int:
        """Rows, with those of removed images."""
        return len(self._ids)

    @property
    def categories(self) -> list[str]:
        """Categories that at least one image belongs to."""
        return sorted(name for name, members in self._members.items() if members)

    def add(self, ids: Sequence[str], categories: Sequence[tuple[str, ...]]) -> None:
        """Append images that are not there yet."""
        for image_id, names in zip(ids, categories, strict=True):
            assert image_id not in self._row_of, image_id
            self._row_of[image_id] = len(self._ids)
            self._ids.append(image_id)
            self._categories.append(names)
            self._members.update(names)

    def remove(self, image_id: str) -> None:
        """Forget an image. Raises KeyError where there is no such image."""
        row = self._row_of.pop(image_id)
        self._members.subtract(self._categories[row])

    def ids(self) -> list[str]:
        """The images, in the order in which they came."""
        return list(self._row_of)

    def id_at(self, row: int) -> str:
        """The image of a row."""
        return self._ids[row]

    def categories_of(self, image_id: str) -> tuple[str, ...]:
        """The categories that an image belongs to; none where it has just been removed."""
        row = self._row_of.get(image_id)
        return () if row is None else self._categories[row]

    def rows(self, category: str | None = None) -> Rows:
        """Rows of the images of a category, or of all."""
        return np.array(
            [row for row in self._row_of.values() if category is None or category in self._categories[row]],
            dtype=np.int64,
        )

    def browse(
        self, *, category: str | None, part: str, offset: int, limit: int, shuffle: int | None
    ) -> Listed:
        """A page of the images whose id contains `part` (in any case), in order or shuffled by a seed."""
        wanted = part.casefold()
        rows = [row for row in self.rows(category).tolist() if wanted in self._ids[row].casefold()]
        if shuffle is not None:
            np.random.default_rng(shuffle).shuffle(rows)
        return Listed(total=len(rows), ids=[self._ids[row] for row in rows[offset : offset + limit]])
