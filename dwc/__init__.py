"""Composed image retrieval with the Dynamic Weighted Combiner (DWC)."""
