"""Published data set layouts, one file each, read into the image and triplet tables."""
