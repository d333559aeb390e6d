"""A whole one-node Kubernetes with a registry and DNS, in Linux namespaces of its own."""
