"""One file a user task; the only layer that knows files and the algorithm together."""
