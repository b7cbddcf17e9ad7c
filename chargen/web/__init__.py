"""One HTML file that holds a model and all it takes to use it in a browser."""
