"""How work is shared out among processes and machines; knows nothing of images."""
