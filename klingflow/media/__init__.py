"""What videos really are. The only room of the client that imports PyAV, which the extra `media`
brings.

- inspector.py: asks a process of its own what a video is, because a decoder may crash.
- child.py: that process.
- probe.py: looks at one video: its length by its packets, what is seen and heard of it.
- labels.py: PURE; the marks of AI-made video.
- kept.py: what was found, by the hash of the video, so that no video is looked at twice.
"""
