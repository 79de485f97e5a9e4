"""Tests of dwc.planning."""
