"""Errors, ids, clock, money and settings: what every room may stand on."""
