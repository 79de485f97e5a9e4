"""Captions that say nothing, and texts that tell the answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

_WORD = re.compile(r"[^\W_]+(?:['’/-][^\W_]+)*")
_NO_CHANGE = frozenset({"same", "identical", "alike", "n/a", "na", "none", "nothing"})
_FILLERS = frozenset({
    "is", "are", "it", "its", "it's", "they", "them", "this", "that", "the", "a", "an", "both",
    "all", "exact", "exactly", "totally", "very", "as", "to", "of", "and", "one", "ones", "thing",
    "item", "product", "picture", "photo", "image", "provided", "reference", "other", "each",
    "change", "changes", "changed",
})  # fmt: skip
MIN_TITLE_WORDS = 3


def says_nothing(captions: Sequence[str]) -> str | None:
    """The first caption that names no change, such as “is the same” or “n/a”; None where each names one."""
    return next((caption.strip() for caption in captions if _names_no_change(caption)), None)


def reveals(captions: Sequence[str], title: Any) -> str | None:
    """The target's title, if a caption contains it word for word; one under 3 words does not count."""
    wanted = _words(title) if isinstance(title, str) else []
    if len(wanted) < MIN_TITLE_WORDS:
        return None
    inside = f" {' '.join(wanted)} "
    return title if any(inside in f" {' '.join(_words(caption))} " for caption in captions) else None


def _names_no_change(caption: str) -> bool:
    words = set(_words(caption))
    return bool(words & _NO_CHANGE) and words <= _NO_CHANGE | _FILLERS


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
