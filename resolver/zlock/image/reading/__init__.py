"""Looking into what exists: the files of an image, a folder or an environment, read and never run."""
