"""Character-level recurrent networks: train one on any text, and write more of it."""
