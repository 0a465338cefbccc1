"""Pictures of a drawing into bitmaps: decoded (decode), ink from ground (ink), the drawing from dirt (parts), geometry (bitmap)."""
