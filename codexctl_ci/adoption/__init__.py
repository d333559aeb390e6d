"""What a project needs to begin, drafted from what it has; and what would differ for one that comes from elsewhere."""
