"""The proof that the log holds: kills, power cuts, full and failing disks, garbage and floods, each with a control."""
