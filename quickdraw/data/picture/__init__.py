"""Pictures of a drawing into bitmaps: decode, ground (ink from paper), parts (drawing from dirt), bitmap (geometry)."""
