# SPDX-License-Identifier: Apache-2.0
"""Real glyphs: which Debian font packages are used, for what, and how a glyph becomes a picture.

A package belongs either to the generator or to the judge, never to both, so the judge knows only
fonts that the generator never saw. Pictures are 32x32, ink 0 on paper 255. One size for a font: its
H is 21 pixels high, so the widths and heights of a font's glyphs stay as its maker drew them.
"""

import re
import subprocess

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIZE = 32
CAP_HEIGHT = 21.0
OVERSAMPLING = 4
CHARACTERS = list("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
STYLES = ["sans", "sans-bold", "sans-italic", "serif", "serif-bold", "serif-italic", "mono", "hand"]

# Base style of each package. Files named after a monospaced or other face are sorted by `FACES`.
GENERATOR_PACKAGES = {
    "sans": """adf-gillius adf-switzera adf-verana b612 cantarell clear-sans crosextra-carlito
        dejavu-core dejavu-extra freefont-otf go karla lato liberation2 lmodern open-sans play
        roboto-unhinted texgyre tuffy urw-base35 manrope sora yanone-kaffeesatz oxygen
        gfs-neohellenic comfortaa roadgeek sil-andika national-park cmu eurofurence
        opendyslexic""",
    "serif": """adf-accanthis adf-baskervald adf-romande adf-tribun averia-serif-gwf
        crosextra-caladea essays1743 gfs-didot roboto-slab sil-charis vollkorn
        sil-gentium-basic fanwood junicode linuxlibertine levien-museum""",
    "mono": "hermit agave fantasque-sans firacode hack jetbrains-mono monofur inconsolata",
    "hand": """comic-neue breip dkg-handwriting humor-sans yusei-magic tlwg-purisa-otf
        lobstertwo sjfonts""",
}
JUDGE_PACKAGES = {
    "sans": """adf-ikarius adf-universalis allerta averia-sans-gwf beteckna cabin dosis inter
        junction jura karmilla opendin osifont quicksand routed-gothic tlwg-umpush-otf noto-core
        paratype millimetre""",
    "serif": """adf-berenis adf-irianis adf-libris arapey century-catalogue ebgaramond
        gfs-artemisia goudybookletter lindenhill oldstandard prociono quattrocento stix
        yrsa-rasa""",
    "mono": "anonymous-pro courier-prime league-mono mononoki noto-mono monoid",
    "hand": "dustin femkeklaver rufscript tomsontalks ecolier-court klee",
}

# What a face's name says about its style; the first match wins.
FACES = [
    ("mono", r"mono|\bcode|cursor|typewriter|cmunt|cmunbt|cmunvt|cmunit\b|lmmono"),
    ("hand", r"domestic|wasn|balker"),
    ("serif", r"serif|roman|slab|schola|termes|pagella|bonum|bookman|p052|c059|libertine|museum"
              r"|lmr|cmunrm|cmunbx|cmunbl|cmunti|cmunsl|cmunb[mi]|ptf|ptz|verana-"),
    ("sans", r"sans|heros|adventor|gothic|biolinum|lmss|cmunss|cmunsx|cmunso|cmunsi"),
]
UNWANTED = re.compile(
    r"thin|hairline|extra-?light|ultra-?light|outline|stencil|math|integrals|nonunicode|symbol"
    r"|dingbat|d050|smallcaps|caps|rz|initials|initial|junkyard|penguin|winks|flatline|wargames"
    r"|marked|loco|progen|swift|monoisome|non-?latin|kufi|looped|sizeone|sizetwo|sizethree"
    r"|sizefour|sizefive|variants|\[|cmunst|cmunui|upright|cmunobx|cmunci|dunh|chorus|z003"
    r"|dustismo",
    re.IGNORECASE,
)


def font_files(package):
    """Paths of the outline fonts that an installed Debian package holds, one a file name."""
    listing = subprocess.run(
        ["dpkg", "-L", f"fonts-{package}"], capture_output=True, text=True, check=True
    ).stdout
    paths = {p.rsplit("/", 1)[1]: p for p in sorted(listing.split("\n"))
             if p.lower().endswith((".ttf", ".otf"))}
    if package == "noto-core":  # hundreds of scripts; these are the Latin ones
        paths = {n: p for n, p in paths.items()
                 if re.match(r"Noto(Sans|Serif|SansDisplay|SerifDisplay)-", n)}
    return [p for n, p in sorted(paths.items()) if not UNWANTED.search(n)]


def face_style(path, font, base):
    """The style label of a face, or None for bold italics, which no label describes."""
    family, face = font.getname()
    name = f"{path.rsplit('/', 1)[1]} {family} {face}".lower()
    if base in ("sans", "serif"):
        base = next((style for style, words in FACES if re.search(words, name)), base)
    bold = bool(re.search(r"bold|black|heavy|\bdemi", name))
    italic = bool(re.search(r"ital|obliq|slant|inclined", name))
    if base in ("mono", "hand"):
        return base
    if bold and italic:
        return None
    return base + ("-bold" if bold else "-italic" if italic else "")


def render(font, character, stretch=(1.0, 1.0), shift=(0.0, 0.0)):
    """One glyph, centred across and with the capitals' height centred: uint8 [SIZE, SIZE].

    stretch: factors of width and height. shift: pixels to the right and down.
    """
    large = SIZE * OVERSAMPLING
    left, _, right, _ = font.getbbox(character, anchor="ls")
    _, top, _, bottom = font.getbbox("H", anchor="ls")
    canvas = Image.new("L", (2 * large, 2 * large), 255)
    origin = (large - (left + right) / 2, large - (top + bottom) / 2)
    ImageDraw.Draw(canvas).text(origin, character, font=font, fill=0, anchor="ls")
    half = [large / 2 / s for s in stretch]
    dx, dy = (d * OVERSAMPLING for d in shift)
    box = (large - half[0] - dx, large - half[1] - dy, large + half[0] - dx, large + half[1] - dy)
    return np.asarray(canvas.resize((SIZE, SIZE), Image.Resampling.BOX, box=box))


def open_font(path):
    """The font at the size that makes H `CAP_HEIGHT` pixels high and W no wider than a picture."""
    probe = ImageFont.truetype(path, 400, layout_engine=ImageFont.Layout.BASIC)
    _, top, _, bottom = probe.getbbox("H", anchor="ls")
    widest = max(probe.getbbox(c)[2] - probe.getbbox(c)[0] for c in CHARACTERS)
    if bottom - top < 40 or widest < 40:
        raise ValueError("no capitals")
    scale = min(CAP_HEIGHT / (bottom - top), (SIZE - 1.5) / widest)
    return ImageFont.truetype(path, 400 * scale * OVERSAMPLING,
                              layout_engine=ImageFont.Layout.BASIC)


def usable(font):
    """Whether the font has every character, figures of capitals' height, no two glyphs alike."""
    heights = {c: -font.getbbox(c, anchor="ls")[1] for c in CHARACTERS}
    if heights["H"] < 0.55 * CAP_HEIGHT * OVERSAMPLING:
        return False
    if min(heights[c] for c in "0123456789") < 0.82 * heights["H"]:
        return False
    pictures = np.stack([render(font, c) for c in CHARACTERS]).astype(np.float32).reshape(36, -1)
    ink = 255 - pictures.mean(axis=1)
    differences = np.abs(pictures[:, None] - pictures[None]).mean(axis=2) / ink.max()
    differences[np.diag_indices(36)] = 1.0
    return bool(ink.min() > 4.0 and differences.min() > 0.06)


def load_fonts(packages):
    """Usable fonts of the packages of one side, as a list of (font, style index, path)."""
    fonts = []
    for base, names in packages.items():
        for package in names.split():
            for path in font_files(package):
                try:
                    font = open_font(path)
                    style = face_style(path, font, base)
                    if style is not None and usable(font):
                        fonts.append((font, STYLES.index(style), path))
                except (OSError, ValueError):
                    continue
    return fonts


def make_pictures(packages, variants, stretch, shift, seed):
    """Renders every character of every font of `packages`, `variants` times with random changes.

    stretch: largest relative change of width and height. shift: largest move in pixels. The first
    variant is unchanged. Returns uint8 pictures [n, SIZE, SIZE], characters [n], styles [n].
    """
    random = np.random.default_rng(seed)
    pictures, characters, styles = [], [], []
    for font, style, _ in load_fonts(packages):
        for variant in range(variants):
            amount = 0.0 if variant == 0 else 1.0
            factors = 1.0 + amount * random.uniform(-stretch, stretch, 2)
            for index, character in enumerate(CHARACTERS):
                move = amount * random.uniform(-shift, shift, 2)
                pictures.append(render(font, character, factors, move))
                characters.append(index)
                styles.append(style)
    return np.stack(pictures), np.array(characters), np.array(styles)


def cached_pictures(path, *arguments, **settings):
    """`make_pictures`, kept in the file `path` for the next run; delete it to render anew."""
    names = ("pictures", "characters", "styles")
    if not path.exists():
        np.savez(path, **dict(zip(names, make_pictures(*arguments, **settings))))
    with np.load(path) as stored:
        return tuple(stored[name] for name in names)


def contact_sheet(pictures, columns, margin=2):
    """uint8 pictures [n, h, w] side by side, `columns` in a row, as one image of 16 greys."""
    count, height, width = pictures.shape
    rows = -(-count // columns)
    sheet = Image.new(
        "L", (columns * (width + margin) + margin, rows * (height + margin) + margin), 255
    )
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        sheet.paste(Image.fromarray(picture),
                    (margin + column * (width + margin), margin + row * (height + margin)))
    return sheet.quantize(16)


def main():
    """Prints the names of the Debian packages that hold the fonts, for apt-get install."""
    for packages in (GENERATOR_PACKAGES, JUDGE_PACKAGES):
        print(" ".join(f"fonts-{n}" for names in packages.values() for n in names.split()))


if __name__ == "__main__":
    main()
