"""MLflow: runs, lineage and model versions."""
