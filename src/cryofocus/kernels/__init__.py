"""The hot loops behind one contract: a readable reference and its compiled twins."""
