"""From locks to images: the plan as bytes and its key, what builds it, what is read out of it."""
