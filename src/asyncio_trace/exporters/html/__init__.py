"""A trace as one HTML file that holds its data and its viewer."""
