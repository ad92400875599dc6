"""What is handed on: exports, bake files, what a package ships with, environments, and a new project."""
