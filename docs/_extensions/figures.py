"""The figures of glassconv in the site, drawn by the package in both themes.

A page shows a figure as any Markdown does, ``![text](images/window.png)``, which GitHub shows too.
In the site, that image follows the reader's theme. The gallery offers each for download.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

from docutils import nodes
from draw import EXAMPLES
from PIL import Image
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util.display import status_iterator

import glassconv
from glassconv.figures.animations import ANIMATED, animation
from glassconv.figures.kinds import KINDS
from glassconv.problem.shorthand import parse
from glassconv.views.figures import animation_file
from glassconv.views.figures.style import to_bytes
from glassconv.views.figures.theme import THEMES

FOLDER = "figures"
GALLERY = "gallery"
ANIMATE = "animate"
STILL = {**{kind: (kind, None) for kind in KINDS}, **EXAMPLES}

IMAGE = (
    '<img class="only-{theme}" src="{folder}/{name}-{theme}.{format}" alt="{text}" '
    'width="{width}" height="{height}" loading="lazy">'
)


class FollowTheme(SphinxTransform):
    """Replace the image of a figure by the two that were drawn, of which a theme shows one."""

    default_priority = 100  # before Sphinx looks for the files of images

    def apply(self) -> None:
        """Replace each image of a figure."""
        folder = "../" * self.env.docname.count("/") + FOLDER
        drawn = Path(self.app.outdir) / FOLDER
        for image in list(self.document.findall(nodes.image)):
            name = Path(image["uri"]).stem
            if name not in (*STILL, ANIMATE) or Path(image["uri"]).parent.name != "images":
                continue
            html = _both(name, folder, drawn, image.get("alt", ""))
            if self.env.docname == GALLERY:
                html += _downloads(name, folder)
            image.replace_self(nodes.raw("", html, format="html"))


def _both(name: str, folder: str, drawn: Path, text: str) -> str:
    """Return the HTML of a figure in both themes."""
    width, height = Image.open(drawn / f"{name}-light.{'gif' if name == ANIMATE else 'png'}").size
    format = "gif" if name == ANIMATE else "svg"
    return "".join(
        IMAGE.format(
            theme=theme,
            folder=folder,
            name=name,
            format=format,
            text=escape(text),
            width=width,
            height=height,
        )
        for theme in THEMES
    )


def _downloads(name: str, folder: str) -> str:
    """Return links that download a figure."""
    formats = ["gif"] if name == ANIMATE else ["svg", "png"]
    links = ", ".join(
        f'<a href="{folder}/{name}-{theme}.{format}" download>{theme} {format.upper()}</a>'
        for theme in THEMES
        for format in formats
    )
    return f'<span class="downloads">Download: {links}</span>'


def draw(app: Sphinx) -> None:
    """Draw each kind of figure in each theme, unless that was done for this version of the code."""
    folder = Path(app.outdir) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    package = Path(glassconv.__file__).parent
    newest = max(file.stat().st_mtime for file in package.rglob("*.py"))
    jobs = [(name, theme) for name in (*STILL, ANIMATE) for theme in THEMES]
    for name, theme in status_iterator(
        jobs, "drawing figures... ", "green", len(jobs), app.verbosity, "-".join
    ):
        format = "gif" if name == ANIMATE else "svg"
        file = folder / f"{name}-{theme}.{format}"
        if file.exists() and file.stat().st_mtime > newest:
            continue
        if name == ANIMATE:
            frames = list(animation(parse(ANIMATED), THEMES[theme]))
            file.write_bytes(animation_file.to_bytes(frames, "gif"))
            continue
        kind, problem = STILL[name]
        figure = glassconv.figure(kind, problem, style=theme)
        file.with_suffix(".png").write_bytes(to_bytes(figure, "png"))
        file.write_bytes(to_bytes(figure, "svg"))


def setup(app: Sphinx) -> dict[str, bool]:
    """Draw the figures, and let images follow the theme."""
    app.connect("builder-inited", draw)
    app.add_transform(FollowTheme)
    return {"parallel_read_safe": True}
