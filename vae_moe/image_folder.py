"""A folder of PNG and JPEG files as images of one size; sub-folders are classes."""

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from vae_moe.idx import DatasetError

ENDINGS = (".png", ".jpg", ".jpeg")
FORMATS = ("PNG", "JPEG")
MAX_IMAGES = 200_000
MAX_PIXELS = 500_000_000  # of all images, after they are brought to one size
MAX_SIDE = 256
SIDE = 32  # of images that differ in size, or are larger than this
PLAIN = ("1", "L", "I", "I;16", "F")  # Pillow's modes without colour


@dataclass(frozen=True, eq=False)
class Images:
    """Images of one size.

    Attributes:
        pixels: [N, H, W], or [N, H, W, 3] of colours; bytes.
        names: N, their paths in the folder.
        classes: N, the sub-folders they are in; None if they are in none.
    """

    pixels: np.ndarray
    names: list[str]
    classes: list[str] | None

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(H, W), or (H, W, 3)."""
        return self.pixels.shape[1:]

    @property
    def x(self) -> np.ndarray:
        """[N, D] float32 in [0, 1]."""
        return self.pixels.reshape(len(self.pixels), -1).astype(np.float32) / np.float32(255)


def read(folder: Path, image_shape: Sequence[int] | None = None, side: int | None = None) -> Images:
    """Read all images of a folder and of its sub-folders, one deep; other files are left out.

    Args:
        folder: holds PNG and JPEG files, or sub-folders of these.
        image_shape: (H, W), or (H, W, 3), to bring them to, the middle of each image. None: three colours if any
            image has colour.
        side: H = W where ``image_shape`` is None. None: the images' own size if it is one and not above ``SIDE``,
            otherwise ``SIDE``.

    Returns:
        The images, sorted by path; an orientation in a JPEG's EXIF data is applied.

    Raises:
        DatasetError: no images, too many, one that cannot be read, or pixels beyond the bounds.
    """
    paths = sorted(path for pattern in ("*", "*/*") for path in folder.glob(pattern) if _is_image(path))
    if not paths:
        raise DatasetError(f"{folder} holds no image. Put {', '.join(ENDINGS)} files in it, or in one folder a class.")
    if len(paths) > MAX_IMAGES:
        raise DatasetError(f"{folder} holds {len(paths)} images, {MAX_IMAGES} at most. Take some out.")
    within = [path.relative_to(folder) for path in paths]
    in_classes = [len(path.parts) > 1 for path in within]
    if any(in_classes) and not all(in_classes):
        outside = within[in_classes.index(False)]
        raise DatasetError(
            f"{folder} holds sub-folders, and {outside} outside of them. Put it into one, or take it out."
        )
    shape = _common_shape(paths, side) if image_shape is None else tuple(image_shape)
    check_size(folder, len(paths), shape)
    pixels = np.empty((len(paths), *shape), np.uint8)
    for i, path in enumerate(paths):
        image = _open(path)
        image = _on_white(image)
        image = image.convert("RGB") if len(shape) == 3 else _grey(image)
        size = (shape[1], shape[0])
        pixels[i] = np.asarray(image if image.size == size else ImageOps.fit(image, size))
    if image_shape is None and pixels.ndim == 4 and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]  # grey, stored as three equal colours
    classes = [path.parts[0] for path in within] if all(in_classes) else None
    return Images(pixels, [path.as_posix() for path in within], classes)


def check_size(path: Path, n_images: int, image_shape: Sequence[int]) -> None:
    """Raise DatasetError if so many images of that size are beyond the bounds."""
    pixels = n_images * int(np.prod(image_shape))
    if max(image_shape[:2]) > MAX_SIDE or min(image_shape[:2]) < 2 or pixels > MAX_PIXELS or n_images > MAX_IMAGES:
        raise DatasetError(
            f"{path}: {n_images} images of {' x '.join(map(str, image_shape))}; they may have 2 to {MAX_SIDE} pixels a "
            f"side and {MAX_PIXELS} in all. Give a smaller --size, or fewer images."
        )


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in ENDINGS and not path.name.startswith(".") and path.is_file()


def _common_shape(paths: Sequence[Path], side: int | None) -> tuple[int, ...]:
    found = [_header(path) for path in paths]
    sizes = Counter(size for size, _ in found)
    width, height = next(iter(sizes))
    own = side is None and len(sizes) == 1 and max(width, height) <= SIDE
    chosen = (height, width) if own else (side or SIDE, side or SIDE)
    return chosen + ((3,) if any(colour for _, colour in found) else ())


def _header(path: Path) -> tuple[tuple[int, int], bool]:
    """Width and height, and whether the image has colour: a palette counts as such."""
    with _opened(path) as image:
        return image.size, image.mode not in (*PLAIN, "LA", "La")


def _open(path: Path) -> Image.Image:
    with _opened(path) as image:
        try:
            return ImageOps.exif_transpose(image)
        except (OSError, SyntaxError, ValueError) as error:
            raise DatasetError(f"{path} cannot be read as an image: {error}. Put a sound copy in its place.") from error


def _opened(path: Path) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return Image.open(path, formats=FORMATS)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise DatasetError(f"{path} has more pixels than is safe to open: {error} Make it smaller.") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read as an image: {error}. Put a sound copy in its place.") from error


def _on_white(image: Image.Image) -> Image.Image:
    """What is transparent becomes white: the colour stored there is any."""
    if not image.has_transparency_data:
        return image
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)


def _grey(image: Image.Image) -> Image.Image:
    """One channel of bytes; 16 bits a pixel are scaled to 8, where Pillow's own conversion would clip."""
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image, np.float64) / 257).clip(0, 255).round().astype(np.uint8))
    return image.convert("L")
