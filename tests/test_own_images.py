"""Images of own files: folders, kinds of file, levels, and what is said of files that are not read."""

import os
from argparse import Namespace

import numpy as np
import own_files
import pytest
from PIL import Image, ImageOps

from vae_moe.app import commands, inputs
from vae_moe.data import image_folder, reading
from vae_moe.data.idx import DatasetError

GRADIENT = np.linspace(0, 65535, 64).reshape(8, 8)  # of 16 bits


def save(path, levels, dtype=np.uint16, **options):
    path.parent.mkdir(exist_ok=True, parents=True)
    Image.fromarray(np.asarray(levels).astype(dtype)).save(path, **options)


def test_a_folder_of_images_is_read_as_it_is(tmp_path):
    written = own_files.write_digits(tmp_path, 12)
    (tmp_path / "notes.txt").write_text("not an image")
    images = reading.read(tmp_path)
    assert images.names == sorted(written) and images.image_shape == (8, 8)
    assert images.classes == [name.split("/")[0] for name in images.names]
    np.testing.assert_array_equal(images.pixels, [written[name] for name in images.names])
    assert images.x.shape == (12, 64) and images.x.max() == 1
    assert image_folder.read(tmp_path, side=5).image_shape == (5, 5)


def test_images_of_all_kinds_come_to_one_form(tmp_path):
    Image.new("RGB", (40, 20), "red").save(tmp_path / "a.jpg")
    Image.new("RGBA", (9, 9), (0, 0, 0, 0)).save(tmp_path / "b.png")
    Image.fromarray(np.full((7, 7), 65535, np.uint16)).save(tmp_path / "c.png")
    images = image_folder.read(tmp_path)
    assert images.image_shape == (32, 32, 3) and images.classes is None
    red, white, bright = images.pixels[:, 16, 16].tolist()
    assert red[0] > 250 and max(red[1:]) < 5 and white == bright == [255, 255, 255]


def test_images_that_cannot_be_used_are_named(tmp_path, monkeypatch):
    with pytest.raises(DatasetError, match="holds no image"):
        image_folder.read(tmp_path)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n junk")
    with pytest.raises(DatasetError, match=r"broken.png cannot be read as an image"):
        image_folder.read(tmp_path)
    Image.new("L", (60, 60)).save(tmp_path / "broken.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3000)
    with pytest.raises(DatasetError, match=r"broken.png has more pixels than is safe"):
        image_folder.read(tmp_path)
    monkeypatch.setattr(image_folder, "MAX_IMAGES", 0)
    with pytest.raises(DatasetError, match="holds 1 images, 0 at most"):
        image_folder.read(tmp_path)


@pytest.mark.parametrize("ending", image_folder.ENDINGS)
def test_what_pillow_reads_is_read(tmp_path, ending):
    """A lossless format gives the pixels, the others are near."""
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    save(tmp_path / f"a{ending.upper()}", pixels, np.uint8, **({"lossless": True} if ending == ".webp" else {}))
    found = reading.read(tmp_path)
    assert found.names == [f"a{ending.upper()}"] and found.notes == []
    np.testing.assert_allclose(found.pixels[0], pixels, atol=4 if "j" in ending else 0)


def test_an_image_alone_is_read(tmp_path):
    save(tmp_path / "a.png", GRADIENT)
    found = reading.read(tmp_path / "a.png")
    assert found.names == ["a.png"] and found.classes is None and found.image_shape == (8, 8)


def test_16_bits_beside_colour_are_scaled(tmp_path):
    save(tmp_path / "a.png", GRADIENT)
    Image.new("RGB", (8, 8), "red").save(tmp_path / "b.png")
    deep, red = image_folder.read(tmp_path).pixels
    np.testing.assert_array_equal(deep, np.repeat(np.round(GRADIENT / 257), 3).reshape(8, 8, 3))
    np.testing.assert_array_equal(red, np.broadcast_to([255, 0, 0], (8, 8, 3)))
    np.testing.assert_array_equal(image_folder.read(tmp_path / "a.png", (8, 8, 3)).pixels[0], deep)


@pytest.mark.parametrize(
    ("scale", "dtype", "name", "white"),
    [
        (1 / 16, np.uint16, "a.png", 4095),
        (1 / 64, np.uint16, "a.tif", 1023),
        (1 / 257, np.uint16, "a.png", 255),
        (1, np.int32, "a.tif", 65535),
        (1 / 65535, np.float32, "a.tiff", 1),
        (0, np.uint16, "a.png", 1),
    ],
)
def test_white_is_as_many_bits_as_are_used(tmp_path, scale, dtype, name, white):
    """10 to 12 bits in files of 16 were nearly black."""
    levels = np.floor(GRADIENT * scale) if dtype != np.float32 else GRADIENT * scale
    save(tmp_path / name, levels, dtype)
    found = image_folder.read(tmp_path)
    assert found.white == white
    np.testing.assert_array_equal(found.pixels[0], np.round(np.asarray(levels, dtype) * (255 / white)))


def test_new_images_are_scaled_as_those_of_training(tmp_path, caplog):
    save(tmp_path / "dark.png", GRADIENT // 64)
    save(tmp_path / "bright.png", GRADIENT // 8)
    dark, bright = (image_folder.read(tmp_path / f"{name}.png", (8, 8), white=4095) for name in ("dark", "bright"))
    np.testing.assert_array_equal(dark.pixels[0], np.round(GRADIENT // 64 * (255 / 4095)))
    np.testing.assert_array_equal(bright.pixels[0], np.minimum(np.round(GRADIENT // 8 * (255 / 4095)), 255))
    assert not dark.notes
    assert "1 file, such as bright.png: levels above 4095, the white of training, are taken as white" in caplog.text


def test_a_trained_folder_keeps_its_white(tmp_path):
    save(tmp_path / "training" / "a.png", GRADIENT // 16)
    save(tmp_path / "new" / "a.png", GRADIENT // 64)
    options = Namespace(
        size=None,
        out=tmp_path,
        model="dmvae",
        seed=0,
        epochs=1,
        drop=[],
        categorical=[],
        query=None,
        decimal=".",
        dayfirst=False,
        encoding=None,
        na_values=[],
        fast=False,
    )
    source = inputs.read(tmp_path / "training")
    config = commands._config(options, source, None)
    for kept, white in ((config, 4095), ({"image_shape": [8, 8]}, 65535)):  # the second is of an earlier version
        _, x = inputs.prepare_again(tmp_path / "new", kept, None)
        np.testing.assert_array_equal(x[0], np.round(GRADIENT // 64 * (255 / white)).astype("f").ravel() / 255)


@pytest.mark.parametrize("levels", [GRADIENT - 1, np.where(GRADIENT > 0, GRADIENT, np.nan)])
def test_levels_that_mean_nothing_are_named(tmp_path, levels):
    save(tmp_path / "a.tif", levels, np.float32)
    with pytest.raises(DatasetError, match=r"a.tif cannot be read as an image: its levels are from (-1|nan)"):
        image_folder.read(tmp_path)


def test_what_is_transparent_in_16_bits_is_white(tmp_path):
    save(tmp_path / "a.png", GRADIENT, transparency=0)
    assert image_folder.read(tmp_path).pixels[0, 0, :2].tolist() == [255, 4]


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
def test_turned_images_have_their_upright_size(tmp_path, name):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise
    pixels = 4 * np.arange(45, dtype=np.uint8).reshape(5, 9)
    save(tmp_path / name, pixels, np.uint8, exif=exif)
    found = image_folder.read(tmp_path)
    assert found.image_shape == (9, 5)
    np.testing.assert_allclose(found.pixels[0].astype(int), np.rot90(pixels, -1), atol=30 if name == "a.jpg" else 4)


def test_a_photo_is_turned_though_other_notes_of_its_camera_are_damaged(tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x011A] = 6, 72.0  # a quarter turn clockwise; a resolution, of the type 5
    save(tmp_path / "a.jpg", np.arange(32).reshape(4, 8) * 8, np.uint8, exif=exif)
    whole, image = image_folder.read(tmp_path), (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(image.replace(b"\x01\x1a\x00\x05", b"\x01\x1a\x00\x01"))
    with pytest.raises(TypeError), Image.open(tmp_path / "a.jpg") as damaged:
        ImageOps.exif_transpose(damaged)
    np.testing.assert_array_equal(image_folder.read(tmp_path).pixels, whole.pixels)
    assert whole.image_shape == (8, 4)


def test_names_that_are_no_utf_8_can_be_written(tmp_path, caplog):
    """A page and predictions name the files: the training was lost where one could not be encoded."""
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    save(folder / os.fsdecode(b"\xff.png"), np.zeros((4, 4)), np.uint8)
    (folder / os.fsdecode(b"\xfe.txt")).touch()
    images = image_folder.read(tmp_path)
    assert images.names == [r"caf\xe9/\xff.png"] and images.classes == [r"caf\xe9"]
    assert r"1 file, such as caf\xe9/\xfe.txt: left out" in caplog.text


def test_files_that_are_not_read_are_told_in_a_line_a_kind(tmp_path, caplog):
    for name in ("train/cat/a.png", "train/cat/b.png", "train/dog/c.png", "train/dog/x/d.png", "stray.png", "._a.png"):
        save(tmp_path / name, GRADIENT)
    (tmp_path / "b.heic").write_bytes(b"")
    save(tmp_path / "two.tif", GRADIENT, save_all=True, append_images=[Image.new("I;16", (8, 8))])
    found = reading.read(tmp_path)
    assert found.names == ["stray.png", "two.tif"]
    assert [line.split(".")[0:2] for line in sorted(found.notes)] == [
        ["1 file, such as ", "_a"],
        ["1 file, such as b", "heic: left out, images end in "],
        ["1 file, such as two", "tif: left out are pages or frames after the first"],
        ["4 files, such as train/cat/a", "png: left out, deeper than one folder"],
    ]
    assert all(line in caplog.text for line in found.notes) and {"WARNING"} == {r.levelname for r in caplog.records}
    assert reading.read(tmp_path / "train").classes == ["cat", "cat", "dog"]


def test_a_folder_of_folders_of_classes_says_what_to_give(tmp_path):
    save(tmp_path / "train/cat/a.png", GRADIENT)
    with pytest.raises(DatasetError, match=r"no image\. .*such as train/cat/a.png: .* Give the folder above"):
        image_folder.read(tmp_path)


def test_folders_are_walked_within_bounds(tmp_path, monkeypatch):
    (tmp_path / "class" / "deeper").mkdir(parents=True)
    (tmp_path / "class" / "deeper" / "loop").symlink_to(tmp_path)
    save(tmp_path / "elsewhere" / "a.png", GRADIENT)
    (tmp_path / "linked").symlink_to(tmp_path / "elsewhere")
    found = image_folder.read(tmp_path)
    assert found.classes == ["elsewhere", "linked"] and found.notes == []
    monkeypatch.setattr(image_folder, "MAX_IMAGES", 0)
    with pytest.raises(DatasetError, match="holds more than 0 files"):
        image_folder.read(tmp_path)


def test_images_that_are_nearly_black_are_told_of(tmp_path, caplog):
    save(tmp_path / "a.png", GRADIENT // 4096, np.uint8)
    image_folder.read(tmp_path)
    assert "all are nearly black, no level is above 15 of 255" in caplog.text


def test_one_pixel_a_side_asks_for_more(tmp_path):
    Image.new("L", (1, 1)).save(tmp_path / "a.png")
    with pytest.raises(DatasetError, match="1 x 1; they need 2 pixels a side"):
        image_folder.read(tmp_path)
