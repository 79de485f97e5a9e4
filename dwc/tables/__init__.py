"""The image and triplet tables: building, scanning and checking them."""
