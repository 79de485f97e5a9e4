"""How a study's figures are written."""

from __future__ import annotations

from dwc.evaluation.bootstrap import Interval
from dwc.evaluation.wording import value_text


def scale_of(measure: str) -> float:
    """Recall is shown in percent, other measures as they are."""
    return 100.0 if "recall" in measure else 1.0


def value_with_interval(measure: str, interval: Interval | None) -> str:
    """A value and its interval, such as `63.4 (61.2–65.5)`."""
    if interval is None:
        return "–"
    low, high = value_text(measure, interval.low), value_text(measure, interval.high)
    return f"{value_text(measure, interval.value)} ({low}–{high})"


def difference_with_interval(measure: str, interval: Interval | None) -> str:
    """A difference and its interval, such as `−1.2 (−2.4 to +0.1)`; bold where 0 lies outside of it."""
    if interval is None:
        return "–"
    value, low, high = (
        difference_text(measure, part) for part in (interval.value, interval.low, interval.high)
    )
    text = f"{value} ({low} to {high})"
    return f"**{text}**" if interval.low > 0 or interval.high < 0 else text


def difference_text(measure: str, difference: float) -> str:
    """A difference with its sign, recall in percentage points."""
    digits = 1 if "recall" in measure else 3
    text = f"{scale_of(measure) * difference:+.{digits}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("+-")
