"""The only open doors: lake, engines, state, vault and tokens, files."""
