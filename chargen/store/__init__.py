"""What lies on the disk: checkpoints, run folders, held-out text."""
