"""Generation and scoring from a checkpoint, in NumPy alone."""
