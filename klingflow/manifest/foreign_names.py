"""PURE. Names of fields in other tools and in Chinese: the table, with what each name is called
here, or what to do instead if the gateway has no such thing.

Names are compared by their letters and digits alone, so `imageUrl` and `image-url` are
`image_url`. Sources: the request fields of Kling's own API, Runway, Pika, Luma, Veo, Sora, MiniMax,
Vidu, Seedance, Wan, PixVerse and ComfyUI, and the headers of Chinese shot lists.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from klingflow.manifest.fields import SHOT
from klingflow.manifest.folds import letters
from klingflow.words import _

_NO_SUCH = _("the gateway has no such thing")


class Name(NamedTuple):
    """Foreign names of one thing. `field` is its name here, None if there is none; `write` is what
    to write, as an example, or a sentence that says what to do.
    """

    names: str  # separated by blanks
    field: str | None
    write: str

    @property
    def advice(self) -> str:
        """Return what completes a message about one of the names. The author should keep the value,
        so an example with a value says that it is an example.
        """
        if not self.write.startswith(f"{self.field}:"):
            return _("; {write}", write=self.write)
        has_value = not self.write.endswith(":") and "…" not in self.write
        name = _("'{field}', such as ", field=self.field) if has_value else ""
        return _("; write {name}'{write}'", name=name, write=self.write)


# columns.py reads shot lists by these rows, too.
PROMPT: Final = Name(
    "text prompts text_prompt prompt_text positive positive_prompt video_prompt 提示词 提示 提示语"
    " 正向提示词 正面提示词 视频提示词 ai提示词 中文提示词 英文提示词",
    "prompt",
    "prompt: …",
)
VISUAL: Final = Name(
    "description desc caption content visual visuals 描述 画面 画面描述 画面内容 内容 镜头描述"
    " 镜头内容 文案 场景描述 分镜描述 画面说明",
    "prompt",
    "prompt: …",
)
CAMERA: Final = Name(
    "camera camera_control camera_motion camera_movement camera_fixed movement camera_type"
    " shot_size angle lens lighting location 运镜 镜头 镜头运动 景别 机位 视角 角度 动作 光线 氛围"
    " 灯光 构图 摄法 焦距 速度 色调 情绪 表情 背景 天气 地点 日夜 道具 服装 camera_strength motion",
    "prompt",
    _("say it in 'prompt': …"),
)
ID: Final = Name(
    "id uid shot_id shot_no no index 编号 序号 镜号 镜头号",
    None,
    _("the id of a shot is its key: write 'shots: { s01: { … } }'"),
)
_NAMES: Final = (
    # --- the top of a file
    Name(
        "shot scene scenes task tasks job jobs prompts clip clips video videos storyboard"
        " storyboards steps items requests 镜头 镜头表 分镜 分镜表 分镜头 场景 场次 任务 视频",
        "shots",
        "shots:",
    ),
    Name(
        "default global globals common settings config base shared options 默认 默认值 公共"
        " 全局 通用 设置 参数",
        "defaults",
        "defaults:",
    ),
    Name("template templates style_presets characters 预设 模板 角色 人物", "presets", "presets:"),
    Name("variables variable env_vars constants define 变量", "vars", "vars:"),
    Name("includes import imports files 引用 包含", "include", "include: [act2.yaml]"),
    Name("price pricing cost costs price_file 价格 价目 单价", "prices", "prices: prices.yaml"),
    Name("max_cost total_budget 预算", "budget", "budget: 500"),
    Name("title project project_name film 名称 片名 项目 标题", "name", "name: my-film"),
    Name("limits runner execution 运行 限制", "run", "run: { max_running: 5 }"),
    Name("api server endpoint provider 网关 接口", "gateway", "gateway: { base_url: https://… }"),
    Name("outputs output_dir output_path out dir 输出 输出目录", "output", "output: …/{shot}.mp4"),
    # --- run: and gateway:
    Name(
        "concurrency max_concurrency parallel parallelism max_parallel workers max_workers"
        " threads max_in_flight 并发 并发数",
        "max_running",
        "max_running: 5",
    ),
    Name("rate rate_limit rpm qps requests_per_minute throttle 速率", "submit", "submit: 30/1m"),
    Name("poll_interval polling polling_interval interval 轮询", "poll_floor", "poll_floor: 5s"),
    Name("timeout task_timeout max_wait 超时", "deadline", "deadline: 90m"),
    Name("retry max_retries attempts 重试", "retries", "retries: 0"),
    Name("spend max_cost max_price cost_limit spending_limit", "max_spend", "max_spend: 200"),
    Name("max_shots max_videos limit", "max_tasks", "max_tasks: 10"),
    Name("url base api_base api_base_url api_url host address 地址", "base_url", "base_url:"),
    # --- what a video shows
    PROMPT,
    VISUAL,
    CAMERA,
    Name(
        "style_preset style_id style_name styles look visual_style style_suffix suffix 风格"
        " 画风 美术风格",
        "style",
        _("style: …, in words"),
    ),
    Name(
        "model_name model_id model_version engine engine_id ckpt_name checkpoint 模型 模型名"
        " 模型名称 型号 版本",
        "model",
        "model: kling-3.0",
    ),
    Name(
        "duration durations duration_seconds duration_sec duration_ms length length_s"
        " video_length video_duration secs sec second time num_seconds 时长 秒 秒数 时间"
        " 视频时长 镜头时长 持续时间 长度",
        "seconds",
        "seconds: 5",
    ),
    Name(
        "ratio aspect aspect_ration video_ratio video_aspect_ratio orientation 比例 画幅 宽高比"
        " 画面比例 画幅比 视频比例 横竖屏",
        "aspect_ratio",
        "aspect_ratio: 16:9",
    ),
    Name(
        "quality definition video_quality resolution_name output_resolution 分辨率 清晰度 画质"
        " 质量",
        "resolution",
        "resolution: 1080P",
    ),
    Name("width height dimensions frame_size 尺寸 宽 高 宽度 高度", "size", "size: 1920x1080"),
    Name(
        "sound audios generate_audio enable_audio with_audio has_audio audio_generation"
        " generate_sound with_sound sound_enabled enable_sound mute muted motion_has_audio"
        " keep_original_sound native_audio audio_type 声音 音频 有声 音效 环境音 同期声",
        "audio",
        _("audio: true (or false)"),
    ),
    # --- references
    Name(
        "image_url image_uri img img_url media picture photo init_image input_image"
        " source_image start_image prompt_image input_reference image_path image_file img_id"
        " image_base64 图片 图像 图 参考画面 底图 原图 首图",
        "image",
        "image: https://…",
    ),
    Name(
        "first_image first_frame_image first_frame_url first_frame_id start_frame start"
        " begin_frame head_frame frame0 first first_frame_img start_image_url 首帧 首帧图"
        " 首帧图片 起始帧 开始帧",
        "first_frame",
        "first_frame: https://…",
    ),
    Name(
        "image_tail tail_image end_image end_frame end_image_url last_image last_frame_image"
        " last_frame_url tail_frame tail frame1 end last_frame_img tail_image_url 尾帧 尾帧图"
        " 尾帧图片 末帧 结束帧",
        "last_frame",
        "last_frame: https://…",
    ),
    Name("keyframes frames 关键帧", "first_frame", "first_frame: … and last_frame: …"),
    Name(
        "reference_images reference_image image_list image_urls ref_images refs references"
        " reference ingredients subject_reference subject_references subjects element_list"
        " elements characters character image_references reference_image_urls input_image_urls"
        " 参考图 参考图片 参考 主体 角色 角色图 人物 人物图 垫图",
        "images",
        "images: [https://…], at most 3",
    ),
    Name(
        "video_url video_uri video_list reference_video reference_videos source_video"
        " input_video init_video ref_video 参考视频 视频",
        "video",
        "video: https://…",
    ),
    Name(
        "driving_video motion_reference motion_url reference_motion 动作视频 动作参考 驱动视频",
        "motion_video",
        "motion_video: https://…",
    ),
    Name(
        "mode 模式",
        "motion_level",
        _(
            "the model and 'resolution' say the quality; in motion control write 'motion_level:"
            " pro'"
        ),
    ),
    Name("file_infos attachments assets 文件 素材", "files", "files: [{ video: https://… }]"),
    Name(
        "multi_prompt multi_shot multi_shots shot_type storyboard sub_shots segments scenes"
        " shots 分镜 分镜头 多镜头 子镜头",
        "cuts",
        "cuts: [{ seconds: 3, prompt: … }]",
    ),
    Name("task_type type generation_type video_type action 类型 种类", "kind", "kind: avatar"),
    # --- about a shot
    Name(
        "n num count counts number num_videos number_of_videos num_outputs num_results"
        " n_variants number_videos sample_count samples batch batch_size batch_count repeat"
        " repeats variants variations versions 数量 条数 次数 个数 份数 抽卡 抽卡次数",
        "takes",
        "takes: 3",
    ),
    Name(
        "tag labels label group groups category 标签 分组 组",
        "tags",
        "tags: [act1]",
    ),
    Name(
        "scene_id scene_name scene_no scene_number 场景 场次 场号 场 场景名 场景名称",
        "scene",
        "scene: …",
    ),
    Name("heading headline caption_title 标题 镜头名 镜头名称", "title", "title: …"),
    Name(
        "notes comment comments remark remarks memo todo transition transitions 备注 说明 注释"
        " 转场",
        "note",
        "note: …",
    ),
    Name(
        "dialog dialogues line lines speech script subtitle subtitles narration voiceover 台词"
        " 对白 对话 旁白 字幕 解说 画外音",
        "dialogue",
        "dialogue: …",
    ),
    Name(
        "preset presets extends extend inherits inherit based_on template from 继承 预设 套用",
        "use",
        "use: hero",
    ),
    Name("loop rows items data csv with_items 遍历 循环 表格", "foreach", "foreach: …csv"),
    Name(
        "axes strategy combinations grid product 矩阵 组合", "matrix", "matrix: { light: [黎明] }"
    ),
    Name(
        "depends depends_on needs requires wait_for previous dependencies 依赖 之后",
        "after",
        "after: [opening]",
    ),
    Name(
        "output_file output_name file_name file path save_as save_to dest destination 文件名"
        " 保存为",
        "output",
        "output: outputs/{shot}{take}.mp4",
    ),
    Name("params parameters", "vars", "vars: { hero: 林夏 }"),
    Name("body payload raw json input inputs 请求", "request", "request: { model: …, prompt: … }"),
    Name("metadata extra_body extra_params additional_parameters", "extra", "extra: { … }"),
    Name("output_options config generation_config parameters", "output_config", "output_config:"),
    # --- the gateway's rarer options
    Name(
        "enhance_prompt prompt_optimizer prompt_extend prompt_enhancement prompt_expansion"
        " enable_prompt_expansion expand_prompt prompt_upsampling magic_prompt 提示词增强 润色",
        "output_config",
        "output_config: { enhance_switch: Enabled }",
    ),
    Name(
        "safety_checker enable_safety_checker enable_output_safety_checker content_moderation"
        " moderation safety 审核",
        "output_config",
        "output_config: { output_compliance_check: Enabled }",
    ),
    Name("allow_people", "output_config", "output_config: { person_generation: AllowAdult }"),
    # --- what the gateway does not have
    ID,
    Name(
        "negative_prompt negative negatives neg_prompt negative_text exclude_prompt 反向提示词"
        " 负面提示词 负向提示词 反向词 负面词 不要",
        None,
        _("{no_such}: say in 'prompt' what is to be seen instead", no_such=_NO_SUCH),
    ),
    Name(
        "seed seeds random_seed noise_seed 种子 随机种子 随机数",
        None,
        _("{no_such}: delete it; 'takes: 3' buys three versions", no_such=_NO_SUCH),
    ),
    Name(
        "steps cfg cfg_scale guide_scale guidance guidance_scale prompt_strength strength"
        " denoise sampler sampler_name scheduler num_inference_steps inference_steps lora loras"
        " clip_skip motion_bucket_id motion_strength motion_score motion_amount motion_mode"
        " movement_amplitude concepts acceleration fast_pretreatment creativity flow_shift"
        " shift 相关性 强度 步数 采样器 运动幅度",
        None,
        _("{no_such}: delete it, and say in 'prompt' what you want", no_such=_NO_SUCH),
    ),
    Name(
        "fps frame_rate frames_per_second n_frames num_frames frame_count 帧率 帧数",
        None,
        _(
            "{no_such}: delete it; the model decides how many frames a second it makes",
            no_such=_NO_SUCH,
        ),
    ),
    Name(
        "watermark watermark_info aigc_watermark wm_position add_watermark logo 水印",
        None,
        _("{no_such}: delete it", no_such=_NO_SUCH),
    ),
    Name(
        "callback_url callback callback_param webhook webhook_url webhook_secret hook"
        " notify_url notify_hook 回调 回调地址",
        None,
        _("klingflow asks the gateway itself: delete it"),
    ),
    Name(
        "task_id video_id req_key external_task_id external_id request_id user user_id"
        " session_id trace_id",
        None,
        _("klingflow keeps the ids in its ledger: delete it, or write it in 'note'"),
    ),
    Name(
        "sfx sound_effect_content lip_sync_tts_switch audio_url audio_file audio_id sound_file"
        " bgm music background_music voice voice_id voice_ids voice_list voice_language"
        " voice_speed tts 配音 音乐 背景音乐 配乐 音色",
        None,
        _("the gateway takes no sound, voice or music: 'audio: true' lets it make sound"),
    ),
    Name(
        "static_mask dynamic_masks dynamic_mask mask masks mask_url brush region effect_scene"
        " effect special_fx pikaffect template_id 蒙版 笔刷 特效",
        None,
        _("{no_such}: delete it, and say in 'prompt' what moves", no_such=_NO_SUCH),
    ),
    Name(
        "loop looping seamless_loop return_last_frame service_tier off_peak 循环播放 首尾循环",
        None,
        _("{no_such}: delete it", no_such=_NO_SUCH),
    ),
    Name(
        "enabled enable disabled disable skip active draft 启用 停用 跳过",
        None,
        _("leave a shot out with '--exclude ID', or put # in front of its lines"),
    ),
    Name(
        "api_key token secret access_key secret_key authorization ak sk 密钥",
        None,
        _("a key never stands in a manifest: put KLINGFLOW_API_KEY=… in .env"),
    ),
)


def _by_letters() -> dict[str, list[Name]]:
    found: dict[str, list[Name]] = {}
    for row in _NAMES:
        for name in row.names.split():
            found.setdefault(letters(name), []).append(row)
    return found


_BY_LETTERS: Final = _by_letters()


def rows_of(name: str) -> Sequence[Name]:
    """Return the rows that have a foreign name, in whatever spelling."""
    return _BY_LETTERS.get(letters(name), ())


def row_of(name: str) -> Name | None:
    """Return the row that says which field of a shot a foreign name is; None if there is none."""
    for row in rows_of(name):
        if row.field in SHOT or row is ID:
            return row
    return None
