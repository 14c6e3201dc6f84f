"""Draw the photo and resize it."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from oxmq.demo.picture import PHOTO_SIZE, SIZES, draw_photo, resize


def test_the_photo_is_as_large_as_one_from_a_camera(tmp_path: Path) -> None:
    draw_photo(tmp_path / "photo.jpg")
    with Image.open(tmp_path / "photo.jpg") as photo:
        assert (photo.format, photo.size) == ("JPEG", PHOTO_SIZE)
    assert (tmp_path / "photo.jpg").stat().st_size > 1_000_000


def test_the_photo_is_always_the_same(tmp_path: Path) -> None:
    draw_photo(tmp_path / "one.jpg", (400, 300))
    draw_photo(tmp_path / "two.jpg", (400, 300))
    assert (tmp_path / "one.jpg").read_bytes() == (tmp_path / "two.jpg").read_bytes()


def test_resize_writes_each_size_and_nothing_else(tmp_path: Path) -> None:
    draw_photo(tmp_path / "photo.jpg", (2000, 1500))
    names = resize(tmp_path / "photo.jpg", tmp_path / "out")
    assert sorted(names) == sorted(file.name for file in (tmp_path / "out").iterdir())
    for name, size in zip(names, SIZES, strict=True):
        with Image.open(tmp_path / "out" / name) as picture:
            assert (picture.format, picture.size) == ("WEBP", size)


def test_resize_tells_how_far_it_is(tmp_path: Path) -> None:
    draw_photo(tmp_path / "photo.jpg", (400, 300))
    told: list[tuple[int, int]] = []
    resize(tmp_path / "photo.jpg", tmp_path / "out", lambda done, of: told.append((done, of)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_resize_may_run_twice(tmp_path: Path) -> None:
    draw_photo(tmp_path / "photo.jpg", (800, 600))
    assert resize(tmp_path / "photo.jpg", tmp_path / "out") == resize(tmp_path / "photo.jpg", tmp_path / "out")


def test_an_upright_photo_is_cropped_to_the_sizes(tmp_path: Path) -> None:
    draw_photo(tmp_path / "photo.jpg", (300, 500))
    resize(tmp_path / "photo.jpg", tmp_path / "out")
    with Image.open(tmp_path / "out" / "320x240.webp") as picture:
        assert picture.size == (320, 240)
