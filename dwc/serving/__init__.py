"""A trained model with its gallery, answering image + text queries."""
