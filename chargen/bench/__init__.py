"""Speed, measured against PyTorch."""
