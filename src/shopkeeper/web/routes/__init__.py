"""The console's routes, one file a page."""
