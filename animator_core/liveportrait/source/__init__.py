"""What is computed once of a character for LivePortrait, and pasting its face back."""
