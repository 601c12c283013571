"""What ``doctor`` looks at, by subject: installation, animation, machine."""
