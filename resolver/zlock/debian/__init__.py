"""Debian packages: what a base image has, what apt would add to it, and the files of that."""
