"""The command line: every command a thin layer over a function of the same words."""
