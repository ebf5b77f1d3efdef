"""What the head of a picture's file says, before a pixel is decoded: format, size, depth, how it is turned."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError

from edge_agent.access.rights import describe_refusal
from edge_agent.errors import InvalidRequest
from edge_agent.inference.imaging.bitmap import MAX_SIDE

#: formats that are read, by Pillow's names
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
NAMES = "PNG, JPEG, BMP, TIFF or WebP"

_ORIENTATION, _MAKE, _MODEL = 0x0112, 0x010F, 0x0110
_IMAGE_WIDTH, _IMAGE_LENGTH, _BITS_PER_SAMPLE = 256, 257, 258
_TURNED_BY_90 = (5, 6, 7, 8)
#: where a PNG has EXIF tags that Pillow finds before the pixels
_EXIF_KEYS = ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp")
_DEEP_MODES = ("I;16", "I;16B", "I;16L", "I")
_UNREADABLE_MODES = {"F": "32-bit floating-point values"}

# Pillow's own limits warn on the terminal and come late; ours is checked from the head of the file.
Image.MAX_IMAGE_PIXELS = None


class PictureFile(NamedTuple):
    """The head of a picture's file."""

    path: Path
    format: str
    #: as the file stores it
    stored_width: int
    stored_height: int
    #: EXIF orientation, 1 to 8; 1: as it is stored
    orientation: int
    #: bits of a channel, 8 or 16
    depth: int
    #: grey, without colours
    is_grey: bool
    #: some pixels may be transparent
    has_alpha: bool
    #: Pillow's name of the kind of pixels, such as RGB or CMYK
    mode: str
    #: bytes of the file
    size: int
    #: make and model of the camera, "" where the file does not say
    camera: str
    #: digest of a JPEG's quantisation tables, "" for others: what encoded it, and how well
    encoding: str

    @property
    def is_turned(self) -> bool:
        """Tell whether the picture is shown otherwise than it is stored."""
        return self.orientation != 1

    @property
    def shown(self) -> tuple[int, int]:
        """Width and height as the picture is seen, turned."""
        if self.orientation in _TURNED_BY_90:
            return self.stored_height, self.stored_width
        return self.stored_width, self.stored_height


def examine(path: Path, what: str = "", expected: str = f"{NAMES} picture") -> PictureFile:
    """Read the head of a picture's file; `what` stands before its name in errors, such as "mask ".

    Raises:
        InvalidRequest: it does not exist, is empty, is no picture of these formats, has several pages, or values that
            are no grey levels.
    """
    try:
        size = path.stat().st_size
        if not size:
            raise InvalidRequest(f"{what}{path} is empty")
        with Image.open(path, formats=FORMATS) as image:
            return _describe(path, image, size, what)
    except UnidentifiedImageError:
        raise InvalidRequest(f"{what}{path} is not a {expected}") from None
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises SyntaxError for a broken PNG chunk
        raise unreadable(path, error, what) from None


def check_sides(file: PictureFile, what: str = "") -> None:
    """Raise InvalidRequest for a picture that is larger than any model takes."""
    width, height = file.shown
    if max(width, height) > MAX_SIDE:
        raise InvalidRequest(f"{what}{file.path} is {width}x{height}, expected {MAX_SIDE}x{MAX_SIDE} at most")


def unreadable(path: Path, error: Exception, what: str = "") -> InvalidRequest:
    """Make the error of a file that can't be read of a library's."""
    why = describe_refusal(error, path) if isinstance(error, OSError) else error
    return InvalidRequest(f"{what}{path} can't be read: {why}")


def _describe(path: Path, image: Image.Image, size: int, what: str) -> PictureFile:
    pages = getattr(image, "n_frames", 1)
    if pages > 1:
        raise InvalidRequest(f"{what}{path} has {pages} pages or frames, expected one picture")
    if image.mode in _UNREADABLE_MODES:
        raise InvalidRequest(f"{what}{path} holds {_UNREADABLE_MODES[image.mode]}, expected 8 or 16 bits a channel")
    depth = _depth(path, image)
    if depth not in (8, 16):
        raise InvalidRequest(f"{what}{path} has {depth} bits a channel, expected 8 or 16")
    exif = _exif(path, image)
    tables = getattr(image, "quantization", None)
    orientation = exif.get(_ORIENTATION, 1)
    tags = getattr(image, "tag_v2", {})  # of a TIFF, whose size Pillow gives as it is seen
    return PictureFile(
        path=path,
        format=image.format or "",
        stored_width=int(tags.get(_IMAGE_WIDTH, image.width)),
        stored_height=int(tags.get(_IMAGE_LENGTH, image.height)),
        orientation=orientation if orientation in range(1, 9) else 1,
        depth=depth,
        is_grey=image.mode in ("1", "L", "LA", *_DEEP_MODES),
        has_alpha=image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info,
        mode=image.mode,
        size=size,
        camera=" ".join(str(exif[tag]).strip("\0 ") for tag in (_MAKE, _MODEL) if tag in exif),
        encoding=hashlib.sha256(repr(sorted(tables.items())).encode()).hexdigest()[:12] if tables else "",
    )


def _exif(path: Path, image: Image.Image) -> Image.Exif:
    """Read the EXIF tags. For those of a PNG Pillow decodes all pixels, as they may stand behind: only if they do."""
    if image.format == "PNG" and not any(key in image.info for key in _EXIF_KEYS) and not _has_late_exif(path):
        return Image.Exif()
    return image.getexif() if max(image.size) <= MAX_SIDE else Image.Exif()


def _has_late_exif(path: Path) -> bool:
    """Look through a PNG's chunks for an eXIf; where they break off, there is none."""
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            if head[4:] == b"eXIf":
                return True
            file.seek(int.from_bytes(head[:4], "big") + 4, 1)  # the data, and a checksum behind it
    return False


def _depth(path: Path, image: Image.Image) -> int:
    """Give the bits of a channel. Pillow calls a picture of three 16-bit channels RGB, and takes their upper halves."""
    if image.format == "PNG":
        with path.open("rb") as file:
            return max(8, file.read(25)[24])  # IHDR: 1, 2 and 4 bits are spread over 8
    if image.format == "TIFF":
        tags = getattr(image, "tag_v2", {})
        return max(8, *(int(bits) for bits in tags.get(_BITS_PER_SAMPLE, (8,))))
    return 16 if image.mode in _DEEP_MODES else 8
