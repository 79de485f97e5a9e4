"""Champion and challenger: measured alike, held against the gate, shown."""
