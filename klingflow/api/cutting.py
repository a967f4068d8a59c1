"""`export` and `preview`: the film as it stands, cut, in a form for an editor, a player or a
viewer.

Nothing that was paid for is ever written over. How what is written gets its place is for
workshop.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

from klingflow import disk
from klingflow.api import links
from klingflow.api.planning import book_of, planned, selected_keys
from klingflow.api.site import Wish, read_of, site_for
from klingflow.api.workshop import workshop
from klingflow.edit import lists
from klingflow.errors import UsageError
from klingflow.ledger.book import Book
from klingflow.ledger.places import Site
from klingflow.media.cutter import Cutter, Unmade
from klingflow.media.orders import Order, Part
from klingflow.model import Manifest
from klingflow.results.timeline import Cue, Cut, Footage, clips, cues_of, cut_of, mark_of
from klingflow.words import _

Form = Literal["otio", "fcp7", "edl", "jianying", "srt", "csv", "m3u", "mp4", "folder"]
# What is done, of how much: videos, or seconds of the cut.
Tell = Callable[[int, int], None]

SHEET: Final = "sheet.csv"
_BOM: Final = "\ufeff"  # without it, Excel takes Chinese for another encoding
_EXTRAS: Final[Mapping[str, tuple[str, ...]]] = {
    "media": ("av", "PIL"),
    "edit": ("opentimelineio", "otio_fcp_adapter", "otio_cmx3600_adapter", "pyJianYingDraft"),
}


@dataclass(frozen=True, slots=True)
class Film:
    """A film as it is cut, with what has to be left alone: the files of its ledger and the videos
    that were paid for.
    """

    manifest: Manifest
    site: Site
    cut: Cut
    ours: frozenset[str] = field(repr=False, default=frozenset())

    def path(self, file: str) -> Path:
        """Return where a file of a clip lies."""
        return self.site.folder / file


@dataclass(frozen=True, slots=True)
class Product:
    """What was written. `copied` is True for an MP4 whose pictures are those of the videos, packet
    by packet.
    """

    path: Path
    cut: Cut
    copied: bool = False


def film_of(manifest: Manifest, wish: Wish, tell: Tell = lambda done, of: None) -> Film:
    """Return the film as it stands. Looks at every video of the cut.

    Raises NothingSelected, LedgerError, UsageError.
    """
    _need("media")
    site = site_for(manifest, wish)
    book = book_of(manifest, site)
    keys = selected_keys(manifest, book, wish, site)
    made = clips(planned(manifest, book, site), keys)
    files = list(dict.fromkeys(clip.file for clip in made if clip.file))
    seen = _looked_at(site.folder, files, tell)
    ours = frozenset(_real(path) for path in _ours(manifest, book, site))
    return Film(manifest, site, cut_of(manifest.name, made, seen), ours)


def _looked_at(folder: Path, files: Sequence[str], tell: Tell) -> dict[str, Footage]:
    """Return what the videos are that can be played. Raises UsageError."""
    seen: dict[str, Footage] = {}
    with _as_usage(_("the videos cannot be looked at")), Cutter() as cutter:
        for done, file in enumerate(files, 1):
            if found := cutter.look(Path(_whole(folder / file))):
                seen[file] = found
            tell(done, len(files))
    return seen


def _need(extra: str) -> None:
    """Raise UsageError where an extra is missing."""
    if not all(find_spec(name) for name in _EXTRAS[extra]):
        raise UsageError(
            _("this needs the {extra} extra: pip install 'klingflow[{extra}]'", extra=extra)
        )


def _ours(manifest: Manifest, book: Book, site: Site) -> Iterator[Path]:
    """Yield what is never written over."""
    paths = site.paths
    yield from (site.manifest, paths.lock, paths.journal, paths.picks, paths.pruned)
    yield from read_of(manifest, site)
    for purchase in (*book.purchases.values(), *book.pruned.values()):
        if purchase.output:
            yield site.folder / purchase.output


def _real(path: Path) -> str:
    return os.path.realpath(path)


# ---------------------------------------------------------------- where it goes


def target_of(film: Film, ending: str, output: str | None) -> Path:
    """Return where a product goes: to `output`, otherwise to the folder of the outputs.

    Raises UsageError for a file that klingflow needs, and LinksRefused.
    """
    if output is None:
        return links.product_of(film.site, film.manifest, film.manifest.name + ending)
    target = Path(output)
    inside = [ours for ours in film.ours if Path(ours).is_relative_to(_real(target))]
    if inside:
        raise UsageError(
            _("{output} is a file of the film itself; name another one with -o", output=output)
        )
    return target


# ---------------------------------------------------------------- export


@dataclass(frozen=True, slots=True)
class FormRow:
    """One form of an export. `write` makes it at its first path; the second is where it will lie.
    It returns what `Product` calls `copied`. `ending` ends its usual name, `extra` is what it needs
    beside `media`.
    """

    ending: str
    write: Callable[[Film, Path, Path, Tell], bool]
    extra: str = ""
    is_folder: bool = False


def export(
    film: Film, form: Form, target: Path, *, over: bool = False, tell: Tell = lambda a, b: None
) -> Product:
    """Write the film in a form. `over`: over a file that is there. Raises UsageError."""
    row = FORMS[form]
    if row.extra:
        _need(row.extra)
    with workshop(target, over=over) as made:
        copied = row.write(film, made, target, tell)
    return Product(target, film.cut, copied)


def _relative(film: Film, target: Path) -> Callable[[str], str]:
    """Return what gives the path of a file from the folder of the target, with /."""
    folder = _real(target.parent)

    def path(file: str) -> str:
        video = _real(film.path(file))
        try:
            return Path(os.path.relpath(video, folder)).as_posix()
        except ValueError:  # another drive of Windows
            return Path(video).as_posix()

    return path


def _url(film: Film, target: Path) -> Callable[[str], str]:
    path = _relative(film, target)

    def url(file: str) -> str:
        said = path(file)
        return Path(said).as_uri() if Path(said).is_absolute() else quote(said)

    return url


def _write_otio(film: Film, made: Path, target: Path, _tell: Tell) -> bool:
    from klingflow.edit import interchange  # for start-up: an extra

    made.write_bytes(interchange.as_otio(film.cut, _url(film, target)).encode())
    return False


def _write_fcp7(film: Film, made: Path, target: Path, _tell: Tell) -> bool:
    from klingflow.edit import interchange  # for start-up: an extra

    made.write_bytes(interchange.as_fcp7(film.cut, _url(film, target)).encode())
    return False


def _write_edl(film: Film, made: Path, target: Path, _tell: Tell) -> bool:
    from klingflow.edit import interchange  # for start-up: an extra

    made.write_bytes(interchange.as_edl(film.cut, _relative(film, target)).encode())
    return False


def _write_srt(film: Film, made: Path, _target: Path, _tell: Tell) -> bool:
    said = lists.as_srt(film.cut)
    if not said:
        raise UsageError(_("nothing is said in these shots: none has a dialogue"))
    made.write_bytes(said.encode())
    return False


def _write_csv(film: Film, made: Path, target: Path, _tell: Tell) -> bool:
    made.write_bytes((_BOM + lists.as_csv(film.cut, _relative(film, target))).encode())
    return False


def _write_m3u(film: Film, made: Path, target: Path, _tell: Tell) -> bool:
    made.write_bytes(lists.as_m3u(film.cut, _relative(film, target)).encode())
    return False


def _write_folder(film: Film, made: Path, _target: Path, tell: Tell) -> bool:
    """Write copies with numbers in front of their names, as second names of the files where the
    disk has such names, and a sheet.
    """
    made.mkdir()
    names: dict[str, str] = {}
    present = [(n, clip) for n, clip in enumerate(film.cut.clips, 1) if clip.file]
    for done, (number, clip) in enumerate(present, 1):
        name = f"{number:03}-{Path(clip.file).name}"
        disk.copy_new(Path(_real(film.path(clip.file))), made / name)
        names[clip.file] = name
        tell(done, len(present))
    sheet = _BOM + lists.as_csv(film.cut, lambda file: names[file])
    disk.write_new(made / SHEET, sheet.encode())
    return False


def _write_jianying(film: Film, made: Path, target: Path, tell: Tell) -> bool:
    from klingflow.edit import jianying  # for start-up: an extra
    from klingflow.media import cards  # for start-up: an extra

    made.mkdir()
    files = {clip.file: _real(film.path(clip.file)) for clip in film.cut.clips if clip.file}
    for number, clip in enumerate(film.cut.missing, 1):
        name = f"card-{number:03}.png"
        cards.card(clip, film.cut.width, film.cut.height).save(made / name)
        files[clip.key] = str(target.absolute() / name)
    jianying.write(film.cut, made, target.name, files)
    return False


def _write_mp4(film: Film, made: Path, target: Path, tell: Tell) -> bool:
    return _join(film, made, target, tell, previews=False)


FORMS: Final[Mapping[Form, FormRow]] = {
    "otio": FormRow(".otio", _write_otio, "edit"),
    "fcp7": FormRow(".xml", _write_fcp7, "edit"),
    "edl": FormRow(".edl", _write_edl, "edit"),
    "jianying": FormRow("-jianying", _write_jianying, "edit", is_folder=True),
    "srt": FormRow(".srt", _write_srt),
    "csv": FormRow(".csv", _write_csv),
    "m3u": FormRow(".m3u8", _write_m3u),
    "mp4": FormRow(".mp4", _write_mp4),
    "folder": FormRow("-cut", _write_folder, is_folder=True),
}


# ---------------------------------------------------------------- one video

PREVIEW: Final = ".preview.mp4"


def preview(
    film: Film, target: Path, *, over: bool = False, tell: Tell = lambda a, b: None
) -> Product:
    """Write one video of the film as it will be cut: what is here, and for the rest the references
    or cards, each at its length, with the dialogue in the picture. Raises UsageError.
    """
    with workshop(target, over=over) as made:
        _join(film, made, target, tell, previews=True)
    return Product(target, film.cut)


def _join(film: Film, made: Path, target: Path, tell: Tell, *, previews: bool) -> bool:
    cut = film.cut
    order = Order(
        _whole(made),
        cut.width,
        cut.height,
        cut.rate,
        tuple(_parts(film, previews=previews)),
        mark=mark_of(cut),
        quick=previews,
    )
    with (
        _as_usage(_("{target}: cannot be made of these videos", target=target)),
        Cutter() as cutter,
    ):
        return cutter.join(order, lambda frames: tell(round(frames / cut.rate), round(cut.seconds)))


def _parts(film: Film, *, previews: bool) -> Iterator[Part]:
    """Yield what the video is joined from; a preview has stills on its cards, and subtitles."""
    cut = film.cut
    for span in cut.spans:
        start_s = float(span.start / cut.rate)
        said = tuple(
            Cue(cue.start_s - start_s, cue.end_s - start_s, cue.text)
            for cue in (cues_of(span, cut.rate) if previews else ())
        )
        clip = span.clip
        if clip.file:
            yield Part(span.frames, _whole(film.path(clip.file)), said=said)
        else:
            still = _whole(film.path(clip.still)) if previews and clip.still else ""
            # Before anything is bought, every shot is missing: no card need say it.
            shown = replace(clip, missing="") if previews else clip
            yield Part(span.frames, card=shown, still=still, said=said)


def _whole(path: Path) -> str:
    return str(path.absolute())


@contextmanager
def _as_usage(what: str) -> Iterator[None]:
    """Turn what is said of videos that cannot be read into a UsageError."""
    try:
        yield
    except Unmade as error:
        raise UsageError(_("{what}: {error}", what=what, error=error)) from error


# ---------------------------------------------------------------- the font


def lacks_font(film: Film, form: Form | None) -> bool:
    """True if a form, or the preview where it is None, will draw Chinese, and no font has it."""
    from klingflow.media.fonts import chinese, lacks_chinese  # for start-up: an extra

    return lacks_chinese(" ".join(_drawn(film.cut, form)), chinese())


def _drawn(cut: Cut, form: Form | None) -> Iterator[str]:
    """Yield the texts that are drawn: on cards, and in a preview the dialogue."""
    if form is None:
        yield from (line for clip in cut.clips for line in clip.dialogue)
    if form in (None, "mp4", "jianying"):
        yield from (f"{clip.name} {clip.scene} {clip.prompt}" for clip in cut.missing)
