"""What videos really are, and what is made of them. The only room of the client that imports PyAV
and Pillow, which the extra `media` brings.

- process.py: how the processes begin that decode videos, and how far each may go; decoder.py: such
  a process, which is asked line by line.
- opening.py: how a video is given to the decoder, how far its header is believed, how it is turned.
- inspector.py: asks a process of its own what a video is, because a decoder may crash.
- child.py: that process.
- probe.py: looks at one video: its length by its packets, what is seen and heard of it.
- labels.py: PURE; the marks of AI-made video.
- painter.py: asks a process of its own for pictures of videos.
- posters.py: that process.
- kept.py: what was found, by the hash of the video, so that no video is looked at twice.
- frames.py: one frame of a video as PNG, taken in a process of its own.
- kept_frames.py: starts that process, and keeps what it took, so that no frame is decoded twice.
- footage.py: what a video is for a cut: sides, length, rate, sound, mark.
- fonts.py, cards.py: what klingflow draws: cards for missing shots, subtitles.
- pieces.py: what an MP4 is joined from; splicing.py joins it, copying.py copies packets, and
  encoding.py encodes what cannot be copied.
- cutter.py: asks a process of its own for footage and for an MP4; bench.py: that process;
  orders.py: PURE; what it is told to make.
"""
