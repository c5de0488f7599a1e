"""Readers of the user's own files as targets of fuzzing, as in :mod:`stress.readers`."""

import numpy as np
import own_files
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from PIL import Image

from stress.damage import Target, any_bytes, saved
from vae_moe.data import image_folder, reading

_ROWS = np.arange(15, dtype=np.float32).reshape(5, 3)


def _one_file(name: str, *seeds: bytes) -> Target:
    """A file of the user's."""

    def run(content, folder):
        (folder / name).write_bytes(content)
        return reading.read(folder / name)

    return Target(any_bytes(*seeds), run)


def csv() -> Target:
    """A CSV table of the user's, in several dialects and encodings."""
    wine = own_files.wine().head(20)
    plain = wine.to_csv(index=False)
    texts = [plain, wine.to_csv(index=False, sep=";"), wine.to_csv(sep="\t"), plain.replace("north", '"no,r\nth"')]
    texts += [wine.to_csv(index=False, sep=";", decimal=","), "sep=|\n" + wine.to_csv(sep="|", index=False)]
    texts += [wine.assign(alcohol="$1,230", ash="01", hue="-").to_csv(index=False), wine.to_csv(header=False)]
    encoded = [text.encode() for text in texts]
    return _one_file("x.csv", *encoded, plain.encode("utf-16"), plain.encode("utf-8-sig"), b"a,b\n1,2\n")


_PIXELS = np.arange(48, dtype=np.uint8).reshape(3, 4, 4)


def arrays() -> Target:
    """A .npy file of the user's."""
    words = np.array([["a", "b"]] * 3)
    return _one_file("x.npy", *(saved(np.save, array) for array in (_ROWS, _PIXELS, words)))


def archives() -> Target:
    """A .npz file of the user's."""
    return _one_file("x.npz", saved(np.savez, _ROWS), saved(np.savez_compressed, x=_PIXELS, y=np.arange(3)))


def parquet() -> Target:
    """A Parquet table of the user's."""
    wine = own_files.wine().head(20)
    return _one_file("x.parquet", wine.to_parquet(), wine[["alcohol", "region"]].to_parquet())


def images() -> Target:
    """A folder of a sound PNG and a damaged PNG or JPEG."""
    picture = Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))
    sound, *pngs = (saved(picture.convert(mode).save, format="PNG") for mode in ("L", "RGB", "RGBA", "P"))
    jpeg = saved(picture.save, format="JPEG")

    def run(file, folder):
        (folder / "a.png").write_bytes(sound)
        (folder / f"b{file[0]}").write_bytes(file[1])
        return reading.read(folder)

    return Target(_files([(".png", (sound, *pngs)), (".jpg", (jpeg,))]), run)


def image_file() -> Target:
    """An image in any format that is read."""
    colours, deep = np.arange(108, dtype=np.uint8).reshape(6, 6, 3), np.arange(36, dtype=np.uint16).reshape(6, 6) * 999

    def content_of(ending):
        picture = Image.fromarray(deep if ending in (".pgm", ".tiff") else colours)
        return saved(picture.save, format=Image.registered_extensions()[ending])

    def run(file, folder):
        path = folder / f"image{file[0]}"
        path.write_bytes(file[1])
        images = image_folder.read(path)
        assert images.pixels.dtype == np.uint8 and images.pixels.shape == (1, *images.image_shape)

    return Target(_files([(ending, (content_of(ending),)) for ending in image_folder.ENDINGS]), run)


def _files(seeds) -> SearchStrategy[tuple[str, bytes]]:
    """Endings, each with its contents -> an ending and a content."""
    return st.one_of(*(st.tuples(st.just(ending), any_bytes(*contents)) for ending, contents in seeds))
