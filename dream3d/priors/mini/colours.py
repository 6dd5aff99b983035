"""The colours and materials that a prompt may name, as sRGB in 0..255."""

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (200, 35, 30),
    "orange": (240, 130, 30),
    "yellow": (240, 205, 50),
    "green": (60, 150, 60),
    "blue": (45, 90, 190),
    "purple": (125, 60, 160),
    "pink": (240, 140, 175),
    "brown": (120, 75, 45),
    "black": (35, 35, 38),
    "gray": (128, 128, 130),
    "white": (235, 235, 235),
    "golden": (222, 174, 48),
    "silver": (190, 192, 198),
    "wooden": (146, 100, 60),
    "turquoise": (62, 196, 186),
    "beige": (222, 202, 168),
}
SYNONYMS = {"grey": "gray", "gold": "golden", "violet": "purple", "teal": "turquoise", "wood": "wooden"}
STYLES = ("low poly", "voxel", "realistic", "cartoon")
