"""Acts: the offer plan of the next campaign, with its holdout."""
