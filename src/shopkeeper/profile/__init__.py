"""One row a person: what their orders say, how often, how much, what they like, and where they stand."""

__all__: list[str] = []
