"""The interface of renderers, and their colours."""
