"""What Python calls: a command as a whole, with its page, and what it found as one object."""
