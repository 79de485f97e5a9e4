"""What is computed once: decoded pixels, CLIP features and the text vocabulary."""
