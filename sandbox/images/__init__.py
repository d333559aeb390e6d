"""The container images of the sandbox's registry, made without any other registry."""
