"""The commands that cut the film: export and preview. As thin as klingflow.terminal.cli."""

from __future__ import annotations

from typing import Any

import click

from klingflow.terminal import flags
from klingflow.terminal.options import Options

# As `klingflow.api.cutting.FORMS`, which is not imported here, for start-up.
FORMS = ("otio", "fcp7", "edl", "jianying", "srt", "csv", "m3u", "mp4", "folder")

# What of the film is meant, and where it goes.
_which = flags.together(
    click.option(
        "-o",
        "--output",
        "save",
        metavar="PATH",
        type=click.Path(),
        help="Where to write it. By default below outputs/.",
    ),
    click.option("-y", "--yes", is_flag=True, help="Replace a file that is there, without asking."),
    flags.var,
    flags.profile,
    flags.selection,
    flags.sandbox,
    flags.no_black_box,
    flags.quiet,
)


@click.command()
@flags.file
@click.option("--to", "form", required=True, type=click.Choice(FORMS), help="In which form.")
@_which
def export(file: str, form: str, **options: Any) -> int:
    """Write the film for an editor, a player or a viewer.

    \b
    klingflow export film.yaml --to fcp7            # for Premiere and Resolve
    klingflow export film.yaml --to mp4 -o cut.mp4 -y     # over the last one, as a script does
    klingflow export film.yaml --to folder -s tag:act1

    \b
    Forms:
      otio OpenTimelineIO           fcp7 Final Cut Pro 7 XML: Premiere, Resolve
      edl CMX 3600                  jianying a draft of 剪映
      srt subtitles                 csv a table of the shots
      m3u a list for players        mp4 one video
      folder numbered copies and a sheet

    The film is the take that counts of each shot, in the manifest's order. A shot without a video
    is a gap of its length; in mp4 and jianying it is a card. Needs the media extra;
    otio, fcp7, edl and jianying need the edit extra as well.
    """
    from klingflow.terminal import cut_commands  # for start-up

    return cut_commands.export(file, form, Options(**options))


@click.command()
@flags.file
@_which
def preview(file: str, **options: Any) -> int:
    """Make a video of the film before money is spent. Buys nothing, needs no network.

    \b
    klingflow preview film.yaml
    klingflow preview film.yaml -s tag:act1 -o act1.mp4

    Each shot lasts as long as it will: with its video where that is here, otherwise with its first
    local image or a card, and with its dialogue in the picture. Needs the media extra.
    """
    from klingflow.terminal import cut_commands  # for start-up

    return cut_commands.preview(file, Options(**options))
