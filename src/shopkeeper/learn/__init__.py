"""Foresees: features as of a day, back-tests by time, model cards, the response model with reasons."""
