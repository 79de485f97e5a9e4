"""The rules: what must hold of every row, how bad it is where it does not, and what to do about it.

An error stops the pipeline. A warning is only reported: real data sets have all of these, and their
published numbers include them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dwc.tables.findings import Severity

Condition = tuple[str, dict[str, Any]]
"""An expectation in Great Expectations' vocabulary: its type and its arguments."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A condition on the columns of the evidence, with what people read where it is not met.

    `message` is a format string over the columns of the row that fails.
    """

    name: str
    severity: Severity
    title: str
    message: str
    remedy: str
    condition: Condition


def null(column: str) -> Condition:
    """The column, which says what is wrong, says nothing."""
    return "expect_column_values_to_be_null", {"column": column}


def not_null(column: str) -> Condition:
    """The column has a value."""
    return "expect_column_values_to_not_be_null", {"column": column}


def unique(column: str) -> Condition:
    """No other row has this value."""
    return "expect_column_values_to_be_unique", {"column": column}


def unique_together(*columns: str) -> Condition:
    """No other row has these values; rows where one is null do not count."""
    return "expect_compound_columns_to_be_unique", {
        "column_list": list(columns),
        "ignore_row_if": "any_value_is_missing",
    }


def false(column: str) -> Condition:
    """The column, which tells whether something is wrong, is false."""
    return "expect_column_values_to_be_in_set", {"column": column, "value_set": [False]}


def at_least(column: str, least: float) -> Condition:
    """The number, where there is one, is this or more."""
    return "expect_column_values_to_be_between", {"column": column, "min_value": least}


def at_most(column: str, most: float) -> Condition:
    """The number, where there is one, is this or less."""
    return "expect_column_values_to_be_between", {"column": column, "max_value": most}
