"""Image files, one or a folder of them, as images of one size; sub-folders are classes."""

import logging
import math
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from vae_moe.data.files import DatasetError, readable

logger = logging.getLogger(__name__)

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".pgm", ".ppm")
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
MAX_IMAGES = 200_000
MAX_PIXELS = 500_000_000  # of all images, after they are brought to one size
MAX_SIDE = 256
SIDE = 32  # of images that differ in size, or are larger than this
PLAIN = ("1", "L", "LA", "La")  # Pillow's modes without colour, besides the deep ones
DEEP = ("I", "F")  # how the modes begin that have more than 8 bits a pixel, all without colour
DARK = 32  # of 255: an image with nothing brighter looks black


@dataclass(frozen=True, eq=False)
class Images:
    """Images of one size.

    Attributes:
        pixels: [N, H, W], or [N, H, W, 3] of colours; bytes.
        names: N, their paths in the folder.
        classes: N, the sub-folders they are in; None if they are in none.
        white: the level that became 255 in files of more than 8 bits a pixel; None if there were none.
        notes: a line on each kind of file that was left out, or not read as it is.
    """

    pixels: np.ndarray
    names: list[str]
    classes: list[str] | None
    white: int | None = None
    notes: Sequence[str] = ()

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(H, W), or (H, W, 3)."""
        return self.pixels.shape[1:]

    @property
    def x(self) -> np.ndarray:
        """[N, D] float32 in [0, 1]."""
        return self.pixels.reshape(len(self.pixels), -1).astype(np.float32) / np.float32(255)


def read(
    path: str | Path, image_shape: Sequence[int] | None = None, side: int | None = None, white: int | None = None
) -> Images:
    """Read an image, or all images of a folder and of its sub-folders, one deep.

    Files that are left out, or not read as they are, are logged as warnings, a line a kind.

    Args:
        path: an image file, or a folder of image files, or a folder of such folders.
        image_shape: (H, W), or (H, W, 3), to bring them to, the middle of each image. None: three colours if any
            image has colour.
        side: H = W where ``image_shape`` is None. None: the images' own size if it is one and not above ``SIDE``,
            otherwise ``SIDE``.
        white: the level that becomes 255 in files of more than 8 bits a pixel. None: the greatest number of as many
            bits as the brightest of them needs, 4095 where 12 of 16 bits are used.

    Returns:
        The images, sorted by path; an orientation in EXIF data is applied.

    Raises:
        DatasetError: no images, too many, one that cannot be read, or pixels beyond the bounds.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    paths, unlike = _find(folder) if path.is_dir() else ([path], _Unlike())
    if not paths:
        wanted = f"{folder} holds no image. Put {', '.join(ENDINGS)} files in it, or in one folder a class."
        raise DatasetError(" ".join([wanted, *unlike.lines]))
    if len(paths) > MAX_IMAGES:
        raise DatasetError(f"{folder} holds {len(paths)} images, {MAX_IMAGES} at most. Take some out.")
    names = [file.relative_to(folder) for file in paths]
    in_classes = [len(name.parts) > 1 for name in names]
    if any(in_classes) and not all(in_classes):
        outside = names[in_classes.index(False)]
        raise DatasetError(
            f"{folder} holds sub-folders, and {outside} outside of them. Put it into one, or take it out."
        )
    headers = [_header(file) for file in paths] if image_shape is None or white is None else []
    shape = _common_shape(headers, side) if image_shape is None else tuple(image_shape)
    check_size(path, len(paths), shape)
    if white is None and any(header.deep for header in headers):
        white = _white([file for file, header in zip(paths, headers, strict=True) if header.deep])
    pixels = np.empty((len(paths), *shape), np.uint8)
    for i, name in enumerate(names):
        pixels[i] = _decoded(folder, name, shape, white, unlike)
    if image_shape is None and pixels.ndim == 4 and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]  # grey, stored as three equal colours
    if pixels.max() < DARK:
        unlike.add(f"all are nearly black, no level is above {pixels.max()} of 255. Brighten them", names[0])
    for line in unlike.lines:
        logger.warning("%s: %s", path, line)
    classes = [readable(name.parts[0]) for name in names] if all(in_classes) else None
    return Images(pixels, [readable(name.as_posix()) for name in names], classes, white, unlike.lines)


def check_size(path: str | Path, n_images: int, image_shape: Sequence[int]) -> None:
    """Raise DatasetError if so many images of that size are beyond the bounds."""
    received = f"{path}: {n_images} images of {' x '.join(map(str, image_shape))}"
    if min(image_shape[:2]) < 2:
        raise DatasetError(f"{received}; they need 2 pixels a side. Give larger images, or --size 2 or more.")
    if max(image_shape[:2]) > MAX_SIDE or n_images * math.prod(image_shape) > MAX_PIXELS or n_images > MAX_IMAGES:
        raise DatasetError(
            f"{received}; {MAX_IMAGES} may be read, {MAX_SIDE} pixels a side and {MAX_PIXELS} in all. "
            "Give a smaller --size, or fewer images."
        )


class _Unlike:
    """Files that were left out or not read as they are: by what is to be said of them."""

    def __init__(self) -> None:
        self._files: dict[str, list[Path]] = defaultdict(list)

    def add(self, what: str, name: Path) -> None:
        """Note a file; ``what`` says of it and of its like what was done. And the cure."""
        self._files[what].append(name)

    @property
    def lines(self) -> list[str]:
        """A line a kind: how many files, one of them, what and the cure."""
        return [
            f"{len(names)} file{'s' if len(names) > 1 else ''}, such as {readable(names[0].as_posix())}: {what}."
            for what, names in self._files.items()
        ]


def _find(folder: Path) -> tuple[list[Path], _Unlike]:
    """The images, sorted, and what is left out."""
    paths, unlike = [], _Unlike()
    for n_files, file in enumerate(_walk(folder)):
        if n_files > 2 * MAX_IMAGES:
            raise DatasetError(f"{folder} holds more than {2 * MAX_IMAGES} files. Give the folder of the images alone.")
        name = file.relative_to(folder)
        if file.suffix.lower() not in ENDINGS:
            if not any(part.startswith(".") for part in name.parts):
                unlike.add(f"left out, images end in {', '.join(ENDINGS)}. Save images as one of these", name)
        elif any(part.startswith(".") for part in name.parts):
            unlike.add("left out, names with a dot at their beginning are hidden. Give images other names", name)
        elif len(name.parts) > 2:
            unlike.add("left out, deeper than one folder. Give the folder above theirs, or move them up", name)
        else:
            paths.append(file)
    return paths, unlike


def _walk(folder: Path, depth: int = 0) -> Iterator[Path]:
    """All files, sorted; links to folders are followed where a class may be one."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise DatasetError(f"{folder} cannot be read: {error.strerror}. Give another folder.") from error
    for entry in entries:
        if entry.is_dir():
            if depth == 0 or not entry.is_symlink():
                yield from _walk(entry, depth + 1)
        elif entry.is_file():
            yield entry


@dataclass(frozen=True)
class _Header:
    size: tuple[int, int]  # width and height as shown
    colour: bool  # a palette counts as such
    deep: bool  # more than 8 bits a pixel


def _header(path: Path) -> _Header:
    with _opened(path) as image:
        size = image.size
        if size[0] != size[1] and max(size) <= SIDE:  # else how it is turned makes no difference
            size = _upright(image).size
        return _Header(size, image.mode not in PLAIN and not _is_deep(image), _is_deep(image))


def _common_shape(headers: Sequence[_Header], side: int | None) -> tuple[int, ...]:
    sizes = Counter(header.size for header in headers)
    width, height = next(iter(sizes))
    own = side is None and len(sizes) == 1 and max(width, height) <= SIDE
    chosen = (height, width) if own else (side or SIDE, side or SIDE)
    return chosen + ((3,) if any(header.colour for header in headers) else ())


def _white(paths: Sequence[Path]) -> int:
    """The greatest number of as many bits as the brightest level of deep images needs."""
    brightest = 0
    for path in paths:
        with _opened(path) as image:
            brightest = max(brightest, round(_levels(image).max()))
    return 2 ** max(brightest.bit_length(), 1) - 1


def _decoded(folder: Path, name: Path, shape: Sequence[int], white: int | None, unlike: _Unlike) -> np.ndarray:
    """One image in bytes, [H, W] or [H, W, 3] as ``shape`` is; what is transparent is white."""
    with _opened(folder / name) as file:
        if getattr(file, "is_animated", False) and file.format != "MPO":  # of phones: a photo with its preview
            unlike.add("left out are pages or frames after the first. Save each as a file of its own", name)
        image = _upright(file)
        if _is_deep(image):
            assert white is not None
            levels = _levels(image)
            if levels.max() > white + 0.5:
                unlike.add(f"levels above {white}, the white of training, are taken as white. Save them alike", name)
            levels[levels == image.info.get("transparency")] = white
            levels *= 255 / white
            image = Image.fromarray(np.rint(np.minimum(levels, 255, out=levels), out=levels).astype(np.uint8))
        elif image.has_transparency_data:  # the colour stored there is any
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("RGB" if len(shape) == 3 else "L")
        size = (shape[1], shape[0])
        return np.asarray(image if image.size == size else ImageOps.fit(image, size))


def _upright(image: Image.Image) -> Image.Image:
    """Turned as its EXIF data say.

    Pillow writes these data again, and fails where a resolution or a place in them is damaged: it gets none to write.
    """
    image.getexif()  # read once, and kept
    image.info.pop("exif", None)
    return ImageOps.exif_transpose(image)


def _is_deep(image: Image.Image) -> bool:
    return image.mode.startswith(DEEP)


def _levels(image: Image.Image) -> np.ndarray:
    """Those of a deep image, [H, W] float32; what a file claims to hold may be large, so that it is copied once."""
    levels = np.array(image, np.float32)
    least, greatest = float(levels.min()), float(levels.max())
    if not 0 <= least <= greatest < 2**32:  # NaN is neither
        raise ValueError(f"its levels are from {least:.6g} to {greatest:.6g}, they may be 0 to {2**32 - 1}")
    return levels


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """An image, of which all that turns out to be wrong while it is looked at is told with its path."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # from a path Pillow 13 would map a TIFF's bytes, and misread those of one that is turned
            with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
                yield image
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise DatasetError(f"{path} has more pixels than is safe to open: {error} Make it smaller.") from error
    except Exception as error:  # what is damaged makes Pillow raise anything
        raise DatasetError(f"{path} cannot be read as an image: {error}. Put a sound copy in its place.") from error
