"""Texts: from a name to ids."""
