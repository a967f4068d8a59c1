"""A cut as editing programs read it. The only room that knows OpenTimelineIO and pyJianYingDraft,
which the extra `edit` brings.

- timelines.py: the cut as an OpenTimelineIO timeline, from which three formats are written.
- interchange.py: otio, fcp7 and edl, from that timeline.
- jianying.py: a draft of 剪映 (JianYing).
"""
