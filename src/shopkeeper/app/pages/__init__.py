"""What the console's pages show: read functions that take a shop and give frozen values, for notebooks too."""
