"""Who is champion: reading the aliases `challenger`, `champion` and `previous_champion`, and moving them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dwc.registry.lineage import PREFIX, as_tags
from dwc.registry.locks import promotion_lock
from dwc.registry.store import current_client, first_line
from dwc.registry.versions import point_alias

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHALLENGER, CHAMPION, PREVIOUS = "challenger", "champion", "previous_champion"
PROMOTION = "promotion"
_LAST_TAG = f"{PREFIX}{CHAMPION}"  # of the registered model: an alias is gone when its version is deleted
_URI = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<version>\d+)|@(?P<alias>[^/@]+))")


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Version numbers by role, None where nobody has it; `last_champion` outlives its version."""

    challenger: str | None
    champion: str | None
    previous_champion: str | None
    last_champion: str | None


def standing(name: str) -> Standing:
    """Who has which role now. Raises ValueError where no such model is registered."""
    return _standing(current_client(), name)


def find_version(uri: str) -> Any:
    """MLflow's record of a version; `uri` is such as `models:/dwc-wardrobe/3` or `…@champion`.

    Raises ValueError where the address is malformed, or there is no such version or alias (any more).
    """
    from mlflow.exceptions import MlflowException

    parts = _URI.fullmatch(uri)
    if not parts:
        raise ValueError(f"{uri}: write it as models:/<name>/<version> or models:/<name>@<alias>.")
    client, name = current_client(), parts["name"]
    try:
        if parts["alias"]:
            return client.get_model_version_by_alias(name, parts["alias"])
        return client.get_model_version(name, parts["version"])
    except MlflowException as error:
        raise ValueError(
            f"{uri}: {first_line(error)}. It was never registered or has been deleted; there are "
            f"{_known(client, name)}."
        ) from error


def crown(name: str, version: str, *, instead_of: str | None, tags: Mapping[str, str]) -> None:
    """Make a version champion, and the one before it previous champion, if that still is `instead_of`.

    Raises ValueError, moving nothing, where somebody else has made another version champion in the meantime,
    or the version or the one it replaces has been deleted.
    """
    client = current_client()
    find_version(f"models:/{name}/{version}")
    with promotion_lock(client, name):
        now = _standing(client, name).champion
        if now != instead_of:
            raise ValueError(
                f"{name}: the champion is {_words(now)}, no longer {_words(instead_of)}: another promotion "
                "or rollback was quicker. Promote again to be compared with it."
            )
        if now:
            point_alias(client, name, PREVIOUS, now)
        point_alias(client, name, CHAMPION, version)
        client.set_registered_model_tag(name, _LAST_TAG, version)
        tag_version(name, version, tags)


def roll_back(name: str) -> tuple[str | None, str]:
    """Make the previous champion champion again; returns the versions before and after.

    Raises ValueError where there is no previous champion (any more).
    """
    client = current_client()
    with promotion_lock(client, name):
        now = _standing(client, name)
        if now.previous_champion is None or now.previous_champion == now.champion:
            raise ValueError(
                f"{name}: there is no previous champion to return to. It has been returned to already, was "
                "deleted, or there never was more than one."
            )
        find_version(f"models:/{name}/{now.previous_champion}")
        point_alias(client, name, CHAMPION, now.previous_champion)
        client.set_registered_model_tag(name, _LAST_TAG, now.previous_champion)
        client.delete_registered_model_alias(name, PREVIOUS)
        if now.champion:
            tag_version(name, now.champion, {PROMOTION: "rolled back"})
    return now.champion, now.previous_champion


def tag_version(name: str, version: str, tags: Mapping[str, str]) -> None:
    """Keep facts with a version, in this project's name space."""
    client = current_client()
    for key, value in as_tags(tags).items():
        client.set_model_version_tag(name, version, key, value)


def _standing(client: MlflowClient, name: str) -> Standing:
    from mlflow.exceptions import MlflowException

    try:
        model = client.get_registered_model(name)
    except MlflowException as error:
        raise ValueError(f"{name}: {first_line(error)}. Train and register a model first.") from error
    numbers = {alias: str(version) for alias, version in model.aliases.items()}
    return Standing(
        challenger=numbers.get(CHALLENGER),
        champion=numbers.get(CHAMPION),
        previous_champion=numbers.get(PREVIOUS),
        last_champion=model.tags.get(_LAST_TAG),
    )


def _known(client: MlflowClient, name: str) -> str:
    """The newest versions that exist, for the one who asked for another."""
    found = client.search_model_versions(f"name = '{name}'", max_results=5)
    numbers = sorted((int(version.version) for version in found), reverse=True)
    return "versions " + ", ".join(map(str, numbers)) if numbers else "no versions of that name"


def _words(version: str | None) -> str:
    return f"version {version}" if version else "nobody"
