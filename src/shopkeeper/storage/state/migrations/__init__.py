"""How every older state store becomes the newest; a revision that was released never changes."""
