"""The command line: one thin screen a command, over the workflows."""
