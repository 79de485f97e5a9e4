"""Retrieval protocols, Recall@K, baselines and the report."""
