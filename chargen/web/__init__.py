"""HTML files that hold all they need: a model with an engine for the browser, and reports without any script."""
