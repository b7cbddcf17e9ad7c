"""What the commands draw: bars, tables, plots, heat maps."""
