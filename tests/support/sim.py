"""kmd-sim as a child, and its control API."""
