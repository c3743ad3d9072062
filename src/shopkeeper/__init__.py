"""Shopkeeper: the open customer data platform and decision engine for retail chains."""
