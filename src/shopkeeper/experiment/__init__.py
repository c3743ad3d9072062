"""Measures: who is held out, and what a campaign brought, randomised or observed, with its interval and its placebo."""
