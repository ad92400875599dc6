"""Registries of images: their protocol, their documents and the logins for them."""
