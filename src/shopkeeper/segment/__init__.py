"""The audience language: parse, check, compile to one predicate, say in words, edit, and the segments that are kept."""
