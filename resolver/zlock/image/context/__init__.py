"""What enters the build of an image: the Dockerfile, what it installs, and the project's own files."""
