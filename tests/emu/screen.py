# SPDX-License-Identifier: BSD-2-Clause
"""Reads text from a picture of the kernel's frame buffer console, by the kernel's own font."""
import re
from functools import cache

from machine import Picture
from workbench.console import ROOT

WIDTH, HEIGHT = 8, 16
CURSOR_ROWS = 2
FIRST, TOP, BAND = 0x20, 2, 8  # of the drawings: first letter, rows above, letters side by side


@cache
def glyphs() -> dict[bytes, str]:
    """What the drawings in src/lib/font8x16.cpp look like: a byte a pixel, 1 if it is set."""
    source = (ROOT / "src/lib/font8x16.cpp").read_text()
    lines = re.findall(r'^    "((?:[#.]{7} ?){8})"', source, re.M)
    found = {}
    for band in range(0, len(lines), 13):
        for place in range(BAND):
            rows = [line.split()[place] + "." for line in lines[band:band + 13]]
            rows = ["." * WIDTH] * TOP + rows + ["." * WIDTH] * (HEIGHT - TOP - len(rows))
            pixels = bytes(pixel == "#" for pixel in "".join(rows))
            found.setdefault(pixels, chr(FIRST + band // 13 * BAND + place))
    return found


def text_of(picture: Picture) -> list[str]:
    """The lines, without spaces at their ends; what is no letter is U+FFFD, the cursor is "_"."""
    letters = glyphs()
    blank = b"".join(bytes([y >= HEIGHT - CURSOR_ROWS]) * WIDTH for y in range(HEIGHT))
    letters = letters | {blank: "_"}
    lit = bytes(map(bool, picture.data[1::3]))  # every colour on black but blue and red has green
    text = []
    for top in range(0, picture.height - HEIGHT + 1, HEIGHT):
        rows = [lit[(top + y) * picture.width:(top + y + 1) * picture.width] for y in range(HEIGHT)]
        cells = (b"".join(row[x:x + WIDTH] for row in rows)
                 for x in range(0, picture.width - WIDTH + 1, WIDTH))
        text.append("".join(letters.get(cell, "\ufffd") for cell in cells).rstrip())
    return text
