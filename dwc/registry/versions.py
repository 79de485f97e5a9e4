"""Model versions: a serving package logged as an MLflow model, registered, and named by an alias."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import dwc
from dwc.registry.lineage import PREFIX, as_tags
from dwc.registry.store import current_client, first_line, store_lock

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

LOADER = "dwc.serving.pyfunc"
MODEL_NAME = "retriever"

# What the loader imports, and MLflow to serve it. Not inferred: that would run the model once more.
REQUIREMENTS = (
    "jaxtyping",
    "mlflow",
    "numpy",
    "open-clip-torch",
    "pandas",
    "pillow",
    "safetensors",
    "torch",
    "torchvision",
)


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """A registered version; `uri` is what `mlflow models serve -m` takes."""

    name: str
    version: str
    uri: str


def model_name(dataset: str) -> str:
    """Registered name of the models of a data set."""
    return f"dwc-{dataset}"


def register_model(
    run_id: str,
    package_folder: Path,
    name: str,
    *,
    alias: str,
    tags: Mapping[str, str],
    input_example: pd.DataFrame,
) -> ModelVersion:
    """Log the serving package with a run, register it as a version of `name`, and point `alias` at it.

    The version carries the lineage of the run besides `tags`. The logged model is loaded back and must answer
    `input_example` before it is registered: an alias never names a model that cannot be served.
    """
    client = current_client()
    run = client.get_run(run_id)
    inherited = {key: value for key, value in run.data.tags.items() if key.startswith(PREFIX)}
    model_id = client.create_logged_model(
        run.info.experiment_id, name=MODEL_NAME, source_run_id=run_id, tags=inherited, params=run.data.params
    ).model_id
    _log(model_id, run_id, package_folder, input_example)
    _check(client, model_id, input_example)
    with store_lock(client.tracking_uri):
        _ensure_registered(client, name)
        created = client.create_model_version(
            name, f"models:/{model_id}", run_id, tags=inherited | as_tags(tags), model_id=model_id
        )
        version = str(created.version)
        point_alias(client, name, alias, version)
    link = [{"name": name, "version": version}]  # by which MLflow's pages lead from the model to its version
    client.set_logged_model_tags(model_id, {"mlflow.modelVersions": json.dumps(link)})
    return ModelVersion(name=name, version=version, uri=f"models:/{name}/{version}")


def move_alias(name: str, alias: str, version: str) -> str | None:
    """Point an alias at a version and return the version it named before, None where there was none.

    Raises ValueError where the version does not exist, or another machine moved the alias at the same time.
    """
    client = current_client()
    with store_lock(client.tracking_uri):
        before = client.get_registered_model(name).aliases.get(alias)
        point_alias(client, name, alias, version)
    return None if before is None else str(before)


def fetch_package(uri: str, into: Path | None = None) -> Path:
    """Local folder of a version's serving package; `uri` is such as `models:/dwc-wardrobe@challenger`.

    into: folder to copy it to, for those who delete it after use; otherwise it is read where it lies, or
    fetched into a temporary folder. Raises ValueError where there is no such version.
    """
    import mlflow.artifacts
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model

    try:
        place = None if into is None else str(into)
        folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=place))
    except MlflowException as error:
        raise ValueError(f"{uri}: {first_line(error)}. Train and register a model first.") from error
    return folder / str(Model.load(str(folder)).flavors["python_function"]["data"])


def _log(model_id: str, run_id: str, package_folder: Path, input_example: pd.DataFrame) -> None:
    """Store the package with the code that loads it; needs no active run, which MLflow has per thread."""
    import mlflow.pyfunc
    from mlflow.models import Model

    Model.log(
        artifact_path=None,
        flavor=mlflow.pyfunc,
        run_id=run_id,
        model_id=model_id,
        loader_module=LOADER,
        data_path=str(package_folder),
        code_paths=[str(Path(dwc.__file__).parent)],
        pip_requirements=[f"{name}=={_installed(name)}" for name in REQUIREMENTS],
        signature=_signature(),
        input_example=input_example,
    )


def _check(client: MlflowClient, model_id: str, input_example: pd.DataFrame) -> None:
    """Load what was stored, and ask it. Raises whatever keeps it from answering."""
    import mlflow.pyfunc

    try:
        mlflow.pyfunc.load_model(f"models:/{model_id}").predict(input_example)
    except BaseException:
        client.finalize_logged_model(model_id, "FAILED")
        raise


def _signature() -> ModelSignature:
    """What HTTP clients send and get; `dwc.serving.pyfunc` says what the columns mean."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import Array

    return ModelSignature(
        inputs=Schema(
            [
                ColSpec(DataType.string, "image"),
                ColSpec(DataType.string, "text"),
                ColSpec(DataType.long, "k", required=False),
            ]
        ),
        outputs=Schema(
            [
                ColSpec(Array(DataType.string), "ids"),
                ColSpec(Array(DataType.double), "scores"),
                ColSpec(DataType.double, "image_weight"),
            ]
        ),
    )


def _installed(distribution: str) -> str:
    """Version without a local part: `2.14.1+cpu` is not in any package index."""
    return metadata.version(distribution).partition("+")[0]


def _ensure_registered(client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    if not client.search_registered_models(filter_string=f"name = '{name}'"):
        try:
            client.create_registered_model(name)
        except MlflowException:
            client.get_registered_model(name)  # raises unless another machine was quicker


def point_alias(client: MlflowClient, name: str, alias: str, version: str) -> None:
    """Set an alias and read it back: MLflow cannot say whether somebody else set it in between."""
    from mlflow.exceptions import MlflowException

    try:
        client.set_registered_model_alias(name, alias, version)
    except MlflowException as error:
        raise ValueError(f"{name}@{alias} cannot name version {version}: {first_line(error)}") from error
    now = str(client.get_model_version_by_alias(name, alias).version)
    if now != version:
        raise ValueError(
            f"{name}@{alias} names version {now}, not {version}: it was moved from elsewhere at the same "
            "time. Decide which it should name, and set it again."
        )
