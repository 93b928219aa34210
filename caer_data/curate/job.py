"""The analysis of one video: what it depends on, and the artifacts with its results."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from caer_data.curate import audio_pass, hand_cuts, redact
from caer_data.curate.pyannote_files import Imported
from caer_data.engine import recipe as recipes
from caer_data.engine.artifacts import Artifact, Store, key_of
from caer_data.engine.identity import Anchor
from caer_data.media import fingerprints
from caer_data.media.probe import VideoInfo
from caer_data.media.unchanged import Stamp

SHOTS_VERSION = 24
FACES_VERSION = 12
SPEAKERS_VERSION = 4


@dataclass(frozen=True)
class Job:
    """One video to analyse."""

    path: Path
    video_id: str
    sha256: str
    info: VideoInfo
    recipe: recipes.Recipe
    work: Path
    threads: int
    imported: Imported
    weights: tuple[str, ...] = ()
    """SHA-256 of the user's own face models."""
    speaker_model: str = ""
    """SHA-256 of the user's own speaker detection model."""
    stamp: Stamp | None = None
    """State of the file when it was hashed."""
    cuts: tuple[hand_cuts.Cut, ...] = ()
    """Decisions by hand about its cuts."""
    forgotten: tuple[Anchor, ...] = ()
    """Parts of it that must not be analysed; see `curate.redact`."""

    @cached_property
    def subject(self) -> str:
        """Subject of this video's artifacts: the first digits of its hash."""
        return self.sha256[:16]

    @cached_property
    def shots_key(self) -> str:
        """Key of the shots artifact: content and the recipe's section."""
        content = (self.sha256, self.imported.shots_sha256, *self.info.part)
        return key_of("shots", SHOTS_VERSION, self.recipe.shots, *content)

    @cached_property
    def prints_key(self) -> str:
        """Key of the fingerprints artifact, without what is forgotten."""
        content = (self.sha256, self.info.audio_index, *self.info.part)
        key = key_of("prints", fingerprints.VERSION, None, *content)
        return redact.key_without(key, self.forgotten)

    @cached_property
    def faces_key(self) -> str:
        """Key of the faces artifact, without what is forgotten."""
        return redact.key_without(self.whole_faces_key, self.forgotten)

    @cached_property
    def whole_faces_key(self) -> str:
        """Key of the faces artifact before anything was forgotten."""
        decided = (self.cuts,) if self.cuts else ()
        inputs = (self.shots_key, self.imported.tracks_sha256, *self.weights, *decided)
        # the content of the files matters, not their paths
        settings = self.recipe.faces.model_copy(update={"weights": None, "weights_sha256": ()})
        return key_of("faces", FACES_VERSION, settings, *inputs)

    @cached_property
    def sound_key(self) -> str:
        """Key of the sound artifact, without the lines of what is forgotten."""
        # speakers have a separate artifact
        settings = self.recipe.speech.model_copy(update={"speaker": "none", "speaker_model": None})
        content = (self.sha256, self.info.audio_index)
        key = key_of("sound", audio_pass.SOUND_VERSION, settings, *content)
        return redact.key_without(key, self.forgotten)

    @property
    def wants_speakers(self) -> bool:
        """Whether speakers are requested and can be determined."""
        return self.recipe.speech.speaker != "none" and self.info.has_audio

    @cached_property
    def speakers_key(self) -> str:
        """Key of the speakers artifact."""
        inputs = (self.faces_key, self.sound_key, self.speaker_model)
        return key_of("speakers", SPEAKERS_VERSION, None, self.recipe.speech.speaker, *inputs)

    @property
    def store(self) -> Store:
        """The store of finished artifacts."""
        return Store(self.work)

    @property
    def shots(self) -> Artifact | None:
        """The shots artifact, if it exists.

        Its members are `shots.parquet`, `pts.npy`, `retimed.npy`, `glimpses.npy`, `video.json` and
        `seconds.json`.
        `retimed.npy` (int64) has a row for each frame whose time differs from the file's: frame,
        timestamp in the file (the lowest integer if it has none), retimed timestamp.
        """
        return self.store.get("shots", self.subject, self.shots_key)

    @property
    def prints(self) -> Artifact | None:
        """The fingerprints artifact, if it exists; written by `Fingerprints.save`."""
        return self.store.get("prints", self.subject, self.prints_key)

    @property
    def faces(self) -> Artifact | None:
        """The faces artifact, if it exists, with what `faces.find` writes and `models.json`."""
        return self.store.get("faces", self.subject, self.faces_key)

    @property
    def sound(self) -> Artifact | None:
        """The sound artifact, if it exists; written by `audio_pass.fill`."""
        return self.store.get("sound", self.subject, self.sound_key)

    @property
    def speakers(self) -> Artifact | None:
        """The speakers artifact, if it exists; written by `speaker_pass.fill`."""
        return self.store.get("speakers", self.subject, self.speakers_key)

    @property
    def done(self) -> bool:
        """Whether all artifacts exist."""
        spoken = self.speakers is not None or not self.wants_speakers
        return spoken and None not in (self.shots, self.prints, self.faces, self.sound)
