"""Where YAML's parser gives up: the place and the words are those of what the author did."""

from __future__ import annotations

import pytest

from klingflow.errors import ManifestError
from klingflow.manifest.misreading import Broken, explained
from klingflow.manifest.source import parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('a: { prompt: "x }\n', "1:14 a closing quote is missing"),
        (
            'prompt: "他说"你好""\n',
            '1:13 the text goes on behind its closing ";'
            ' write \\" for a quotation mark in the text',
        ),
        (
            'a: { prompt: "x }\nb: { prompt: "y" }\n',
            '1:14 a closing " is missing',
        ),
        (
            "a: { prompt: 'it's x' }\n",
            "1:18 the text goes on behind its closing '; write '' for ' in the text",
        ),
        (
            "a: 1\n%注释\n",
            "2:1 a line that begins with % is a directive of YAML, of which %YAML 1.2 with ---"
            " below it can be read; delete the line, or begin a comment with #",
        ),
        (
            "%YAML 1.2\na: 1\n",
            "1:1 a line that begins with % is a directive of YAML, of which %YAML 1.2 with ---"
            " below it can be read; delete the line, or begin a comment with #",
        ),
        (
            "%YAML 1.3\n---\na: 1\n",
            "1:1 a line that begins with % is a directive of YAML, of which %YAML 1.2 with ---"
            " below it can be read; delete the line, or begin a comment with #",
        ),
        ("a: 1\n...\n\nb: 2\n", "2:1 ... ends the text here; delete the line"),
        (
            "a: 1\nb:\u3000雨\n",
            "2:3 U+3000 IDEOGRAPHIC SPACE stands behind 'b:'; write a plain space",
        ),
        (
            "a:\n  b: 1\n  c:\u00a0雨\n",
            "3:5 U+00A0 NO-BREAK SPACE stands behind 'c:'; write a plain space",
        ),
        (
            "a:\n  b: 1\n  -\u3000c\n",
            "3:4 U+3000 IDEOGRAPHIC SPACE stands behind '-'; write a plain space",
        ),
        ("prompt:雨夜\nseconds: 5\n", "1:7 write a blank behind 'prompt:'"),
        (
            "a:\n  prompt: 雨夜\n\n    seconds: 5\n",
            "4:5 this line is indented more than line 2, so it goes on with the text there;"
            " align the two",
        ),
        (
            "a: { prompt: 雨夜 #特写, takes: 2 }\nb: { prompt: x }\n",
            "1:17 what follows the # is a comment, its } too; put the text in quotes",
        ),
        (
            "a: { tags: [雨 #夜], prompt: x }\n",
            "1:15 what follows the # is a comment, its ] too; put the text in quotes",
        ),
        (
            "a:\n  tags: [雨, #夜]\nb:\n  prompt: x\n",
            "2:13 what follows the # is a comment, its ] too; put the text in quotes",
        ),
        (
            "a:\n  tags: [雨, #夜]\n",
            "2:13 what follows the # is a comment, its ] too; put the text in quotes",
        ),
        (
            "a:\n  prompt: 雨夜 #特写\n    街头\n",
            "2:14 what follows the # is a comment, which ends the text; put the text in quotes",
        ),
        (
            'a: { prompt: "雨 #夜 }", takes: 2\nb: { prompt: x }\n',
            "2:2 close the {, and put the texts in it in quotes",
        ),
        (
            "a:\n    prompt: 雨夜\n   seconds: 5\n",
            "3:4 no line above is indented by 3 like this one; align it with its neighbours",
        ),
        (
            "prompt: @hero 走\n",
            "1:9 no text begins with this character; quote text that begins with @, ` or %",
        ),
        ("prompt: *强调* 走\n", "1:10 put a text that begins with * or & in quotes"),
        ("images: [a, b\nc: d\n", "2:2 close the [, and put the texts in it in quotes"),
        (
            "prompt: [特写] 雨夜\n",
            "1:14 the text goes on behind ]; quote a text that begins with [",
        ),
        (
            "prompt: 镜头1: 雨夜\n",
            "1:12 a second ': ' stands in this line; quote a text with ': ' in it",
        ),
        ("tags: - a\n", "1:7 a list with - begins on the line below its key; or write [a, b]"),
        ("a: b\nc\n", "2:1 a key needs ': ' behind it"),
        (
            "prompt: > 雨夜\n",
            "1:11 text behind | or > begins on the next line, indented;"
            " or quote a text that begins so",
        ),
        ("a:\n\tprompt: x\n", "2:1 a tab indents this line; YAML takes spaces only"),
        (
            'prompt: "C:\\refs.png\\q"\n',
            "1:21 inside \"…\" a \\ begins an escape; write \\\\ for \\, or put the text in '…'",
        ),
        (
            "a: { prompt: x${{ vars.b }} }\n",
            "1:15 a text with ${{ … }} inside {…} or […] is not in quotes; put it in quotes",
        ),
    ],
)
def test_the_place_and_the_words_are_the_authors(text: str, expected: str) -> None:
    """What people do, and the kinds of complaint that are left."""
    with pytest.raises(ManifestError) as refused:
        parse(text, "m.yaml")
    (found,) = [d for d in refused.value.diagnostics if d.code == "yaml-syntax"]
    assert f"{found.mark.line}:{found.mark.column} {found.message}" == expected


def test_a_complaint_without_words_of_ours_is_told_in_the_parsers() -> None:
    """Also behind the last line, where there is nothing to look at."""
    assert explained(Broken("found something new", ["a"], 9, 1)) == (9, 1, "found something new")
