"""Images that show something else: how far each is from the others (`views`, `scores`)."""
