"""How `wardrobe` is made: its garments, their families, the pictures and the captions."""
