"""The released code's vocabulary as ours.

Its tokeniser drops everything but ASCII letters, digits and white space, so that `<BOS>`, `<AND>` and
`<EOS>` reach the network as the words "bos", "and", "eos" — where the vocabulary has no such word, as the
unknown one. The ids of the bracketed words are never used. Here those words have ids of their own, and are
given the rows of the word embedding that the released network read in their places.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from string import punctuation

from dwc.store.vocabulary import AND, BEGIN, END, PAD, SPECIAL, UNKNOWN, Vocabulary

_FIRST_IDS = {UNKNOWN: 0, AND: 1, BEGIN: 2, END: 3}
_NO_PUNCTUATION = str.maketrans("", "", punctuation)


def read_words(file: Path) -> dict[str, int]:
    """Ids by word, of a JSON list or a text of one word a line (ids count from 0), or JSON `{word: id}`.

    The last may stand under `word2id`, as the released code writes it. Raises ValueError naming the file.
    """
    text = file.read_text(encoding="utf-8")
    try:
        content = json.loads(text) if file.suffix == ".json" else text.splitlines()
    except json.JSONDecodeError as error:
        raise ValueError(f"{file}: not valid JSON: {error}.") from error
    if isinstance(content, dict):
        content = content.get("word2id", content)
    words = dict(zip(content, range(len(content)), strict=True)) if isinstance(content, list) else content
    if not isinstance(words, dict) or not all(type(number) is int for number in words.values()):
        raise ValueError(f"{file}: neither a list of words nor ids by word.")
    if len(words) != len(content):
        raise ValueError(f"{file}: {len(content) - len(words)} words stand twice in the list.")
    return words


def words_of_captions(file: Path) -> dict[str, int]:
    """Ids by word as the released code gives them, in order, for FashionIQ's cap.<category>.train.json."""
    words = dict(_FIRST_IDS)
    try:
        texts = [
            text for record in json.loads(file.read_text(encoding="utf-8")) for text in record["captions"]
        ]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{file}: no captions of FashionIQ: {error}.") from error
    for text in texts:
        plain = text.encode("ascii", "ignore").decode().lower().translate(_NO_PUNCTUATION)
        for word in plain.split():
            words.setdefault(word, len(words))
    return words


def our_vocabulary(words: Mapping[str, int], rows: int) -> tuple[Vocabulary, list[int]]:
    """Our vocabulary, and for each of its words the row of the released word embedding, which has `rows`.

    Raises ValueError where the words are not those of the embedding.
    """
    if len(words) != rows or not all(0 <= number < rows for number in words.values()):
        raise ValueError(
            f"the vocabulary has {len(words):,} words, the checkpoint {rows:,}: it is of another training. "
            "The released code makes one for each category, from its training captions alone."
        )
    unknown = words.get(UNKNOWN, 0)
    read_as = {PAD: unknown, UNKNOWN: unknown}
    read_as |= {special: words.get(special.strip("<>").lower(), unknown) for special in (BEGIN, AND, END)}
    ordinary = [word for word in words if word not in SPECIAL]
    return Vocabulary([*SPECIAL, *ordinary]), [
        *(read_as[word] for word in SPECIAL),
        *(words[word] for word in ordinary),
    ]
