"""Loading automations.yaml into the Prefect server: what it does by itself when a run fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from prefect import get_client
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient
from prefect.events.schemas.automations import AutomationCore
from pydantic import SecretStr, ValidationError

FILE = "automations.yaml"
BLOCK = "webhook/failures"


def load_automations(root: Path, webhook: str | None) -> list[str]:
    """Create the file's automations, or replace those of the same name; returns their names.

    webhook: address for those that call one; without it they are left out. Raises ValueError naming the
    automation that Prefect does not take.
    """
    declared: list[dict[str, Any]] = yaml.safe_load((root / FILE).read_text(encoding="utf-8"))["automations"]
    if webhook:
        _point_to(declared, _save_block(webhook))
    wanted = [_parse(automation) for automation in declared if not _needs_webhook(automation)]
    with get_client(sync_client=True) as client:
        for automation in wanted:
            _put(client, automation)
    return [automation.name for automation in wanted]


def _needs_webhook(automation: dict[str, Any]) -> bool:
    return any(action.get("block_document_id") == BLOCK for action in automation["actions"])


def _point_to(declared: list[dict[str, Any]], block: str) -> None:
    for automation in filter(_needs_webhook, declared):
        for action in automation["actions"]:
            if action.get("block_document_id") == BLOCK:
                action["block_document_id"] = block


def _save_block(address: str) -> str:
    """Keep the address where Prefect keeps secrets; returns the block's id."""
    block = Webhook(url=SecretStr(address), headers={"Content-Type": "application/json"})
    return str(block.save(BLOCK.partition("/")[2], overwrite=True))


def _parse(automation: dict[str, Any]) -> AutomationCore:
    try:
        return AutomationCore.model_validate(automation)
    except ValidationError as error:
        raise ValueError(f"{FILE}: `{automation.get('name')}`: {error}") from error


def _put(client: SyncPrefectClient, automation: AutomationCore) -> None:
    same = client.read_automations_by_name(automation.name)
    if not same:
        client.create_automation(automation)
    for known in same:
        client.update_automation(known.id, automation)
