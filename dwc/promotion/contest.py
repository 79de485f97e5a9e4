"""Who is to be compared with whom."""

from __future__ import annotations

from dataclasses import dataclass

from dwc.registry.champions import Standing, find_version, standing


@dataclass(frozen=True, kw_only=True)
class Contest:
    """Version numbers of the model `name`.

    champion: whom the challenger is compared with, None = nobody; holder: who has the alias `champion`.
    """

    name: str
    challenger: str
    champion: str | None
    holder: str | None

    def uri(self, version: str) -> str:
        """Address of one of the two."""
        return f"models:/{self.name}/{version}"


def find_contest(name: str, model: str | None, *, without_champion: bool) -> Contest | None:
    """Who is to be compared, None where the challenger is champion already.

    model: the challenger, where it is not the alias of that name. Raises ValueError where there is no
    challenger, or the champion was deleted (`without_champion` then lets the challenger begin anew).
    """
    now = standing(name)
    version = _challenger(name, model, now)
    if version == now.champion:
        return None
    if without_champion:
        return Contest(name=name, challenger=version, champion=None, holder=now.champion)
    if now.champion is None and now.last_champion is not None:
        raise ValueError(
            f"{name}: the champion, version {now.last_champion}, was deleted or has lost its alias, so "
            f"there is nothing to compare with. Return to {_earlier(now)}, or promote by the floors alone "
            "with --without-champion."
        )
    return Contest(name=name, challenger=version, champion=now.champion, holder=now.champion)


def _challenger(name: str, model: str | None, now: Standing) -> str:
    if model:
        found = find_version(model)
        if found.name != name:
            raise ValueError(
                f"{model}: params.yaml is of the models {name}; it cannot be compared with them."
            )
        return str(found.version)
    if now.challenger is None:
        raise ValueError(
            f"{name}: nobody is challenger; the version was promoted with another address, or deleted. Train "
            "one (`dvc repro`), or name a version: --model models:/" + name + "/<version>."
        )
    return now.challenger


def _earlier(now: Standing) -> str:
    if now.previous_champion:
        return f"version {now.previous_champion} with `dwc rollback`"
    return "an earlier version by setting the alias `champion` on the MLflow page"
