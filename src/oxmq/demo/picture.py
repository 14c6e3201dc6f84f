"""Draw a photo-sized landscape, always the same, and resize pictures to the sizes that a web page asks for."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter, ImageOps

PHOTO_SIZE = (4000, 3000)

#: The widths and heights that every photo is resized to, the largest first.
SIZES = ((1600, 1200), (800, 600), (320, 240))

_RIDGES = (  # height of the ridge's foot in the picture, height of its peaks, color; the farthest first
    (0.56, 0.24, (150, 150, 178)),
    (0.66, 0.18, (108, 120, 148)),
    (0.78, 0.14, (62, 84, 100)),
    (0.92, 0.11, (26, 46, 52)),
)


def draw_photo(path: Path, size: tuple[int, int] = PHOTO_SIZE) -> None:
    """Draw mountains at dawn with the grain of a real photo, and save them as a JPEG of some megabytes."""
    chance = random.Random(1492)
    photo = _sky(size)
    _draw_sun(photo)
    for foot, peak, color in _RIDGES:
        ImageDraw.Draw(photo).polygon(_ridge(size, foot, peak, chance), fill=color)
    grain = Image.frombytes("L", size, chance.randbytes(size[0] * size[1]))
    Image.blend(photo, grain.convert("RGB"), 0.06).save(path, "JPEG", quality=90)


def resize(source: Path, folder: Path, tell: Callable[[int, int], None] = lambda done, of: None) -> list[str]:
    """Write `source` as WebP in each of `SIZES` into `folder` and return the files' names.

    Doing it twice leaves the same files: each appears under its name only when it is complete. After each size, `tell`
    is called with how many are done, and how many there are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with Image.open(source) as photo:
        photo.draft("RGB", SIZES[0])  # lets the JPEG decoder skip what the largest size does not need
        upright = ImageOps.exif_transpose(photo).convert("RGB")
    names: list[str] = []
    for size in SIZES:
        names.append(_save(upright, size, folder))
        tell(len(names), len(SIZES))
    return names


def _save(photo: Image.Image, size: tuple[int, int], folder: Path) -> str:
    target = folder / f"{size[0]}x{size[1]}.webp"
    partial = target.with_suffix(".partial")
    ImageOps.fit(photo, size, Image.Resampling.LANCZOS).save(partial, "WEBP", quality=80)
    partial.replace(target)
    return target.name


def _sky(size: tuple[int, int]) -> Image.Image:
    zenith, horizon = Image.new("RGB", size, (58, 92, 158)), Image.new("RGB", size, (250, 206, 158))
    glow = _stretch(Image.linear_gradient("L"), (size[0], size[1] * 3 // 5))
    zenith.paste(horizon.crop((0, 0, *glow.size)), mask=glow)
    zenith.paste(horizon.crop((0, 0, size[0], size[1] - glow.height)), (0, glow.height))
    return zenith


def _draw_sun(photo: Image.Image) -> None:
    width, height = photo.size
    glow = Image.new("L", (width // 8, height // 8))
    x, y, radius = glow.width * 0.33, glow.height * 0.4, glow.height * 0.07
    ImageDraw.Draw(glow).ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    soft = glow.filter(ImageFilter.GaussianBlur(glow.height // 60))
    photo.paste((255, 244, 214), mask=_stretch(soft, photo.size))


def _stretch(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image.transform(size, Image.Transform.EXTENT, (0, 0, *image.size), Image.Resampling.BILINEAR)


def _ridge(size: tuple[int, int], foot: float, peak: float, chance: random.Random) -> list[tuple[float, float]]:
    """Return the outline of a range of mountains: sharp waves, each half as long and half as high as the last."""
    width, height = size
    waves = [(2**octave, chance.uniform(0, math.tau)) for octave in range(8)]
    outline = [(0.0, float(height))]
    for step in range(401):
        slope = sum((1 - abs(math.sin(step / 400 * math.pi * count + phase))) / count for count, phase in waves)
        outline.append((width * step / 400, height * (foot - peak * (slope - 0.8))))
    return [*outline, (float(width), float(height))]
