"""Package indexes: pages, metadata and files, from the network, folders and the cache."""
