"""Commands of `dwc` that come in groups."""
