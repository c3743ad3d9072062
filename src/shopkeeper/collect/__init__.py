"""Events and files in: read, map, judge, tokenise, settle against the lake, and keep what was refused."""
