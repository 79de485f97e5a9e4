"""The gallery on disk: which images there are and their embeddings by model, in SQLite.

A change that was answered with success survives the death of the process and of the machine. One process at a
time uses a gallery (`dwc.serving.gallery_folder`); of its threads each that writes has a store of its own.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from dwc.serving.live_gallery import Chunk

FORMAT = 1
_CHUNK = 1024  # rows read at a time
_WAIT = 60.0  # seconds for another thread's transaction
_TABLES = """
CREATE TABLE images (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    categories TEXT NOT NULL,
    packaged INTEGER NOT NULL,
    has_picture INTEGER NOT NULL
) STRICT;
CREATE TABLE embeddings (
    model TEXT NOT NULL,
    number INTEGER NOT NULL REFERENCES images ON DELETE CASCADE,
    vector BLOB NOT NULL,
    UNIQUE (model, number)
) STRICT;
CREATE TABLE removed (id TEXT PRIMARY KEY) STRICT;
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""

Vector = Float32[np.ndarray, " both"]


@dataclass(frozen=True, kw_only=True)
class StoredImage:
    """An image of the gallery.

    packaged: it came with a model, and later models that bring it say what its embedding is; otherwise its
    kept picture says it; vector: its embeddings of both streams, concatenated, where known.
    """

    id: str
    categories: Sequence[str]
    has_picture: bool
    packaged: bool = False
    vector: Vector | None = None


class GalleryStore:
    """Images in the order in which they came, the ids of removed ones, embeddings, and a few facts.

    `model` is a fingerprint (`dwc.serving.package.fingerprint`): numbers of versions start anew when a
    registry is made anew, and then would name the embeddings of another model.
    """

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, timeout=_WAIT, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        found = self._number("PRAGMA user_version")
        if found == 0:
            self._connection.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {FORMAT}; COMMIT;")
        elif found != FORMAT:
            raise ValueError(
                f"{file}: gallery of format {found}, this program reads {FORMAT}. Give another --gallery."
            )

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def add(self, images: Iterable[StoredImage], model: str) -> None:
        """Keep images, all or none. Raises sqlite3.IntegrityError where one is there already."""
        with self._connection as connection:
            for image in images:
                number = connection.execute(
                    "INSERT INTO images (id, categories, packaged, has_picture) VALUES (?, ?, ?, ?)"
                    " RETURNING number",
                    (image.id, json.dumps(list(image.categories)), image.packaged, image.has_picture),
                ).fetchone()[0]
                connection.execute("DELETE FROM removed WHERE id = ?", (image.id,))
                if image.vector is not None:
                    self._embed(connection, model, number, image.vector)

    def remove(self, image_id: str) -> bool:
        """Forget an image and its embeddings, and remember that it was removed; False where there is none."""
        with self._connection as connection:
            gone = connection.execute("DELETE FROM images WHERE id = ?", (image_id,)).rowcount
            if gone:
                connection.execute("INSERT OR IGNORE INTO removed VALUES (?)", (image_id,))
        return bool(gone)

    def __contains__(self, image_id: str) -> bool:
        found = self._connection.execute("SELECT 1 FROM images WHERE id = ?", (image_id,)).fetchone()
        return found is not None

    def image(self, image_id: str, model: str) -> StoredImage:
        """An image, with its embedding of a model where it has one. Raises KeyError where there is none."""
        found = self._connection.execute(
            "SELECT categories, has_picture, packaged, vector FROM images LEFT JOIN embeddings"
            " ON embeddings.number = images.number AND model = ? WHERE id = ?",
            (model, image_id),
        ).fetchone()
        if found is None:
            raise KeyError(image_id)
        categories, has_picture, packaged, blob = found
        return StoredImage(
            id=image_id,
            categories=json.loads(categories),
            has_picture=bool(has_picture),
            packaged=bool(packaged),
            vector=None if blob is None else np.frombuffer(blob, np.float32),
        )

    def ids(self) -> list[str]:
        """All images, whether they have embeddings or not."""
        return [row[0] for row in self._connection.execute("SELECT id FROM images ORDER BY number")]

    def removed(self) -> set[str]:
        """Images that were removed and not added again; what fills the gallery leaves them out."""
        return {row[0] for row in self._connection.execute("SELECT id FROM removed")}

    def embedded(self, model: str) -> int:
        """How many images have embeddings of a model."""
        return self._number("SELECT count(*) FROM embeddings WHERE model = ?", model)

    def not_embedded(self, model: str) -> int:
        """How many have none, and thus cannot be found by it."""
        return self._number("SELECT count(*) FROM images") - self.embedded(model)

    def to_embed(self, model: str, *, packaged: bool) -> list[tuple[int, str]]:
        """(number, id) of images that a model has not embedded: packaged ones, or those with a picture."""
        return self._connection.execute(
            f"SELECT number, id FROM images WHERE {'packaged' if packaged else 'has_picture'} AND NOT EXISTS"
            " (SELECT 1 FROM embeddings WHERE model = ? AND embeddings.number = images.number)"
            " ORDER BY number",
            (model,),
        ).fetchall()

    def embed(self, model: str, vectors: Iterable[tuple[int, Vector]]) -> None:
        """Keep (number, embedding) of images, where they still are there."""
        with self._connection as connection:
            for number, vector in vectors:
                self._embed(connection, model, number, vector)

    def chunks(self, model: str) -> Iterator[Chunk]:
        """The images that a model can find, in order, some at a time."""
        cursor = self._connection.execute(
            "SELECT id, categories, vector FROM images JOIN embeddings USING (number) WHERE model = ?"
            " ORDER BY number",
            (model,),
        )
        while rows := list(islice(cursor, _CHUNK)):
            ids, categories, blobs = zip(*rows, strict=True)
            yield Chunk(
                ids,
                [tuple(json.loads(names)) for names in categories],
                np.stack([np.frombuffer(blob, np.float32) for blob in blobs]),
            )

    def forget_models(self, keep: Iterable[str]) -> None:
        """Drop the embeddings of all models but these."""
        names = list(keep)
        places = ", ".join("?" * len(names))
        with self._connection as connection:
            connection.execute(f"DELETE FROM embeddings WHERE model NOT IN ({places})", names)

    def fact(self, name: str) -> str | None:
        """Something that was noted about the gallery."""
        found = self._connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def note(self, name: str, value: str) -> None:
        """Note something about the gallery."""
        with self._connection as connection:
            connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def _number(self, sql: str, *values: str) -> int:
        return int(self._connection.execute(sql, values).fetchone()[0])

    @staticmethod
    def _embed(connection: sqlite3.Connection, model: str, number: int, vector: Vector) -> None:
        connection.execute(
            "INSERT OR REPLACE INTO embeddings (model, number, vector)"
            " SELECT ?, number, ? FROM images WHERE number = ?",
            (model, np.ascontiguousarray(vector, np.float32).tobytes(), number),
        )
