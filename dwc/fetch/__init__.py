"""Fetching the pictures of data sets that publish links only."""
