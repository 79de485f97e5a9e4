"""What checks types and shapes of signatures while tests run (docs/decisions/071)."""

from beartype import BeartypeConf, beartype

typecheck = beartype(conf=BeartypeConf(is_pep484_tower=True))
"""beartype, for which a whole number is a float too, as it is for mypy."""
