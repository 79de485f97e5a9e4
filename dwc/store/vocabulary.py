"""The words that the CNN stream's LSTM knows."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

PAD, UNKNOWN, BEGIN, AND, END = "<PAD>", "<UNK>", "<BOS>", "<AND>", "<EOS>"
PLAIN_AND = "and"
SPECIAL = (PAD, UNKNOWN, BEGIN, AND, END)
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_INNER = re.compile(r"['’-]")


def split_words(text: str) -> list[str]:
    """Lower-case words and numbers of a text; inner hyphens and apostrophes belong to the word."""
    return _WORD.findall(text.casefold())


class Vocabulary:
    """Word ids, the special words first. Texts read `<BOS> first caption <AND> second caption <EOS>`.

    A vocabulary without `<AND>` puts the plain word "and" between captions.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        self._ids = {word: number for number, word in enumerate(words)}

    @classmethod
    def build(cls, texts: Iterable[str], *, min_count: int = 1, and_token: bool = True) -> Vocabulary:
        """Collect the words of the training texts, most frequent first; rarer ones become <UNK>.

        and_token: whether `<AND>` joins captions, or the word "and", which is then always known.
        """
        counts = Counter(word for text in texts for word in split_words(text))
        kept = sorted((-count, word) for word, count in counts.items() if count >= min_count)
        known = [word for _, word in kept]
        if and_token:
            return cls([*SPECIAL, *known])
        special = [word for word in SPECIAL if word != AND]
        return cls([*special, *dict.fromkeys([*known, PLAIN_AND])])

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Read a vocabulary.json."""
        return cls(json.loads(path.read_text(encoding="utf-8")))

    def save(self, path: Path) -> None:
        """Write the words in the order of their ids."""
        path.write_text(json.dumps(self.words, ensure_ascii=False, indent=0), encoding="utf-8")

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, captions: Sequence[str]) -> list[int]:
        """Ids of the captions, joined by <AND> between <BOS> and <EOS>."""
        ids = [self._ids[BEGIN]]
        for position, caption in enumerate(captions):
            if position:
                ids.append(self._ids[AND] if AND in self._ids else self._ids[PLAIN_AND])
            ids.extend(self._id(word) for word in split_words(caption))
        return [*ids, self._ids[END]]

    def _id(self, word: str) -> int:
        """Id of a word, or else of its spelling without hyphens and apostrophes, or else of <UNK>."""
        unknown = self._ids[UNKNOWN]
        return self._ids.get(word, self._ids.get(_INNER.sub("", word), unknown))
