"""Who is who: which person each customer record belongs to."""

__all__: list[str] = []
