"""Consent and the one gate of what is sent, what an erasure must reach, and who may see what."""
