"""Images put together from layers that are known by what is in them: no engine, and nothing is run in them."""
