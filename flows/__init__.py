"""Prefect flows: what runs when. One file per stage, pipeline.py for all of them."""
