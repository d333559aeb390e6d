"""Images: the registry's API, what an image is made from, and Kaniko."""
