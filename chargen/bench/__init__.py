"""Speed, measured against plain PyTorch."""
