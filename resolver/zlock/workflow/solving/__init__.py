"""From steps to locks: solving them, checking and merging them."""
