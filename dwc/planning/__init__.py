"""What the pipeline will cost, before it runs."""
