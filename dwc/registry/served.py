"""Which version a server is to serve now; asked again and again, because aliases move."""

from __future__ import annotations

from dataclasses import dataclass

from dwc.registry.champions import CHALLENGER, CHAMPION, find_version, standing
from dwc.registry.versions import ModelVersion


@dataclass(frozen=True, kw_only=True)
class Served:
    """The version that is meant at this moment, and the address by which it is meant."""

    version: ModelVersion
    address: str


def served_now(name: str, address: str | None) -> Served:
    """The version that `address` names now, or without one the champion of `name`, else its challenger.

    Raises ValueError where there is none, or the registry does not answer: that an alias cannot be read is
    never taken for its absence.
    """
    if address is not None:
        found = find_version(address)
        return _served(str(found.name), str(found.version), address)
    now = standing(name)
    if now.champion:
        return _served(name, now.champion, f"models:/{name}@{CHAMPION}")
    if now.challenger:
        return _served(name, now.challenger, f"models:/{name}@{CHALLENGER}")
    raise ValueError(f"{name}: it has no champion and no challenger. Train a model first.")


def _served(name: str, number: str, address: str) -> Served:
    version = ModelVersion(name=name, version=number, uri=f"models:/{name}/{number}")
    return Served(version=version, address=address)
