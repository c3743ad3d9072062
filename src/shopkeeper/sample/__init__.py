"""Data to try the product on: Complete Journey, and a made-up chain with planted truths."""
