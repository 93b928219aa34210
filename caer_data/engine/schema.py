"""All tables of a dataset by name, and the declarations of those that a build writes.

`engine/rating_schema.py` declares the tables about ratings. `engine/columns.py` describes the
conventions for frames, seconds and boxes.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from caer_data.engine.columns import ANCHOR, BOOL, BOX, FLOAT, FLOAT32, INT, STRING, Column, Table
from caer_data.engine.rating_schema import (
    ASSIGNMENTS,
    CHECKS,
    KNOWN,
    LABELS,
    RATERS,
    RATINGS,
)

USED: Final = ("ok", "damaged")
"""Status of the videos that clips come from."""
PRESENT: Final = ("kept", "absent")
"""Status of the clips that a dataset holds; clips of absent videos keep their files."""
CUTS: Final = ("cut", "dissolve", "wipe", "by_hand")
"""How a shot may begin."""
SPEAKERS: Final = ("target", "other", "unknown")
"""Who may speak in a clip."""

VIDEOS = Table(
    "videos",
    "one video file found below the shows folder",
    ("video_id",),
    (
        Column("video_id", STRING, "identifier made from show and episode"),
        Column("show", STRING, "first folder below the shows folder"),
        Column("episode", STRING, "path below the show, without extension"),
        Column("season", INT, "season by folder or name; 0 are specials", nullable=True),
        Column("episode_number", INT, "number of the episode by its name", nullable=True),
        Column("path", STRING, "path relative to the shows folder"),
        Column(
            "status",
            STRING,
            "ok, damaged (used, though pictures were lost or repaired), failed, duplicate, absent "
            "(not found by the last build)",
            values=("ok", "damaged", "failed", "duplicate", "absent"),
        ),
        Column(
            "reason",
            STRING,
            "why it failed, which video it repeats, or what was wrong with it",
            nullable=True,
        ),
        Column("frames", INT, "decoded frames", "frames", nullable=True),
        Column("fps", STRING, "usual frame rate as a fraction", "1/s", nullable=True),
        Column("variable_rate", BOOL, "frame durations differ", nullable=True),
        Column("retimed", INT, "frames whose timestamp is not the file's", "frames", nullable=True),
        Column("damaged_share", FLOAT, "share of frames lost or repaired", nullable=True),
        Column("time_base", STRING, "unit of the timestamps, a fraction", "s", nullable=True),
        Column("first_pts", INT, "timestamp of the first frame", "time_base", nullable=True),
        Column("duration_s", FLOAT, "first frame to the end of the last", "s", nullable=True),
        Column("width", INT, "displayed width: upright, square pixels", "px", nullable=True),
        Column("height", INT, "displayed height: upright", "px", nullable=True),
        Column("rotation", INT, "clockwise turn that makes it upright", "degrees", nullable=True),
        Column("mirrored", BOOL, "left and right are exchanged before turning", nullable=True),
        Column("crop", STRING, "stored pixels cut off: left top right bottom", "px", nullable=True),
        Column("pixel_aspect", STRING, "sample aspect ratio of the stored picture", nullable=True),
        Column("video_codec", STRING, "codec of the pictures", nullable=True),
        Column(
            "scan_type",
            STRING,
            "how its pictures were scanned, by their flags (soft telecine is undone)",
            nullable=True,
            values=("progressive", "interlaced", "telecined", "mixed"),
        ),
        Column("field_order", STRING, "field order by the header", nullable=True),
        Column(
            "scan_measured",
            STRING,
            "how its pictures were scanned, by the pictures; telecined: film in interlaced frames; "
            "unknown: too little moves, or the signs contradict each other",
            nullable=True,
            values=("progressive", "interlaced", "telecined", "mixed", "unknown"),
            added=True,
        ),
        Column(
            "interlaced_share",
            FLOAT,
            "share of the examined frames with motion that consist of two fields",
            nullable=True,
            added=True,
        ),
        Column(
            "order_measured",
            STRING,
            "field order by the pictures: tt (top first), bb (bottom first)",
            nullable=True,
            values=("tt", "bb"),
            added=True,
        ),
        Column(
            "fields",
            STRING,
            "frames deinterlaced: as flagged, none (whole), all (top or bottom field first), or "
            "all as telecined film, which clips cut by time put together again (film_top, "
            "film_bottom)",
            nullable=True,
            values=("flagged", "whole", "top", "bottom", "film_top", "film_bottom"),
            added=True,
        ),
        Column(
            "shape_changes", BOOL, "size or aspect ratio changes within the file", nullable=True
        ),
        Column("color_primaries", STRING, "colour primaries; empty if untagged", nullable=True),
        Column("color_transfer", STRING, "transfer curve; empty if untagged", nullable=True),
        Column("color_matrix", STRING, "colour matrix; empty if untagged", nullable=True),
        Column("color_range", STRING, "limited (television) or full", nullable=True),
        Column("has_audio", BOOL, "has a sound track", nullable=True),
        Column("audio_language", STRING, "language of the sound track used", nullable=True),
        Column(
            "programmes",
            STRING,
            "numbers and names of the programmes of a broadcast, the one used first",
            nullable=True,
            added=True,
        ),
        Column(
            "speech",
            FLOAT,
            "share of its sound in which somebody speaks; empty: not measured, or unknown",
            nullable=True,
            added=True,
        ),
        Column("bytes", INT, "file size", "bytes"),
        Column("sha256", STRING, "hash of the file's content", nullable=True),
    ),
)

AUDIO_TRACKS = Table(
    "audio_tracks",
    "one sound track of a video",
    ("video_id", "stream"),
    (
        Column("video_id", STRING, "its video"),
        Column("stream", INT, "index among all streams of the file"),
        Column("chosen", BOOL, "clips are cut with this one"),
        Column("codec", STRING, "codec of the sound; empty if it cannot be decoded", nullable=True),
        Column("language", STRING, "language by the file", nullable=True),
        Column("title", STRING, "title by the file", nullable=True),
        Column("channels", INT, "channels", nullable=True),
        Column("sample_rate", INT, "samples per second", "Hz", nullable=True),
        Column("default", BOOL, "flagged as the default"),
        Column("original", BOOL, "flagged as the original language"),
        Column("dub", BOOL, "flagged as dubbed"),
        Column("commentary", BOOL, "a commentary, by flag or title"),
        Column("described", BOOL, "audio description, by flag or title"),
    ),
)

SHOTS = Table(
    "shots",
    "one shot of a video",
    ("shot_id",),
    (
        Column("shot_id", STRING, "video_id and the shot's number"),
        Column("video_id", STRING, "its video"),
        Column("start_frame", INT, "first frame", "frames"),
        Column("end_frame", INT, "one past the last frame", "frames"),
        Column("start_pts", INT, "timestamp of the first frame", "time_base"),
        Column("end_pts", INT, "timestamp one past the last frame", "time_base"),
        Column("start_s", FLOAT, "start, from the video's first frame", "s"),
        Column("end_s", FLOAT, "end, from the video's first frame", "s"),
        Column(
            "cut",
            STRING,
            "how it begins; empty: the video's first shot, or imported shots",
            nullable=True,
            values=CUTS,
            added=True,
        ),
        Column(
            "cut_score",
            FLOAT,
            "how clear that cut is, 0 to 1; empty: cut by hand, or the detector gives no score",
            nullable=True,
            added=True,
        ),
    ),
)

TRACKS = Table(
    "tracks",
    "one face followed through a shot",
    ("track_id",),
    (
        Column("track_id", STRING, "shot_id and the track's number"),
        Column("shot_id", STRING, "its shot"),
        Column("video_id", STRING, "its video"),
        Column("person_id", STRING, "the person it shows", nullable=True),
        Column("start_frame", INT, "first frame with a box", "frames"),
        Column("end_frame", INT, "one past the last frame with a box", "frames"),
        Column("start_s", FLOAT, "start, from the video's first frame", "s"),
        Column("end_s", FLOAT, "end, from the video's first frame", "s"),
        Column("coverage", FLOAT, "share of the shot's frames that have a box"),
        Column("detections", INT, "sampled frames in which the detector saw it"),
        Column("score", FLOAT, "mean score of its detections (detector's own scale)"),
        Column("face_height", FLOAT, "median box height over picture height between black bars"),
        Column("sharpness", FLOAT, "median sharpness of the face, 0 blurred to 1 sharp"),
        Column("brightness", FLOAT, "median brightness of the face, 0 black to 1 white"),
    ),
)

FACES = Table(
    "faces",
    "the box of one track in one frame",
    ("track_id", "frame"),
    (
        Column("track_id", STRING, "its track"),
        Column("frame", INT, "frame of the video", "frames"),
        Column("time_s", FLOAT, "time from the video's first frame", "s"),
        Column("x1", FLOAT32, "left edge", "px"),
        Column("y1", FLOAT32, "top edge", "px"),
        Column("x2", FLOAT32, "right edge, exclusive", "px"),
        Column("y2", FLOAT32, "bottom edge, exclusive", "px"),
        Column("score", FLOAT32, "detector's score; empty where interpolated", nullable=True),
        Column("interpolated", BOOL, "box lies between two detections"),
    ),
)

PEOPLE = Table(
    "people",
    "one person of a show: a cluster of tracks",
    ("person_id",),
    (
        Column("person_id", STRING, "show and a number, most seen first"),
        Column("show", STRING, "the show"),
        Column("tracks", INT, "number of tracks"),
        Column("shots", INT, "number of shots"),
        Column("videos", INT, "number of videos"),
        Column("seconds", FLOAT, "time on screen", "s"),
        Column("best_track_id", STRING, "the track that shows the face best"),
        Column("name", STRING, "name given by hand", nullable=True, added=True),
        Column(
            "identity",
            STRING,
            "the person across all shows: the first person_id with this face; empty: not compared",
            nullable=True,
            added=True,
        ),
    ),
)

CLIPS = Table(
    "clips",
    "one shot or part of a shot, kept or dropped",
    ("clip_id",),
    (
        Column("clip_id", STRING, "shot_id and the part's number"),
        Column("shot_id", STRING, "its shot"),
        Column("video_id", STRING, "its video"),
        Column("show", STRING, "its show"),
        Column("episode", STRING, "its episode"),
        Column("start_frame", INT, "first frame", "frames"),
        Column("end_frame", INT, "one past the last frame", "frames"),
        Column("start_pts", INT, "timestamp of the first frame", "time_base"),
        Column("end_pts", INT, "timestamp one past the last frame", "time_base"),
        Column("start_s", FLOAT, "start, from the video's first frame", "s"),
        Column("end_s", FLOAT, "end, from the video's first frame", "s"),
        Column(
            "status",
            STRING,
            "kept, dropped, or absent: kept, but the last build did not find its video",
            values=("kept", "dropped", "absent"),
        ),
        Column(
            "reason",
            STRING,
            "why it was dropped",
            nullable=True,
            values=(
                "too_short",
                "no_face",
                "group",
                "too_brief",
                "ambiguous",
                "too_small",
                "blurred",
                "too_dark",
                "repeated",
                "failed",
                "by_hand",
                "forgotten",
            ),
        ),
        Column(
            "n_people",
            INT,
            "people seen for long enough, without those in the dark or out of focus beside others; "
            "empty if it is too short",
            nullable=True,
        ),
        Column("person_id", STRING, "the target person", nullable=True),
        Column("track_id", STRING, "the target's track", nullable=True),
        Column("coverage", FLOAT, "share of the clip that shows the target", nullable=True),
        Column(
            "face_height",
            FLOAT,
            "target's median box height over picture height between black bars",
            nullable=True,
        ),
        Column(
            "dominance",
            FLOAT,
            "target's face height over the next person's, weighted by time on screen",
            nullable=True,
        ),
        Column("sharpness", FLOAT, "target's sharpness, 0 to 1", nullable=True),
        Column("brightness", FLOAT, "target's brightness, 0 to 1", nullable=True),
        Column(
            "speech",
            FLOAT,
            "share of it in which somebody speaks, seen or not; empty: not measured, or unknown",
            nullable=True,
            added=True,
        ),
        Column(
            "speaker",
            STRING,
            "who speaks: the target, another face, or unknown; empty: not measured, or no speech",
            values=SPEAKERS,
            nullable=True,
            added=True,
        ),
        Column("path", STRING, "media file, relative to the dataset", nullable=True),
        Column("width", INT, "width of the media file", "px", nullable=True),
        Column("height", INT, "height of the media file", "px", nullable=True),
        Column("fps", STRING, "frame rate of the media file, a fraction", "1/s", nullable=True),
        Column("variable_rate", BOOL, "its frames keep the video's uneven times", nullable=True),
        Column("frames", INT, "frames in the media file", "frames", nullable=True),
        Column("has_audio", BOOL, "the media file has sound", nullable=True),
        Column("bytes", INT, "size of the media file", "bytes", nullable=True),
        Column("sha256", STRING, "hash of the media file", nullable=True),
        Column("clip_key", STRING, "permanent name of a kept clip", nullable=True),
        Column("video_key", STRING, "SHA-256 of the video's content", nullable=True),
        *BOX,
        Column("repeat_of", STRING, "clip that shows the same", nullable=True, added=True),
        Column("repeat_score", FLOAT, "how alike they are, at most 1", nullable=True, added=True),
    ),
)

REPEATS = Table(
    "repeats",
    "one shot that repeats an earlier one, with the span that is repeated",
    ("shot_id", "of_shot_id"),
    (
        Column("shot_id", STRING, "the shot that repeats"),
        Column("video_id", STRING, "its video"),
        Column("start_pts", INT, "start of what is repeated", "time_base"),
        Column("end_pts", INT, "end of what is repeated", "time_base"),
        Column("start_s", FLOAT, "start, from the video's first frame", "s"),
        Column("end_s", FLOAT, "end, from the video's first frame", "s"),
        Column("of_shot_id", STRING, "the shot that it repeats"),
        Column("of_video_id", STRING, "the video of that one"),
        Column("of_start_pts", INT, "start there", "time_base of that video"),
        Column("of_end_pts", INT, "end there", "time_base of that video"),
        Column("of_start_s", FLOAT, "start there, from the video's first frame", "s"),
        Column("of_end_s", FLOAT, "end there, from the video's first frame", "s"),
        Column("mirrored", BOOL, "left and right are exchanged"),
        Column("score", FLOAT, "mean correlation of the pictures, at most 1"),
        Column("motion", FLOAT, "correlation of moving parts; empty if none", nullable=True),
        Column("sound", FLOAT, "share of equal bits of sound; empty if silent", nullable=True),
    ),
)

KEYS = Table(
    "keys",
    "one clip that was ever kept: its key and what the key was minted for",
    ("clip_key",),
    (
        Column("clip_key", STRING, "short hash of video, span and target"),
        Column("names", pa.list_(STRING), "every clip_id that it has had"),
        *ANCHOR,
        *BOX,
    ),
)

SPEECH = Table(
    "speech",
    "one span in which somebody speaks, or in which this is unknown",
    ("video_id", "start_s"),
    (
        Column("video_id", STRING, "its video"),
        Column("start_s", FLOAT, "start, from the video's first frame", "s"),
        Column("end_s", FLOAT, "end, from the video's first frame", "s"),
        Column(
            "state",
            STRING,
            "speech, or unknown: no sound, or digital silence; nobody speaks in between",
            values=("speech", "unknown"),
        ),
    ),
)

LINES = Table(
    "lines",
    "one line of subtitles",
    ("video_id", "track", "number"),
    (
        Column("video_id", STRING, "its video"),
        Column("track", STRING, "the file beside the video, or 'stream N' inside it"),
        Column("number", INT, "place in its track, from 0"),
        Column("start_s", FLOAT, "start, from the video's first frame", "s"),
        Column("end_s", FLOAT, "end, from the video's first frame", "s"),
        Column("start_pts", INT, "start as a timestamp of the video", "time_base"),
        Column("end_pts", INT, "end as a timestamp of the video", "time_base"),
        Column("text", STRING, "without mark-up"),
        Column("language", STRING, "language by the file or its name", nullable=True),
        Column("speaker", STRING, "who speaks, where the subtitles name somebody", nullable=True),
        Column("forced", BOOL, "of a forced track: translations of foreign-language parts"),
        Column("clip_key", STRING, "the clip that has most of it; empty: none", nullable=True),
    ),
)

TABLES: Final = {
    t.name: t
    for t in (
        VIDEOS,
        AUDIO_TRACKS,
        SHOTS,
        TRACKS,
        FACES,
        PEOPLE,
        CLIPS,
        REPEATS,
        KEYS,
        SPEECH,
        LINES,
        ASSIGNMENTS,
        RATINGS,
        LABELS,
        KNOWN,
        CHECKS,
        RATERS,
    )
}
