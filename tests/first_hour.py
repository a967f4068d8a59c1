"""The first hour with a storyboard of thirty shots: what a producer types wrong, and all that
klingflow says to it.

`tests/data/first-hour/` holds the storyboard as it is right in the end, its rows and its prices.
Each step is this storyboard with a few mistakes in it, or a command with one. What is said stands
in transcript.txt there; after a message has changed, write it again and look at the difference:

    python -m tests.first_hour
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from klingflow.terminal import cli

DATA = Path(__file__).parent / "data" / "first-hour"
TRANSCRIPT = DATA / "transcript.txt"
FILM = "雨夜.yaml"


@dataclass(frozen=True)
class Step:
    """One thing that goes wrong. `typed` is what stands in the manifest instead of what is right,
    `text` a manifest of its own; `files` lie beside it, `environ` is set. `mistakes` counts what is
    wrong.
    """

    title: str
    command: str = f"validate {FILM}"
    typed: Mapping[str, str] = field(default_factory=dict)
    text: str | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    mistakes: int = 1


_S01 = "prompt: 航拍雨中巨城，镜头缓慢下降到街道 }"
_S02 = "  s02: { tags: [第一幕, 外景], prompt: 霓虹招牌在积水里的倒影，车轮碾过 }"
_S05 = "  s05: { tags: [第一幕, 内景], prompt: 老板娘擦着杯子，抬眼打量来客 }"
_S06 = "  s06: { tags: [第一幕, 内景], prompt: 墙上旧照片的特写，雨声渐强 }"
_S09 = "  s09: { tags: [第二幕], prompt: 黑衣人穿过夜市，手持跟拍 }"
_S12 = "  s12: { tags: [第二幕, 外景], prompt: 屋顶上雨水四溅，远处钟楼敲响午夜 }"
_S14 = "  s14: { tags: [第二幕], prompt: 一枚怀表滑落，慢镜头坠向街面 }"
_S16 = "  s16: { tags: [第二幕], prompt: 表盖内的合影，一张脸被烧去 }"
_S17 = "  s17: { tags: [第三幕, 内景], prompt: 档案室里一排排铁柜，日光灯闪烁 }"
_S19 = "  s19: { tags: [第三幕], prompt: 卷宗上的照片与怀表合影重叠 }"
_S21 = "  s21: { tags: [第三幕], prompt: 黑伞在桥中央停下，江风掀起衣角 }"
_S23 = "  s23: { tags: [第三幕], prompt: 伞沿抬起，露出半张烧伤的脸 }"
_S24 = "  s24: { tags: [第三幕], prompt: 两人隔雨相望，背景的城市失焦 }"
_S26 = "  s26: { tags: [尾声, 外景], prompt: 雨停，晨光照进窄巷 }"

STEPS: Sequence[Step] = (
    # --- the command and the file
    Step("another suffix", "validate 雨夜.yml"),
    Step("the folder instead of the file", "plan ."),
    Step("the spreadsheet itself", "validate 分镜.xlsx", files={"分镜.xlsx": b"PK\x03\x04"}),
    Step("the rows instead of the manifest", "plan products.csv"),
    Step("the prices instead of the manifest", "run prices.yaml --sandbox"),
    # --- YAML
    Step("a Chinese colon", typed={"name: 雨夜": "name：雨夜"}),
    Step("a blank left out behind a colon", typed={"prices: prices.yaml": "prices:prices.yaml"}),
    Step("a tab", typed={_S02: "\ts02: { prompt: 霓虹招牌 }"}),
    Step("a Chinese blank", typed={_S02: "\u3000\u3000s02: { prompt: 霓虹招牌 }"}),
    Step("a quotation mark that is not closed", typed={_S02: '  s02: { prompt: "霓虹招牌 }'}),
    Step("quotation marks inside a quoted text", typed={_S05: '  s05: { prompt: "她说"来了"" }'}),
    Step("a text that begins with a bracket", typed={_S05: "  s05:\n    prompt: [特写] 老板娘"}),
    Step("a text that begins with @", typed={_S05: "  s05:\n    prompt: @老板娘 擦着杯子"}),
    Step("a colon in a text", typed={_S05: "  s05:\n    prompt: 镜头5: 老板娘擦着杯子"}),
    Step(
        "an English comma in a text within braces",
        typed={_S05: "  s05: { prompt: 老板娘, 擦杯子 }"},
    ),
    Step("a line indented too much", typed={_S06: "  s06:\n    prompt: 旧照片\n      seconds: 5"}),
    Step("a line indented too little", typed={_S06: "  s06:\n    prompt: 旧照片\n   seconds: 5"}),
    Step("a colon left out behind an id", typed={_S06: "  s06 { prompt: 旧照片 }"}),
    # --- names
    Step(
        "the shots as a list",
        text="version: 1\nshots:\n  - id: s01\n    提示词: 航拍雨中巨城\n",
    ),
    Step(
        "Chinese field names",
        typed={
            _S09: "  s09: { 提示词: 黑衣人穿过夜市, 时长: 5, 画幅: 9:16, 声音: true }",
            _S12: "  s12: { 画面: 屋顶上雨水四溅, 运镜: 慢推, 反向提示词: 文字 }",
        },
        mistakes=7,
    ),
    Step(
        "field names of other tools",
        typed={
            _S14: "  s14: { prompt: 怀表滑落, duration: 5, ratio: 16:9, sound: true, seed: 7 }",
            _S16: "  s16: { prompt: 合影, negative_prompt: 文字, cfg_scale: 0.5, n: 3, mode: pro }",
        },
        mistakes=8,
    ),
    Step(
        "fields in the wrong place",
        typed={
            "defaults:\n  model: kling-3.0\n": "model: kling-3.0\ndefaults:\n",
            "run: { max_running: 3, max_spend: 300 }": "max_spend: 300\nrun: { concurrency: 3 }",
        },
        mistakes=3,
    ),
    Step(
        "slips of the pen",
        typed={
            _S17: "  s17: { promt: 档案室里一排排铁柜 }",
            _S19: "  s19: { use: heros, prompt: 合影重叠 }",
            'prompt: "${{ vars.hero }}独自走向桥中央"': 'prompt: "${{ vars.hreo }}独自走向桥中央"',
            "after: s27": "after: s72",
        },
        mistakes=4,
    ),
    Step(
        "a field that has lost its indentation", typed={_S21: "  s21: { prompt: x }\n  seconds: 8"}
    ),
    Step("a bare text as a shot", typed={_S21: "  s21: 黑伞在桥中央停下"}),
    # --- values
    Step(
        "values as they are said",
        typed={
            "  seconds: 5\n  resolution: 720P\n": "  seconds: 5秒\n  resolution: 高清\n",
            "  aspect_ratio: 16:9\n  audio: true\n": "  aspect_ratio: 16：9\n  audio: 有\n",
        },
        mistakes=4,
    ),
    Step(
        "another spelling of a model",
        typed={"  model: kling-3.0\n": "  model: kling3.0\n"},
    ),
    Step(
        "pictures that the gateway cannot fetch",
        typed={
            "    first_frame: ${{ vars.cdn }}/door-a.png": "    first_frame: ./refs/门-关.png",
            "last_frame: ${{ vars.cdn }}/door-b.png": "last_frame: ../refs/门-开.png",
            'images: ["${{ vars.cdn }}/linxia.png"]': "images: [http://192.168.1.20/linxia.png]",
        },
        mistakes=3,
    ),
    Step(
        "lengths that a model does not make",
        typed={
            _S23: "  s23: { model: kling-2.5, seconds: 7, prompt: 伞沿抬起 }",
            "    seconds: null\n": "",
        },
        mistakes=2,
    ),
    # --- text that would be lost, or sent as it stands
    Step(
        "text that is not bought as it is read",
        typed={
            _S24: "  s24:\n    prompt: 两人隔雨相望 #特写",
            _S26: "  s26: { tags: 尾声，外景, prompt: “雨停，晨光照进窄巷” }",
            'prompt: "${{ vars.hero }}把怀表放进河里"': 'prompt: "{{ vars.hero }}把怀表放进河里"',
        },
        mistakes=4,
    ),
    # --- rows
    Step(
        "rows separated by Chinese commas",
        files={"products.csv": "编号，名称，时长\nA-01，怀表，5\n".encode()},
    ),
    Step(
        "rows saved by an old Excel",
        files={"products.csv": "编号,名称,时长\nA-01,怀表,5\n".encode("gbk")},
    ),
    Step(
        "a column that is not there, and a cell that is no number",
        typed={"${{ row.名称 }}": "${{ row.品名 }}"},
        files={"products.csv": "编号,名称,时长\nA-01,怀表,5秒\n".encode()},
        mistakes=2,
    ),
    # --- the command line and the gateway
    Step("a shot that is not there", f"plan {FILM} --sandbox -s s40"),
    Step("a variable that is not there", f"plan {FILM} --sandbox --var hreo=林夏"),
    Step("an amount in words", f"run {FILM} --sandbox --max-spend 三百"),
    Step("no gateway", f"run {FILM}"),
    Step(
        "the gateway without https://",
        f"plan {FILM}",
        environ={"KLINGFLOW_BASE_URL": "gw.example.com"},
    ),
    Step(
        "the key behind the address",
        f"plan {FILM}",
        environ={"KLINGFLOW_BASE_URL": "https://gw.example.com/v1?key=sk-secret-1234567890"},
    ),
)


def transcript() -> str:
    """All steps, each with its command and what is said to it."""
    told = (f"### {step.title}\n$ klingflow {step.command}\n{said(step)}" for step in STEPS)
    return "\n".join(told)


def said(step: Step) -> str:
    """What klingflow says to a step, in a folder of its own: stdout, then stderr."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        _write(step, folder)
        out, err = io.StringIO(), io.StringIO()
        with (
            contextlib.chdir(folder),
            _environ({**step.environ, "KLINGFLOW_STATE_DIR": str(folder / "state")}),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            cli._exit_code(step.command.split())
        text = (out.getvalue() + err.getvalue()).replace(str(folder), "…")
        # Older versions of click name the short one of the two options.
        return text.replace(" -h' for help", " --help' for help")


def _write(step: Step, folder: Path) -> None:
    text = step.text or (DATA / "film.yaml").read_text("utf-8")
    for right, wrong in step.typed.items():
        assert text.count(right) == 1, right
        text = text.replace(right, wrong)
    (folder / FILM).write_text(text, encoding="utf-8")
    for name in ("prices.yaml", "products.csv"):
        shutil.copy(DATA / name, folder / name)
    for name, data in step.files.items():
        (folder / name).write_bytes(data)


@contextlib.contextmanager
def _environ(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables meanwhile, with none of klingflow's that the machine has."""
    kept = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("KLINGFLOW_")]:
        del os.environ[name]
    os.environ.update(values, NO_COLOR="1", COLUMNS="100")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)


if __name__ == "__main__":
    TRANSCRIPT.write_text(transcript(), encoding="utf-8")
